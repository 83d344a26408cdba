"""How long each run is: the stimulus and every scan of it, cut to the shortest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.errors import AlignError
from giblet.store import dataset, reading
from giblet.timing import Exact

PathLike: TypeAlias = str | Path
# Frames, audio and text of a run; None for a modality that the study lacks.
Stimulus: TypeAlias = tuple[PathLike | None, PathLike | None, PathLike | None]


def run_lengths(
    runs: Sequence[str],
    stimuli: Sequence[Stimulus],
    scans: Mapping[tuple[str, str], PathLike],
    *,
    tr_s: Exact,
    max_missing_trs: int,
) -> tuple[dict[str, int], dict[str, NDArray[np.bool_]]]:
    """Common length of each run, and in which TRs its film shows something.

    Parameters
    ----------
    stimuli
        ``frames.h5``, ``audio.h5`` and ``text.h5`` of each run, see :func:`stimulus_files`.
    scans
        BOLD file of each (subject, run).
    max_missing_trs
        Largest difference between stimulus and scan that is cut without complaint.

    Returns
    -------
    lengths : dict run -> number of TRs that stimulus and all scans have
    film : dict run -> array of shape (stimulus TRs,), bool; True where all frames of the
        TR show the film, everywhere in a study without pictures

    Raises
    ------
    AlignError
        If a stimulus file of a run is longer than another, a run has no scan, or a scan's
        length differs by more than `max_missing_trs`.
    """
    lengths, film = {}, {}
    for run, files in zip(runs, stimuli, strict=True):
        film[run] = _film(run, files, tr_s)
        own = {subject: path for (subject, name), path in scans.items() if name == run}
        if not own:
            raise AlignError(
                f"{run}: no subject has a scan of it: add one to the scans table, or take the "
                "run out of the runs table"
            )
        volumes = {
            subject: _length(path, "bold", "brain", tr_s, run) for subject, path in own.items()
        }
        n_trs = len(film[run])
        for subject, n_volumes in volumes.items():
            _check_length(run, n_trs, subject, n_volumes, own[subject], max_missing_trs)
        lengths[run] = min(n_trs, *volumes.values())
        if len({n_trs, *volumes.values()}) > 1:
            print(f"{run}: cut to {lengths[run]} TRs (stimulus {n_trs}, scans {volumes})")
        _warn_of_early_ends(run, volumes, lengths[run], own)
    return lengths, film


def _warn_of_early_ends(
    run: str, volumes: Mapping[str, int], n_trs: int, paths: Mapping[str, PathLike]
) -> None:
    """Say which scans ended before the others and cut the run short for all."""
    short = [subject for subject, n in volumes.items() if n == n_trs < max(volumes.values())]
    if short:
        notices.warn(
            f"{paths[short[0]]}: the scan of {', '.join(short)} of {run} ended after {n_trs} TRs, "
            f"others have {max(volumes.values())}: the run is cut to {n_trs} TRs for all subjects; "
            "to keep the rest, take the short scan out of the scans table"
        )


def _check_length(
    run: str, n_trs: int, subject: str, n_volumes: int, path: PathLike, max_missing_trs: int
) -> None:
    difference = abs(n_trs - n_volumes)
    if difference <= max_missing_trs:
        return
    raise AlignError(
        f"features of {run} have {n_trs} TRs, BOLD {subject} {run} has {n_volumes} ({path}): "
        f"set n_trs of {run} to {min(n_trs, n_volumes)} in the runs table (config/runs.tsv) if "
        f"both start together, or correct first_volume or movie_onset_s; align/max_missing_trs "
        f"allows {max_missing_trs}"
    )


def _film(run: str, files: Stimulus, tr_s: Exact) -> NDArray[np.bool_]:
    """Valid TRs of a run, after checking that its stimulus files have one length."""
    frames, audio, text = files
    lengths: dict[PathLike, int] = {}
    if frames:
        with reading(frames, stage="stimulus", tr_s=tr_s, run=run, content=False) as file:
            film = dataset(file, "valid", dtype=bool, shape=(None, None))[:].all(1)
        lengths[frames] = len(film)
    if audio:
        lengths[audio] = _length(audio, "index", "features", tr_s, run)
    if text:
        lengths[text] = _length(text, "embedding", "features", tr_s, run)
    first, n_trs = next(iter(lengths.items()))
    for path, length in lengths.items():
        if length != n_trs:
            raise AlignError(
                f"{run}: {path} has {length} TRs, {first} has {n_trs}: they were made with "
                "different settings; delete both and run snakemake again"
            )
    return film if frames else np.ones(n_trs, bool)


def _length(path: PathLike, name: str, stage: str, tr_s: Exact, run: str) -> int:
    with reading(path, stage=stage, tr_s=tr_s, run=run, content=False) as file:
        return int(dataset(file, name).shape[0])


def stimulus_files(n_runs: int, *kinds: Sequence[PathLike]) -> list[Stimulus]:
    """Frames, audio and text of each run, from one list per kind; an empty list is none."""
    nothing: list[PathLike | None] = [None] * n_runs
    frames, audio, text = (list(paths) or nothing for paths in kinds)
    return list(zip(frames, audio, text, strict=True))


def named_scans(names: Sequence[str], paths: Sequence[PathLike]) -> dict[tuple[str, str], PathLike]:
    """Scans by (subject, run), from names written ``subject/run`` in the order of `paths`."""
    pairs = [tuple(name.split("/", 1)) for name in names]
    return {(subject, run): path for (subject, run), path in zip(pairs, paths, strict=True)}
