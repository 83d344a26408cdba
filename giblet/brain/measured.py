"""Which volumes of a run are measurements.

A volume that is empty, missing, or the one before once more, measured nothing: it is marked, and
cleaning does not look at it. What only looks odd is said by :mod:`giblet.brain.oddities`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A volume in which fewer than this share of the usual voxels hold anything is empty.
EMPTY_SHARE = 0.5
# Among fewer voxels (parcels) a zero, or the same value again, may be chance.
LEAST_VOXELS = 10
# Values of which more than this share is negative stand around 0.
AROUND_0_SHARE = 0.01
# Bits of analogue-to-digital converters and of the numbers in files.
TOP_BITS = (8, 12, 14, 15, 16, 31, 32)
# A change by this share of all that an integer can hold is one that went round.
WRAP_SHARE = 0.9


@dataclass(frozen=True)
class FullScale:
    """Whole numbers of a file, and the line that scales them to values."""

    dtype: np.dtype[np.integer]
    slope: float
    inter: float

    def tops(self) -> dict[int, float]:
        """Largest values that converters of usual widths give, by the number in the file."""
        limit = int(np.iinfo(self.dtype).max)
        numbers = [2**bits - 1 for bits in TOP_BITS if 2**bits - 1 <= limit]
        return {number: number * self.slope + self.inter for number in numbers}

    def width(self) -> float:
        """Difference of the largest and the smallest value."""
        limits = np.iinfo(self.dtype)
        return (float(limits.max) - float(limits.min)) * abs(self.slope)


@dataclass(frozen=True)
class Survey:
    """What each volume of a run is like; arrays of shape (n_volumes,).

    Attributes
    ----------
    missing : its file is not there
    empty : nothing in it, or in fewer than half of the usual voxels
    repeats : every voxel has the value of the volume before
    lacking : share of the usual voxels that hold nothing
    mean : over its voxels
    change : root mean square over voxels of the difference to the volume before (DVARS); NaN
        where one of the two is no measurement
    n_wrapped : voxels that changed by nearly all that the file's integers can hold
    """

    missing: NDArray[np.bool_]
    empty: NDArray[np.bool_]
    repeats: NDArray[np.bool_]
    lacking: NDArray[np.float64]
    mean: NDArray[np.float64]
    change: NDArray[np.float64]
    n_wrapped: NDArray[np.int64]

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Volumes that are measurements; all of them if none is, so that others say why."""
        found = ~(self.missing | self.empty | self.repeats)
        return found if found.sum() > 1 else np.ones(len(found), bool)


def survey(
    values: NDArray[np.float32],
    missing: NDArray[np.bool_] | None = None,
    full_scale: FullScale | None = None,
) -> Survey:
    """Look at each volume of a run, a row of `values` (n_volumes, n_voxels)."""
    n_volumes, n_voxels = values.shape
    few = n_voxels < LEAST_VOXELS
    n_finite, n_filled, n_below, n_wrapped = np.zeros((4, n_volumes), np.int64)
    same = np.zeros(n_volumes, bool)
    mean, change = np.full((2, n_volumes), np.nan)
    wrapped = WRAP_SHARE * full_scale.width() if full_scale is not None else np.inf
    before = None
    for t, row in enumerate(values):
        n_finite[t], n_filled[t], n_below[t], mean[t] = _held(row)
        if before is not None:
            step = _step(row, before)
            square = _square(step)
            same[t] = square == 0 and not few and n_filled[t] > 0 and _same(row, before)
            change[t] = np.sqrt(square / len(step)) if len(step) else np.nan
            # The sum of the squares is below the square of any one that went round.
            if full_scale is not None and not square < wrapped**2:
                n_wrapped[t] = np.count_nonzero(np.abs(step) > wrapped)
        before = row
    gone = np.zeros(n_volumes, bool) if missing is None else missing
    # Where values stand on either side of 0, it is a value as any other.
    around_0 = n_below.sum() > AROUND_0_SHARE * n_finite.sum()
    n_holding = n_finite if around_0 else n_filled
    usual = max(1, int(n_holding.max(initial=0)))
    empty = n_holding < EMPTY_SHARE * usual
    if not few:
        empty |= n_filled == 0
    empty &= ~gone
    lacking = np.zeros(n_volumes) if few or not n_filled.any() else 1 - n_holding / usual
    found = Survey(gone, empty, same & ~empty & ~gone, lacking, mean, change, n_wrapped)
    unmeasured = gone | empty
    change[unmeasured | found.repeats] = np.nan
    change[1:][unmeasured[:-1]] = np.nan
    return found


def _held(row: NDArray[np.float32]) -> tuple[int, int, int, float]:
    """Voxels of a volume that are finite, not 0 and below 0, and the mean of the finite ones."""
    total = _sum(row)
    if not np.isfinite(total):
        row = row[np.isfinite(row)]
        total = float(row.sum(dtype=np.float64))
    n = len(row)
    mean = total / n if n else np.nan
    # One pass is enough for the values of most scans.
    if n and row.min() > 0:
        return n, n, 0, mean
    return n, int(np.count_nonzero(row)), int(np.count_nonzero(row < 0)), mean


def _sum(row: NDArray[np.float32]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(row.sum())


def _step(row: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """Difference of two volumes, of the voxels that have one."""
    with np.errstate(invalid="ignore", over="ignore"):
        step = row - before
        if np.isfinite(np.dot(step, step)):
            return step
    return step[np.isfinite(step)]


def _square(step: NDArray[np.float32]) -> float:
    """Sum of squares."""
    with np.errstate(over="ignore"):
        square = float(np.dot(step, step))
    return square if np.isfinite(square) else float(np.square(step, dtype=np.float64).sum())


def _same(row: NDArray[np.float32], before: NDArray[np.float32]) -> bool:
    """Whether a volume is the one before once more."""
    return bool(np.array_equal(row, before, equal_nan=True))


def spans(numbers: Sequence[int], most: int = 8) -> str:
    """Numbers as a text, runs of them by their ends: ``3, 7 to 9``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    texts = [str(low) if low == high else f"{low} to {high}" for low, high in parts]
    return ", ".join(texts[:most]) + (", ..." if len(texts) > most else "")
