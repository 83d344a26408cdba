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
from giblet.align.lengths import run_lengths, stimulus_files
from giblet.errors import AlignError
from giblet.results import read_made_table
from giblet.store import replacing
from giblet.timing import Exact, as_fraction, seconds_to_trs

CODES = {"train": 0, "val": 1, "test": 2, "gap": -1}
NAMES = {code: name for name, code in CODES.items()}
SCHEMES = ("blocks", "runs", "leave_one_run_out")
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
        the study lacks; only their headers (and the small ``valid`` array) are read.
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
    codes = plan_splits(
        {run: film[run][: lengths[run]] for run in runs},
        dict(zip(runs, run_splits, strict=True)),
        scheme=scheme,
        held_out=held_out,
        test_fraction=test_fraction,
        val_fraction=val_fraction,
        n_blocks=n_blocks,
        val_every_runs=val_every_runs,
        gap_trs=gap_in_trs(gap_s, tr_s, delays_trs),
        repeats=repeats,
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


def plan_splits(
    film: Mapping[str, NDArray[np.bool_]],
    run_splits: Mapping[str, str],
    *,
    scheme: str,
    held_out: str | None = None,
    test_fraction: float,
    val_fraction: float,
    n_blocks: int,
    val_every_runs: int,
    gap_trs: int,
    repeats: Mapping[str, str] | None = None,
) -> dict[str, NDArray[np.int8]]:
    """Split code of every TR of every run (see `CODES`).

    Scheme ``blocks`` cuts each run into, in even runs, ``[val] train test [train test ...]``
    with `n_blocks` test blocks, and in odd runs the reverse: test blocks come late in one
    run and early in the next, so that time within a run cannot explain a result. Scheme
    ``runs`` takes whole runs from `run_splits`; when none is ``val``, the end of each
    training run validates. Scheme ``leave_one_run_out`` tests on `held_out` (None: the last
    run) and trains on all others, the end of each of which validates. TRs without film are gap.

    A run that shows what an earlier one showed is split as that one is, TR by TR: a film that
    trains must not test when it is shown again.

    Parameters
    ----------
    film : dict run -> array of shape (n_trs,), bool
        Whether the film shows something during the whole TR.
    repeats : dict run -> the earlier run that showed the same
    """
    repeats = repeats or {}
    if scheme not in SCHEMES:
        raise AlignError(f"align/scheme is {scheme!r}: use one of {', '.join(SCHEMES)}")
    codes = {}
    if scheme == "runs":
        _check_run_splits(run_splits, repeats)
    if scheme == "leave_one_run_out":
        run_splits = without(list(film), held_out, repeats)
        scheme = "runs"
    films = {run: valid for run, valid in film.items() if run not in repeats}
    for place, (run, valid) in enumerate(films.items()):
        if scheme == "runs":
            carve = run_splits[run] == "train" and "val" not in run_splits.values()
            pieces = [run_splits[run], *(["val"] if carve else [])]
            fractions = {"val": val_fraction, run_splits[run]: 1.0}
        else:
            has_val = val_fraction > 0 and place % val_every_runs == 0
            pieces = ["train", "test"] * n_blocks
            pieces = [*(["val"] if has_val else []), *pieces]
            pieces = pieces[::-1] if place % 2 else pieces
            stands_for = min(val_every_runs, len(films) - place)
            fractions = {"val": val_fraction * stands_for, "test": test_fraction / n_blocks}
        codes[run] = lay_out(run, valid, pieces, fractions, gap_trs)
    for run, first in repeats.items():
        codes[run] = as_before(codes[first], film[run])
    _check_study(codes)
    return {run: codes[run] for run in film}


def as_before(codes: NDArray[np.int8], valid: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Codes of a run that shows again what the run of `codes` showed; gap where it is longer."""
    again = np.full(len(valid), CODES["gap"], np.int8)
    n = min(len(codes), len(valid))
    again[:n] = np.where(valid[:n], codes[:n], CODES["gap"])
    return again


def without(
    runs: Sequence[str], held_out: str | None, repeats: Mapping[str, str]
) -> dict[str, str]:
    """Split of each run when one is held out (None: the last), and all that show the same."""
    if held_out is not None and held_out not in runs:
        raise AlignError(
            f"align/held_out is {held_out!r}, the runs table has {', '.join(runs)}: name one of "
            "them, or leave it empty for the last"
        )
    shown = {run: repeats.get(run, run) for run in runs}
    if len(set(shown.values())) < 2:
        raise AlignError(
            f"align/scheme is 'leave_one_run_out', but the study has only {', '.join(runs)}"
            f"{', which show the same' if len(runs) > 1 else ''}: list another run in the runs "
            "table, or set align/scheme to blocks"
        )
    tested = shown[held_out or runs[-1]]
    return {run: "test" if shown[run] == tested else "train" for run in runs}


def lay_out(
    run: str,
    valid: NDArray[np.bool_],
    pieces: Sequence[str],
    fractions: Mapping[str, float],
    gap_trs: int,
) -> NDArray[np.int8]:
    """Lay contiguous pieces on the part of a run that has film, gaps between them.

    Validation and test pieces get their fraction of that part; what they and the gaps leave
    is shared by the other pieces.

    Raises
    ------
    AlignError
        If the run is too short for the pieces and gaps.
    """
    shown = np.flatnonzero(valid)
    codes = np.full(len(valid), CODES["gap"], np.int8)
    if not len(shown):
        raise AlignError(
            f"{run}: the film shows nothing in any of its {len(valid)} TRs: correct "
            "movie_onset_s or n_trs in the runs table"
        )
    first, usable = int(shown[0]), int(shown[-1] - shown[0] + 1)
    filler = "train" if "train" in pieces else pieces[0]
    sizes = [0 if p == filler else max(1, round(fractions[p] * usable)) for p in pieces]
    n_gaps = len(pieces) - 1
    left = usable - sum(sizes) - n_gaps * gap_trs
    n_filler = sum(piece == filler for piece in pieces)
    if left < n_filler:
        raise AlignError(
            f"{run} has {usable} TRs with film; {n_gaps} gaps of {gap_trs} TRs and "
            f"{sum(sizes)} TRs to validate and test on leave {left} to train on: lower "
            "align/gap_s, align/test_fraction, align/val_fraction or align/n_blocks"
        )
    edges = np.linspace(0, left, n_filler + 1).round().astype(int)
    shares = iter(np.diff(edges))
    start = first
    for piece, size in zip(pieces, sizes, strict=True):
        size = int(next(shares)) if piece == filler else size
        codes[start : start + size] = CODES[piece]
        start += size + gap_trs
    codes[~valid] = CODES["gap"]
    return codes


def _check_run_splits(run_splits: Mapping[str, str], repeats: Mapping[str, str]) -> None:
    for run, split in run_splits.items():
        if split not in ("train", "val", "test"):
            raise AlignError(
                f"align/scheme is 'runs', but {run} has split {split!r} in the runs table: "
                "write train, val or test there, or set align/scheme to blocks"
            )
    for run, first in repeats.items():
        if run_splits[run] != run_splits[first]:
            raise AlignError(
                f"{run} shows what {first} showed, but the runs table has split "
                f"{run_splits[run]!r} for it and {run_splits[first]!r} for {first}: give both the "
                "same, or what trains is tested"
            )
    for needed in ("train", "test"):
        if needed not in run_splits.values():
            raise AlignError(
                f"align/scheme is 'runs', but no run has split {needed!r}: the runs table says "
                f"{', '.join(f'{r} {s}' for r, s in run_splits.items())}"
            )


def _check_study(codes: Mapping[str, NDArray[np.int8]]) -> None:
    every = np.concatenate(list(codes.values()))
    for name in ("train", "val", "test"):
        if not (every == CODES[name]).any():
            raise AlignError(
                f"no TR of {', '.join(codes)} is {name}: raise align/{name}_fraction or name "
                f"a {name} run in the runs table"
                if name != "train"
                else f"no TR of {', '.join(codes)} is train: lower align/test_fraction"
            )
    share = float((every == CODES["train"]).mean())
    if share < 0.4:
        notices.warn(f"only {share:.0%} of all TRs train; shorten align/gap_s or the blocks")


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
