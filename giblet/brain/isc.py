"""Leave-one-out inter-subject correlation: how much of a voxel others who saw the film have too.

Each subject's time course is correlated with the mean of the others' standardised ones (Hasson
et al. 2004; Nastase et al. 2019). Runs are averaged as Fisher's z, weighted by their length
less 3 (the inverse of z's variance for independent samples). The same is done over resampled
blocks of TRs, the blocks of a draw being the same for all voxels and subjects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import BrainError
from giblet.resampling import blocks, bootstrap_correlations
from giblet.store import dataset, measured_volumes, reading
from giblet.timing import Exact

# Block of voxels of all subjects of a run, in float64; about four of it are alive at a time.
BLOCK_BYTES = 32 * 2**20
# Keeps Fisher's z finite for recordings that are copies of each other.
LARGEST_R = 1 - 1e-7
# A correlation of fewer TRs says nothing.
FEWEST_TRS = 4


@dataclass(frozen=True)
class Draws:
    """How the bootstrap over blocks of TRs is drawn."""

    n: int
    block_trs: int
    seed: int

    def of(self, x: NDArray[np.float64], y: NDArray[np.float64], run: int) -> NDArray[np.floating]:
        """Correlations of the columns of `x` and `y` in each draw, (n or 0, n_columns)."""
        rng = np.random.default_rng((self.seed, run))
        return bootstrap_correlations(x, y, blocks([len(x)], self.block_trs), self.n, rng)


@dataclass(frozen=True)
class Shared:
    """What a subject shares with the others in a block of voxels.

    Attributes
    ----------
    isc : array of shape (n_voxels,); NaN without another subject to compare with
    n_others : mean number of others that were compared with, same shape
    draws : `isc` over resampled blocks, (n_draws, n_voxels); no rows if runs are too short
    """

    isc: NDArray[np.float64]
    n_others: NDArray[np.float64]
    draws: NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Scans that show the same, each compared with the mean of the others.

    Attributes
    ----------
    scans : cleaned runs
    subjects : whose correlation that of each scan is, None for nobody's
    n_trs : TRs that all of them have
    number : groups of one number draw the same blocks
    """

    scans: Sequence[str | Path]
    subjects: Sequence[str | None]
    n_trs: int
    number: int


def study_isc(
    by_run: Mapping[str, Mapping[str, str | Path]],
    subjects: Sequence[str],
    tr_s: Exact,
    draws: Draws,
) -> Iterator[tuple[slice, dict[str, Shared]]]:
    """Leave-one-out inter-subject correlation over all runs, a block of voxels at a time.

    Parameters
    ----------
    by_run : ``{run: {subject: path}}``

    Yields
    ------
    the voxels, and what each subject shares there
    """
    shapes = study_shapes(by_run, tr_s)
    groups: list[Group] = []
    for run, paths in by_run.items():
        if len(paths) > 1:
            n_trs, _ = shapes[run]
            groups.append(Group(list(paths.values()), list(paths), n_trs, len(groups)))
        else:
            print(f"{run}: only {', '.join(paths)} saw it; not compared")
    yield from compared(groups, subjects, one_width(shapes), draws)


