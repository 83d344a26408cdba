"""Probability of a correlation under circular shifts, fine enough for thousands of voxels.

The prediction is shifted in a circle within each test segment, each segment by its own
amount, which keeps both autocorrelations and breaks the alignment. Shifts smaller than the
haemodynamic response is wide would keep some alignment and are left out.

A few dozen TRs do not give enough different shifts for a p of 1e-5 in one voxel, so each
voxel's value is divided by the spread of its own shifted values and the null is pooled over
voxels. With ``C_g(s)`` the cross-covariance of segment ``g`` at shift ``s``::

    T(s) = sum_g C_g(s_g) / sqrt(sum_g mean_{u in A_g, u not near s_g} C_g(u)^2)

``A_g`` being the allowed shifts. The observed ``T(0)`` and the shifted ``T(s)`` are built the
same way: neither enters its own denominator, so the spread's own uncertainty (heavy tails
when segments are short) is in the null as well. p is one-sided: a negative correlation is no
evidence for a prediction.

See Chandler & Scott (2011) on circular shifts; Phipson & Smyth (2010) for ``(b+1)/(m+1)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.validate.statistics import Array, Lengths, slices

MIN_SEGMENT_TRS = 8
COLUMNS_AT_ONCE = 1024
BINS_PER_UNIT = 100
LARGEST = 40.0


@dataclass
class ShiftNull:
    """Circular-shift test of many columns, fed a part of them at a time.

    Attributes
    ----------
    lengths : TRs of each segment
    n_permutations : joint shifts drawn (the same ones for all columns)
    min_shift_trs : smallest shift; halved as needed in segments shorter than 6 of it
    seed : of the shifts
    """

    lengths: Lengths
    n_permutations: int
    min_shift_trs: int
    seed: int
    _counts: NDArray[np.int64] = field(init=False)
    _observed: list[NDArray[np.float64]] = field(init=False, default_factory=list)
    _drawn: list[NDArray[np.int64]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        longest = max(self.lengths, default=0)
        if longest < MIN_SEGMENT_TRS:
            raise ValidationError(
                f"the longest test block has {longest} TRs, permutations need at least "
                f"{MIN_SEGMENT_TRS}: make the test share in align larger or its blocks longer"
            )
        self._counts = np.zeros(int(2 * LARGEST * BINS_PER_UNIT) + 1, np.int64)
        rng = np.random.default_rng(self.seed)
        for length in self.lengths:
            allowed = np.flatnonzero(_allowed(length, self._smallest(length)))
            drawn = rng.choice(allowed, self.n_permutations) if len(allowed) else np.zeros(0, int)
            self._drawn.append(drawn)

    def _smallest(self, length: int) -> int:
        return max(1, min(self.min_shift_trs, length // 6))

    def add(self, measured: Array, predicted: Array) -> None:
        """Take in the next columns, centred within segments; shape (n_trs, n_columns)."""
        for start in range(0, measured.shape[1], COLUMNS_AT_ONCE):
            part = slice(start, start + COLUMNS_AT_ONCE)
            self._add(np.asarray(measured[:, part], float), np.asarray(predicted[:, part], float))

    def _add(self, measured: Array, predicted: Array) -> None:
        n_columns = measured.shape[1]
        above, below = np.zeros(n_columns), np.zeros(n_columns)
        null_above = np.zeros((self.n_permutations, n_columns))
        null_below = np.zeros((self.n_permutations, n_columns))
        for part, drawn in zip(slices(self.lengths), self._drawn, strict=True):
            length = part.stop - part.start
            if length < MIN_SEGMENT_TRS:
                continue
            cross = circular_covariance(measured[part], predicted[part])  # [L, V]
            everywhere, elsewhere = _spreads(cross, self._smallest(length))
            above += cross[0]
            below += everywhere
            null_above += cross[drawn]
            null_below += elsewhere[drawn]
        flat = below <= 1e-18 * np.maximum(1.0, np.abs(above).max(initial=0.0))
        observed = np.where(flat, np.nan, above / np.sqrt(np.where(flat, 1.0, below)))
        null = null_above[:, ~flat] / np.sqrt(np.maximum(null_below[:, ~flat], 1e-300))
        self._observed.append(observed)
        self._counts += np.bincount(_bin(null).ravel(), minlength=len(self._counts))

    def p_values(self) -> NDArray[np.float64]:
        """One-sided p of every column taken in; NaN for one that never varies.

        Returns
        -------
        array of shape (n_columns,), float64; at least 1 / (n_columns * n_permutations + 1)
        """
        observed = np.concatenate(self._observed)
        # Shifted values that fall into the observed one's bin count as larger: conservative.
        at_least = np.cumsum(self._counts[::-1])[::-1]
        p = np.full(observed.shape, np.nan)
        known = np.isfinite(observed)
        p[known] = (at_least[_bin(observed[known])] + 1) / (self._counts.sum() + 1)
        return p


def shift_test(
    measured: Array,
    predicted: Array,
    lengths: Lengths,
    *,
    n_permutations: int,
    min_shift_trs: int,
    seed: int,
) -> NDArray[np.float64]:
    """p of each column's correlation; columns that do not vary get p = 1.

    Parameters
    ----------
    measured, predicted : arrays of shape (n_trs, n_columns), centred within segments
    """
    null = ShiftNull(lengths, n_permutations, min_shift_trs, seed)
    null.add(measured, predicted)
    return np.nan_to_num(null.p_values(), nan=1.0)


def circular_covariance(measured: Array, predicted: Array) -> NDArray[np.float64]:
    """``C[s] = sum_t measured[t] predicted[t - s]``, indices in a circle; shape (L, V)."""
    from scipy import fft

    length = len(measured)
    spectrum = fft.rfft(measured, axis=0) * np.conj(fft.rfft(predicted, axis=0))
    return np.asarray(fft.irfft(spectrum, n=length, axis=0))


def draw_orders(
    lengths: Lengths, n_permutations: int, min_shift_trs: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Orders of the TRs under random circular shifts within segments.

    Returns
    -------
    array of shape (n_permutations, n_trs), int64
    """
    orders = []
    for part in slices(lengths):
        length = part.stop - part.start
        smallest = max(1, min(min_shift_trs, length // 6))
        allowed = np.flatnonzero(_allowed(length, smallest)) if length > 1 else np.zeros(1, int)
        shift = rng.choice(allowed, n_permutations)
        orders.append(part.start + (np.arange(length) + shift[:, None]) % length)
    return np.concatenate(orders, axis=1)


def _allowed(length: int, smallest: int) -> NDArray[np.bool_]:
    """Shifts at least `smallest` away from none, both ways round."""
    shift = np.arange(length)
    return np.minimum(shift, length - shift) >= smallest


def _spreads(
    cross: NDArray[np.float64], smallest: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean square over allowed shifts: all of them, and those not near each shift."""
    length = len(cross)
    allowed = _allowed(length, smallest).astype(float)
    square = cross**2 * allowed[:, None]
    reach = smallest - 1
    near_sum, near_count = square.copy(), allowed.copy()
    for step in range(1, reach + 1):
        near_sum += np.roll(square, step, 0) + np.roll(square, -step, 0)
        near_count += np.roll(allowed, step) + np.roll(allowed, -step)
    total, count = square.sum(0), allowed.sum()
    left = np.maximum(count - near_count, 1)
    return total / count, np.maximum(total - near_sum, 0) / left[:, None]


def _bin(values: NDArray[np.float64]) -> NDArray[np.int64]:
    clipped = np.clip(values, -LARGEST, LARGEST)
    return np.floor((clipped + LARGEST) * BINS_PER_UNIT).astype(np.int64)
