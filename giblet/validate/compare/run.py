"""The results of one run, and whether two runs are of the same study."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.store import reading
from giblet.validate.report.files import read_table
from giblet.validate.report.study import METRIC_COLUMNS, METRIC_TEXT
from giblet.validate.report.verdicts import Scores
from giblet.validate.report.words import MODALITIES
from giblet.validate.testset import TestSet

# Where settings of the statistics are when the run has left no record of its configuration.
STATISTICS = {"block_trs": 10, "n_bootstrap": 1000, "min_ceiling": 0.1}


@dataclass(frozen=True)
class Run:
    """What a results folder holds.

    Attributes
    ----------
    scores : modality -> its scores
    splits : columns run, tr, split
    subjects, tr_s : of the study
    config : the whole configuration; None when there is no record of it
    """

    folder: Path
    scores: dict[str, Scores]
    splits: pd.DataFrame
    subjects: tuple[str, ...]
    tr_s: float
    config: dict[str, Any] | None

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def statistic(self, name: str) -> float:
        """A setting of the statistics, as configured or its default."""
        validate = (self.config or {}).get("validate", {})
        found = {**validate.get("statistics", {}), **validate.get("fmri", {})}
        return float(found.get(name, STATISTICS[name]))

    def runs(self) -> dict[str, int]:
        """TRs of each run."""
        return {str(run): len(part) for run, part in self.splits.groupby("run", sort=False)}

    def test_trs(self) -> dict[str, NDArray[np.int64]]:
        """Test TRs of each run that has any, increasing."""
        test = self.splits[self.splits["split"] == "test"]
        return {
            str(run): np.sort(part["tr"].to_numpy(np.int64))
            for run, part in test.groupby("run", sort=False)
        }

    def test_set(self) -> TestSet:
        """The test TRs, laid out as when they were scored."""
        trs = self.test_trs()
        n_trs = tuple(self.runs()[run] for run in trs)
        tr_s = Fraction(self.tr_s).limit_denominator(10**6)
        return TestSet(tuple(trs), n_trs, tuple(trs.values()), tr_s, self.subjects)


def open_run(folder: str | Path) -> Run:
    """Read a results folder, ``results/{dataset}``.

    Raises
    ------
    ValidationError
        If it is no such folder, or its validate stage has not run.
    """
    folder = Path(folder).resolve()
    paths = {name: folder / "validate" / name / "metrics.csv" for name in MODALITIES}
    splits = folder / "align/splits.tsv"
    if not splits.exists() or not paths["fmri"].exists():
        missing = splits if not splits.exists() else paths["fmri"]
        raise ValidationError(
            f"{missing}: no such file, so {folder} is not the results folder of a finished study: "
            "give one such as results/demo, or run snakemake validate first"
        )
    with reading(folder / "validate/fmri/voxels.h5", stage="validate") as file:
        subjects = tuple(json.loads(file.attrs["subjects"]))
        tr_s = float(file.attrs["tr_s"][0] / file.attrs["tr_s"][1]) if "tr_s" in file.attrs else 0
    return Run(
        folder,
        {
            name: Scores(read_table(path, METRIC_COLUMNS, METRIC_TEXT))
            for name, path in paths.items()
            if path.exists()
        },
        read_table(splits, ("run", "tr", "split"), ("run", "split")),
        subjects,
        tr_s,
        _configuration(folder),
    )


def _configuration(folder: Path) -> dict[str, Any] | None:
    """The configuration that the job of the report recorded."""
    stamp = folder / "validate/report/.index.html.params.json"
    try:
        params = json.loads(stamp.read_text(encoding="utf-8"))["params"]
        found: dict[str, Any] = json.loads(params["settings_json"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found


def other_study(one: Run, other: Run) -> list[str]:
    """In what two runs are of different studies: films, TRs or people; empty for the same."""
    out = []
    if one.tr_s != other.tr_s:
        out.append(f"TR {one.tr_s:g} s and {other.tr_s:g} s")
    if one.subjects != other.subjects:
        out.append(f"subjects {', '.join(one.subjects)} and {', '.join(other.subjects)}")
    here, there = one.runs(), other.runs()
    if list(here) != list(there):
        out.append(f"runs {', '.join(here)} and {', '.join(there)}")
    else:
        out += [
            f"{run} has {n} TRs and {there[run]} TRs" for run, n in here.items() if n != there[run]
        ]
    if not out:
        out += _other_words(one, other)
    return out


def _other_words(one: Run, other: Run) -> Iterator[str]:
    """Runs of which the annotations say something else: then the film is another one."""
    for run in one.runs():
        texts = [study.folder / "stimulus" / run / "text.tsv" for study in (one, other)]
        if all(path.exists() for path in texts):
            said = [read_table(path, ("text",), ("text",))["text"].tolist() for path in texts]
            differ = sum(a != b for a, b in zip(*said, strict=False))
            if differ:
                yield f"what is said or shown in {run} differs in {differ} of {len(said[0])} TRs"


def check_same_study(one: Run, other: Run) -> None:
    """Refuse to compare runs of different studies.

    Raises
    ------
    ValidationError
        Naming all that differs.
    """
    found = other_study(one, other)
    if found:
        raise ValidationError(
            f"{one.folder} and {other.folder} are of different studies: {'; '.join(found)}. "
            "Compare them all the same with --other-study; differences then have no intervals"
        )
