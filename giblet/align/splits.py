"""Which TRs train, validate and test: contiguous blocks or whole runs, with gaps.

The split is a property of the film, not of a subject: one table serves all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet import notices
from giblet.align.layout import CODES, NAMES
from giblet.align.lengths import run_lengths, stimulus_files
from giblet.align.measured import measured_by_all
from giblet.align.planning import plan_splits
from giblet.align.shared import common_seconds
from giblet.errors import AlignError
from giblet.results import read_made_table
from giblet.store import replacing
from giblet.timing import Exact, as_fraction, seconds_to_trs

# A response has died away after this long; a shorter gap lets train see test stimuli.
HRF_S = 30


def write_splits(
    out: str | Path,
    *,
    runs: Sequence[str],
    frames: Sequence[str | Path],
    audio: Sequence[str | Path],
    text: Sequence[str | Path],
    scans: Mapping[tuple[str, str], str | Path],
    run_splits: Sequence[str],
    repeats: Mapping[str, str],
    tr_s: Exact,
    max_missing_trs: int,
    scheme: str,
    held_out: str | None,
    test_fraction: float,
    val_fraction: float,
    n_blocks: int,
    val_every_runs: int,
    gap_s: float,
    delays_trs: Sequence[int],
) -> None:
    """Measure the runs, plan the split and write it as a table ``run, tr, split``.

    Parameters
    ----------
    frames, audio, text
        Stimulus and feature files of each run, in the order of `runs`, none for a modality that
        the study lacks. Pictures, or sound, are compared with those of all other runs.
    scans
        Cleaned BOLD file of each (subject, run).
    run_splits
        The runs table's split column: train, val, test or empty.
    repeats
        Runs that show what an earlier one showed, and which; both are split alike.
    held_out
        The run that tests with scheme ``leave_one_run_out``; None for the last.
    delays_trs
        The baseline's delays; the gap has to be longer than the longest of them.
    """
    stimuli = stimulus_files(len(runs), frames, audio, text)
    lengths, film = run_lengths(runs, stimuli, scans, tr_s=tr_s, max_missing_trs=max_missing_trs)
    measured = measured_by_all(runs, scans, lengths, tr_s)
    shown = {run: film[run][: lengths[run]] & measured[run] for run in runs}
    codes = plan_splits(
        shown,
        dict(zip(runs, run_splits, strict=True)),
        scheme=scheme,
        held_out=held_out,
        test_fraction=test_fraction,
        val_fraction=val_fraction,
        n_blocks=n_blocks,
        val_every_runs=val_every_runs,
        gap_trs=gap_in_trs(gap_s, tr_s, delays_trs),
        repeats=repeats,
        common=common_seconds(runs, stimuli, lengths, repeats, tr_s),
        tr_s=tr_s,
    )
    table = as_table(codes)
    print(summary(codes))
    with replacing(out) as partial:
        table.to_csv(partial, sep="\t", index=False)


def gap_in_trs(gap_s: float, tr_s: Exact, delays_trs: Sequence[int] = ()) -> int:
    """Length of the gap in TRs, at least `gap_s` seconds.

    Raises
    ------
    AlignError
        If a delayed regressor of a training TR could reach across the gap.
    """
    gap_trs = seconds_to_trs(gap_s, tr_s)
    longest = max(delays_trs, default=0)
    if gap_trs < longest:
        needed = float(longest * as_fraction(tr_s))
        raise AlignError(
            f"align/gap_s is {gap_s} s = {gap_trs} TRs, but align/delays_trs reaches back "
            f"{longest} TRs: training would see test stimuli; set align/gap_s to {needed} or more"
        )
    if gap_s < HRF_S:
        notices.warn(
            f"align/gap_s is {gap_s} s, shorter than the {HRF_S} s that a response "
            "lasts: BOLD at the start of a test block still answers training stimuli"
        )
    return gap_trs


def as_table(codes: Mapping[str, NDArray[np.int8]]) -> pd.DataFrame:
    """One row per run and TR, the split by name."""
    parts = [
        pd.DataFrame({"run": run, "tr": np.arange(len(c)), "split": [NAMES[int(k)] for k in c]})
        for run, c in codes.items()
    ]
    return pd.concat(parts, ignore_index=True)


def read_splits(path: str | Path) -> dict[str, NDArray[np.int8]]:
    """Split codes of every run, as `write_splits` wrote them.

    Raises
    ------
    AlignError
        If the table was edited into something that is not a split.
    """
    path = Path(path)
    if not path.exists():
        raise AlignError(f"{path}: no such file: run snakemake to make it")
    table = read_made_table(
        path, ("run", "tr", "split"), dtype={"run": str, "split": str}, keep_default_na=False
    )
    unknown = sorted(set(table["split"]) - set(CODES))
    if unknown:
        raise AlignError(f"{path}: split {unknown[0]!r}: known are {', '.join(CODES)}")
    codes: dict[str, NDArray[np.int8]] = {}
    for run, rows in table.groupby("run", sort=False):
        if list(rows["tr"]) != list(range(len(rows))):
            raise AlignError(
                f"{path}: the TRs of {run} are not 0 to {len(rows) - 1} in order: delete the "
                "file and run snakemake again"
            )
        codes[str(run)] = np.array([CODES[name] for name in rows["split"]], np.int8)
    return codes


def summary(codes: Mapping[str, NDArray[np.int8]]) -> str:
    """One line per run: its blocks as ``train 0-159``, and the shares of the study."""
    lines = []
    for run, code in codes.items():
        edges = [0, *(np.flatnonzero(np.diff(code)) + 1), len(code)]
        spans = pairwise(edges)
        lines.append(f"{run}: " + ", ".join(f"{NAMES[int(code[a])]} {a}-{b - 1}" for a, b in spans))
    every = np.concatenate(list(codes.values()))
    shares = ", ".join(f"{n} {(every == c).mean():.1%}" for n, c in CODES.items())
    return "\n".join([*lines, f"all {len(every)} TRs: {shares}"])
