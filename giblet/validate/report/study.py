"""Everything the report is made from, read once and checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.store import reading
from giblet.validate.report.files import Files, read_json, read_table
from giblet.validate.report.verdicts import Scores
from giblet.validate.report.words import MODALITIES, STIMULUS_MODALITIES

METRIC_COLUMNS = (
    *("modality", "metric", "unit", "source", "split", "subject"),
    *("value", "ci_low", "ci_high", "n"),
)
METRIC_TEXT = ("modality", "metric", "unit", "source", "split", "subject")
VOXEL_NAMES = ("r", "r_ridge", "ceiling", "q", "q_ridge", "delay_s")


@dataclass
class Voxels:
    """Scores of all voxels (or parcels).

    Attributes
    ----------
    of_subject
        For each subject the arrays of `VOXEL_NAMES`, [V] each, NaN where not scored.
    responds
        [V, 3] bool, picture, sound and words; None for a real study.
    """

    kind: str
    fdr_q: float
    n_permutations: int
    min_ceiling: float
    of_subject: dict[str, dict[str, NDArray[np.float64]]]
    responds: NDArray[np.bool_] | None = None

    @property
    def n_voxels(self) -> int:
        """Number of voxels in the mask."""
        return next((len(arrays["r"]) for arrays in self.of_subject.values()), 0)

    def mean(self, name: str) -> NDArray[np.float64]:
        """Mean over the subjects that have a value, [V]."""
        stacked = np.stack([arrays[name] for arrays in self.of_subject.values()])
        known = np.isfinite(stacked)
        total = np.where(known, stacked, 0).sum(axis=0)
        return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


@dataclass
class Study:
    """What one report shows."""

    files: Files
    scores: dict[str, Scores]
    voxels: Voxels | None
    splits: pd.DataFrame
    history: pd.DataFrame | None
    training: dict[str, Any]
    n_ceiling_subjects: int
    ceilings_from: frozenset[str]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def has_brain_ceiling(self) -> bool:
        """Whether there was anything to estimate a ceiling from."""
        return self.n_ceiling_subjects != 1 or "repeats" in self.ceilings_from

    @property
    def absent(self) -> list[str]:
        """Modalities that the study lacks."""
        return [name for name in STIMULUS_MODALITIES if name not in self.scores]

    @property
    def simulated(self) -> bool:
        """Whether the truth is known."""
        return self.voxels is not None and self.voxels.responds is not None

    @property
    def shown_subject(self) -> str:
        """The subject whose decodings are shown."""
        for name in ("examples", "sounds"):
            table = self.tables.get(name)
            if table is not None:
                named = [who for who in table["subject"] if who]
                if named:
                    return str(named[0])
        return ""


# Tables that a page can do without: name, file, columns needed, columns of text.
OPTIONAL = (
    ("regions", "validate/fmri/by_region.csv", ("region", "source", "subject", "value", "ci_low",
     "ci_high", "n"), ("region", "source", "subject")),
    ("runs", "validate/fmri/by_run.csv", ("run", "source", "subject", "value", "ci_low", "ci_high",
     "n"), ("run", "source", "subject")),
    ("partition", "validate/fmri/partition.csv", ("region", "part", "subject", "value", "ci_low",
     "ci_high", "n"), ("region", "part", "subject")),
    ("sounds", "validate/audio/shown.tsv", ("file", "run", "source", "subject"),
     ("file", "run", "source", "subject")),
    ("clips", "validate/audio/clips.tsv", ("run", "tr_start", "source", "subject", "speech",
     "is_speech"), ("run", "source", "subject", "is_speech")),
    ("examples", "validate/video/examples.tsv", ("file", "kind", "run", "tr", "start_s", "subject",
     "ssim"), ("file", "kind", "run", "subject")),
    ("text_regions", "validate/text/by_region.csv", ("region", "subject", "pairwise", "ci_low",
     "ci_high", "n", "p", "q", "top5", "median_rank", "n_voxels"), ("region", "subject")),
    ("said", "validate/text/region_sentences.tsv", ("region", "subject", "run", "tr", "start_s",
     "true_text", "nearest_text", "rank"),
     ("region", "subject", "run", "true_text", "nearest_text")),
    ("sentences", "validate/text/retrieved.tsv", ("run", "tr", "start_s", "source", "subject",
     "true_text", "retrieved_text", "rank", "n_candidates"),
     ("run", "source", "subject", "true_text", "retrieved_text")),
)  # fmt: skip
HISTORY_COLUMNS = ("step", "split", "loss")


def load(files: Files, model: str, modalities: Sequence[str] = STIMULUS_MODALITIES) -> Study:
    """Read the study's results.

    Parameters
    ----------
    model
        Name of the trained model, ``train/{model}``.
    modalities
        What the study has of video, audio and text; there are no scores of the others.

    Raises
    ------
    ValidationError
        If a metrics table is missing, or a table has not the columns it should have.
    """
    scores = {name: _scores(files, name) for name in MODALITIES if name in ("fmri", *modalities)}
    tables = {}
    for name, file, columns, text in OPTIONAL:
        path = files.get(file)
        if path is not None:
            tables[name] = read_table(path, columns, text)
    history = files.get(f"train/{model}/history.csv")
    n_ceiling_subjects, ceilings_from = _ceilings(files)
    return Study(
        files=files,
        scores=scores,
        voxels=_voxels(files),
        splits=read_table(files.need("align/splits.tsv"), ("run", "tr", "split"), ("run", "split")),
        history=None if history is None else read_table(history, HISTORY_COLUMNS, ("split",)),
        training=read_json(files.get(f"train/{model}/metrics.json")),
        n_ceiling_subjects=n_ceiling_subjects,
        ceilings_from=ceilings_from,
        tables=tables,
    )


def _scores(files: Files, modality: str) -> Scores:
    path = files.need(f"validate/{modality}/metrics.csv")
    return Scores(read_table(path, METRIC_COLUMNS, METRIC_TEXT))


def _ceilings(files: Files) -> tuple[int, frozenset[str]]:
    """Number of subjects, and what ceilings were taken from: other ``subjects``, ``repeats``."""
    path = files.get("brain/ceiling.h5")
    if path is None:
        return 0, frozenset()
    with reading(path, stage="brain") as file:
        found = list(file["ceiling"].values()) if "ceiling" in file else []
        taken_from = frozenset(str(one.attrs.get("ceiling_from", "subjects")) for one in found)
        return int(file.attrs.get("n_subjects", len(found))), taken_from


def _voxels(files: Files) -> Voxels | None:
    path = files.get("validate/fmri/voxels.h5")
    if path is None:
        return None
    with reading(path, stage="validate") as file:
        subjects = json.loads(file.attrs["subjects"])
        of_subject = {
            who: {n: file[f"{who}/{n}"][:].astype(float) for n in VOXEL_NAMES if n in file[who]}
            for who in subjects
        }
        responds = file["truth/responds"][:].astype(bool) if "truth/responds" in file else None
        return Voxels(
            kind=str(file.attrs["kind"]),
            fdr_q=float(file.attrs["fdr_q"]),
            n_permutations=int(file.attrs["n_permutations"]),
            min_ceiling=float(file.attrs["min_ceiling"]),
            of_subject=of_subject,
            responds=responds,
        )