def compared(
    groups: Sequence[Group], subjects: Sequence[str], n_voxels: int, draws: Draws
) -> Iterator[tuple[slice, dict[str, Shared]]]:
    """Correlations within all groups, a block of voxels at a time; see :func:`study_isc`.

    TRs that are no measurement in a scan are left out of all scans it is compared with.
    """
    largest = max((group.n_trs * len(group.scans) for group in groups), default=1)
    step = max(1, BLOCK_BYTES // (8 * max(largest, draws.n * len(subjects))))
    with ExitStack() as stack:
        paths = dict.fromkeys(path for group in groups for path in group.scans)
        files = {path: stack.enter_context(reading(path)) for path in paths}
        rows = [_measured_in_all([files[path] for path in group.scans], group) for group in groups]
        for start in range(0, n_voxels, step):
            here = slice(start, min(start + step, n_voxels))
            sums = {subject: _Sums(here.stop - here.start) for subject in subjects}
            for group, kept in zip(groups, rows, strict=True):
                if kept.sum() < FEWEST_TRS:
                    continue
                scans = [files[path] for path in group.scans]
                parts = [s["bold"][: group.n_trs, here].astype(np.float64)[kept] for s in scans]
                bold = np.stack(parts)
                valid = np.stack([scan["valid"][here] for scan in scans])
                everyone = zip(group.subjects, comparisons(bold, valid), strict=True)
                for subject, (own, rest, n_others) in everyone:
                    if subject is not None:
                        drawn = draws.of(own, rest, group.number)
                        r = correlation(own, rest)
                        sums[subject].add(r, n_others, drawn, int(kept.sum()))
            yield here, {subject: sums[subject].shared() for subject in subjects}


def _measured_in_all(scans: Sequence[h5py.File], group: Group) -> NDArray[np.bool_]:
    """TRs of a group that are a measurement in all of its scans, shape (n_trs,)."""
    measured = [measured_volumes(scan)[: group.n_trs] for scan in scans]
    for scan, rows in zip(scans, measured, strict=True):
        if not rows.all():
            print(f"{scan.filename}: {int((~rows).sum())} TRs without a measurement left out")
    kept: NDArray[np.bool_] = np.logical_and.reduce(measured)
    return kept


def study_shapes(
    by_run: Mapping[str, Mapping[str, str | Path]], tr_s: Exact
) -> dict[str, tuple[int, int]]:
    """TRs that all scans of each run have, and its number of voxels."""
    return {run: _common_shape(run, paths, tr_s) for run, paths in by_run.items()}


def one_width(shapes: Mapping[str, tuple[int, int]]) -> int:
    """Number of voxels, which all runs have to have."""
    widths = {run: n_voxels for run, (_, n_voxels) in shapes.items()}
    if len(set(widths.values())) > 1:
        raise BrainError(
            f"runs have different numbers of voxels ({widths}): delete the brain stage's "
            "results and run snakemake again"
        )
    return next(iter(widths.values()))


class _Sums:
    """Weighted sums of Fisher's z over runs."""

    def __init__(self, n_voxels: int) -> None:
        self.z = np.zeros(n_voxels)
        self.weight = np.zeros(n_voxels)
        self.others = np.zeros(n_voxels)
        self.drawn: NDArray[np.float64] | None = None

    def add(
        self,
        r: NDArray[np.float64],
        n_others: NDArray[np.float64],
        drawn: NDArray[np.floating],
        n_trs: int,
    ) -> None:
        """Take a run in; NaN counts as not compared."""
        known = np.isfinite(r)
        here = np.where(known, max(n_trs - 3, 1), 0)
        self.z += here * _fisher(np.where(known, r, 0))
        self.weight += here
        self.others += here * n_others
        z = here * _fisher(np.where(known, drawn, 0))
        if self.drawn is None:
            self.drawn = z
        else:
            # A run of one block cannot be resampled: then the study is not.
            n = min(len(z), len(self.drawn))
            self.drawn = self.drawn[:n] + z[:n]

    def shared(self) -> Shared:
        """The means over runs."""
        drawn = np.zeros((0, len(self.z))) if self.drawn is None else self.drawn
        with np.errstate(invalid="ignore"):
            return Shared(
                np.tanh(self.z / self.weight),
                self.others / self.weight,
                np.tanh(drawn / self.weight),
            )


def _fisher(r: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.arctanh(np.clip(r.astype(np.float64), -LARGEST_R, LARGEST_R))


def _common_shape(run: str, paths: Mapping[str, str | Path], tr_s: Exact) -> tuple[int, int]:
    """TRs that all scans of a run have, and the number of voxels."""
    shapes = {}
    for subject, path in paths.items():
        with reading(path, stage="brain", tr_s=tr_s, run=run, content=False) as file:
            shapes[subject] = dataset(file, "bold", shape=(None, None)).shape
    widths = {subject: shape[1] for subject, shape in shapes.items()}
    if len(set(widths.values())) > 1:
        raise BrainError(
            f"{run}: scans have different numbers of voxels ({widths}): delete the brain stage's "
            "results and run snakemake again"
        )
    lengths = {subject: shape[0] for subject, shape in shapes.items()}
    if len(set(lengths.values())) > 1:
        print(f"{run}: scans have different lengths ({lengths}); the shortest counts")
    return min(lengths.values()), next(iter(widths.values()))


def comparisons(
    bold: NDArray[np.float64], valid: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """Of each subject the standardised signal, the sum of the others', and how many they are.

    Parameters
    ----------
    bold : array of shape (n_subjects, n_trs, n_voxels); overwritten
    valid : bool array of shape (n_subjects, n_voxels); a subject's invalid voxel counts neither
        as itself nor among the others

    Yields
    ------
    own, rest : arrays of shape (n_trs, n_voxels), columns of mean 0; all 0 where there is
        nobody to compare with
    n_others : array of shape (n_voxels,)
    """
    bold -= bold.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.einsum("stv,stv->sv", bold, bold))
    valid = valid & (spread > 0)
    # Unit length rather than unit variance: correlations are then plain sums.
    bold *= np.where(valid, 1 / np.where(valid, spread, 1), 0)[:, None, :]
    everyone = bold.sum(axis=0)
    n_others = valid.sum(axis=0) - valid.astype(float)
    for own, is_valid, n in zip(bold, valid, n_others, strict=True):
        yield own, np.where(is_valid & (n > 0), everyone - own, 0), n


def correlation(own: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of what :func:`comparisons` gives, column by column; NaN where a signal is 0."""
    length = np.sqrt(np.einsum("tv,tv->v", rest, rest))
    known = length > 1e-9
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, np.einsum("tv,tv->v", own, rest) / length, np.nan)
