"""How well anything could predict a subject: the ceiling that inter-subject correlation sets.

The people saw the same film. What a voxel of one shares with the others is response to the
film (or to the scanner, which preprocessing should have taken out); the rest is noise, or is
the subject's own. With ``n`` others, each signal standardised and a correlation ``rho`` with
what all share, the leave-one-out inter-subject correlation (:mod:`giblet.brain.isc`) is
expected to be

    isc = rho * sqrt(n rho^2 / (1 + (n - 1) rho^2))

the second factor being the correlation of a mean of ``n`` with what it estimates (Spearman and
Brown, 1910). Solved for ``rho``, the ceiling of Pearson's r between the subject's BOLD and a
perfect prediction of the shared response:

    rho^2 = ((n - 1) isc^2 + sqrt((n - 1)^2 isc^4 + 4 n isc^2)) / (2 n)

With one other this is ``sqrt(isc)``, the correction for attenuation (Spearman, 1904).

Both come with 95 % intervals over resampled blocks of TRs: what another stretch of film would
have given with the same people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.brain.isc import Draws, Shared, study_isc
from giblet.resampling import percentile_interval
from giblet.store import writing
from giblet.timing import Exact

# Fineness of the histograms that medians of draws are read from.
BIN = 1e-3
ALONE = (
    "no inter-subject correlation: no run was seen by two subjects, so there is nobody to "
    "compare with and the ceiling is unknown (NaN)"
)


def make_ceiling(
    out: str | Path,
    scans: Sequence[str | Path],
    *,
    scan_names: Sequence[str],
    tr_s: Exact,
    isc_n_bootstrap: int,
    isc_block_trs: int,
    seed: int,
) -> None:
    """Write correlation and ceiling of each subject, and how sure they are.

    ``isc/{subject}`` and ``ceiling/{subject}``, [V] float32; ``isc_interval/{subject}`` and
    ``ceiling_interval/{subject}``, [2, V] float32. Attributes of the ceiling: ``mean`` and
    ``median`` over voxels, each value, low, high.

    Parameters
    ----------
    scans : cleaned runs (see :func:`giblet.brain.run.make_run`)
    scan_names : subject/run of each
    isc_n_bootstrap : resamplings of blocks behind the intervals; 0 leaves them NaN
    isc_block_trs : TRs in a block
    """
    by_run: dict[str, dict[str, str | Path]] = {}
    for name, path in zip(scan_names, scans, strict=True):
        subject, run = name.split("/")
        by_run.setdefault(run, {})[subject] = path
    subjects = list(dict.fromkeys(name.split("/")[0] for name in scan_names))
    found = {subject: _Found() for subject in subjects}
    draws = Draws(isc_n_bootstrap, isc_block_trs, seed)
    for here, shared in study_isc(by_run, subjects, tr_s, draws):
        for subject in subjects:
            found[subject].add(here, shared[subject])
    compared = [subject for subject in subjects if np.isfinite(found[subject].isc).any()]
    with writing(out, stage="brain", tr_s=tr_s) as file:
        file.attrs["n_subjects"] = len(subjects)
        file.attrs["note"] = "" if compared else ALONE
        for subject, one in found.items():
            for name, values in one.datasets():
                file[f"{name}/{subject}"] = values.astype(np.float32)
            file[f"isc/{subject}"].attrs["compared"] = subject in compared
            for name, numbers in one.summary().items():
                file[f"ceiling/{subject}"].attrs[name] = numbers
    if not compared:
        print(f"warning: {ALONE}")
    for subject in compared:
        value, low, high = found[subject].summary()["median"]
        print(
            f"{subject}: median inter-subject correlation {np.nanmedian(found[subject].isc):.3f}, "
            f"ceiling {value:.3f} [{low:.3f}, {high:.3f}]"
        )


class _Found:
    """One subject's numbers, put together from blocks of voxels.

    Draws are not kept for every voxel: their mean over voxels is summed up, and their median
    read from a histogram of each draw.
    """

    def __init__(self) -> None:
        self.parts: list[tuple[NDArray[np.float64], ...]] = []
        self.sums: NDArray[np.float64] | None = None
        self.counts: NDArray[np.int64] | None = None
        self.n = 0

    @property
    def isc(self) -> NDArray[np.float64]:
        """Over all voxels, [V]."""
        return np.concatenate([part[0] for part in self.parts])

    def add(self, here: slice, shared: Shared) -> None:
        """Take the voxels `here`, which follow those taken before."""
        ceiling = ceiling_from_isc(shared.isc, shared.n_others)
        draws = ceiling_from_isc(shared.draws, shared.n_others)
        width = here.stop - here.start
        intervals = [_percentiles(values, width) for values in (shared.draws, draws)]
        self.parts.append((shared.isc, ceiling, *intervals))
        known = np.isfinite(ceiling)
        bins = round(1 / BIN) + 1
        if self.sums is None or self.counts is None:
            self.sums, self.counts = np.zeros(len(draws)), np.zeros((len(draws), bins), np.int64)
        self.n += int(known.sum())
        self.sums += draws[:, known].sum(1)
        for count, row in zip(self.counts, draws[:, known], strict=True):
            count += np.bincount(np.rint(row / BIN).astype(int), minlength=bins)

    def datasets(self) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Name and values of what is written of every voxel, which is the last axis."""
        names = ("isc", "ceiling", "isc_interval", "ceiling_interval")
        for name, parts in zip(names, zip(*self.parts, strict=True), strict=True):
            yield name, np.concatenate(parts, axis=-1)

    def summary(self) -> dict[str, tuple[float, float, float]]:
        """Ceiling over voxels: mean and median, each (value, low, high)."""
        ceiling = np.concatenate([part[1] for part in self.parts])
        if not self.n or self.sums is None or self.counts is None:
            unknown = (np.nan, np.nan, np.nan)
            return {"mean": unknown, "median": unknown}
        half = (self.counts.cumsum(1) * 2 >= self.n).argmax(1) * BIN
        return {
            "mean": (float(np.nanmean(ceiling)), *percentile_interval(self.sums / self.n)),
            "median": (float(np.nanmedian(ceiling)), *percentile_interval(half)),
        }


def _percentiles(draws: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Lower and upper end of each voxel's 95 % interval, (2, width); NaN without draws."""
    if not len(draws):
        return np.full((2, width), np.nan)
    return np.percentile(draws, [2.5, 97.5], axis=0)


def ceiling_from_isc(
    isc: NDArray[np.float64], n_others: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Largest correlation that a prediction of the shared response can reach.

    Parameters
    ----------
    isc : leave-one-out inter-subject correlation; a negative one counts as 0
    n_others : number of subjects in the mean that it was taken with

    Returns
    -------
    array like `isc`, from 0 to 1; NaN stays NaN (see the module's docstring for the formula)
    """
    squared = np.maximum(isc, 0) ** 2
    n = np.maximum(n_others, 1)
    rho_squared = ((n - 1) * squared + np.sqrt((n - 1) ** 2 * squared**2 + 4 * n * squared)) / (
        2 * n
    )
    return np.sqrt(np.clip(rho_squared, 0, 1))
