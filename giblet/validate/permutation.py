"""Probability of a correlation under circular shifts, fine enough for thousands of voxels.

The prediction is shifted in a circle within each test segment, each segment by its own
amount, which keeps both autocorrelations and breaks the alignment. Shifts smaller than the
haemodynamic response is wide would keep some alignment and are left out.

A few dozen TRs do not give enough different shifts for a p of 1e-5 in one voxel, so each
voxel's covariance is divided by the spread that its two autocorrelations let expect, and the
null is pooled over voxels. With ``C_g(s)`` the cross-covariance of segment ``g`` at shift ``s``,
``R_g`` the circular autocovariances and ``w`` a triangular window::

    T(s) = sum_g C_g(s_g) / sqrt(sum_g 1/L_g sum_k w(k) Rx_g(k) Ry_g(k))

(Bartlett 1935; the window is what keeps the estimate stable in short segments). A circular
shift leaves the denominator as it is, so the observed ``T(0)`` and the shifted ``T(s)`` are made
exactly alike, and what the spread's estimate gets wrong is in the null as well.

Where a prediction is right, its shifted covariances are no example of a null: all shifts
together sum to 0, so they lean to the negative. Voxels whose own ``T(0)`` is above
`RESPONDS_ABOVE` are therefore left out of the pool, and the null is made symmetric. (``T(0)``
says next to nothing about ``T(s)`` in a voxel without signal, so leaving out does not bias.)
p is one-sided: a negative correlation is no evidence for a prediction.

See Chandler & Scott (2011) on circular shifts; Phipson & Smyth (2010) for ``(b+1)/(m+1)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.resampling import Array, Lengths
from giblet.validate.statistics import slices

MIN_SEGMENT_TRS = 8
COLUMNS_AT_ONCE = 1024
BINS_PER_UNIT = 100
# Autocovariances count up to this many times the smallest shift.
WINDOW_SHIFTS = 2
LARGEST = 40.0
# About the upper tenth of voxels without signal.
RESPONDS_ABOVE = 1.28
# With fewer voxels than this share below it the null is pooled over all of them.
FEWEST_SILENT = 0.02


@dataclass
class ShiftNull:
    """Circular-shift test of many columns, fed a part of them at a time.

    Attributes
    ----------
    lengths : TRs of each segment
    n_permutations : joint shifts drawn (the same ones for all columns)
    min_shift_trs : smallest shift; halved as needed in segments shorter than 6 of it
    seed : of the shifts
    groups : array of shape (n_groups, n_columns), bool; sets of columns tested as one
    """

    lengths: Lengths
    n_permutations: int
    min_shift_trs: int
    seed: int
    groups: NDArray[np.bool_] | None = None
    _silent: NDArray[np.int64] = field(init=False)
    _others: NDArray[np.int64] = field(init=False)
    _observed: list[NDArray[np.float64]] = field(init=False, default_factory=list)
    _drawn: list[NDArray[np.int64]] = field(init=False, default_factory=list)
    _n_seen: int = field(init=False, default=0)
    _group_sums: list[tuple[Array, Array]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        longest = max(self.lengths, default=0)
        if longest < MIN_SEGMENT_TRS:
            raise ValidationError(
                f"the longest test block has {longest} TRs, permutations need at least "
                f"{MIN_SEGMENT_TRS}: make the test share in align larger or its blocks longer"
            )
        self._silent = np.zeros(int(LARGEST * BINS_PER_UNIT) + 1, np.int64)
        self._others = np.zeros_like(self._silent)
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
        shifted = np.zeros((self.n_permutations, n_columns))
        for part, drawn in zip(slices(self.lengths), self._drawn, strict=True):
            length = part.stop - part.start
            if length < MIN_SEGMENT_TRS:
                continue
            cross = circular_covariance(measured[part], predicted[part])  # [L, V]
            reach = WINDOW_SHIFTS * self.min_shift_trs
            below += expected_square(measured[part], predicted[part], reach)
            above += cross[0]
            shifted += cross[drawn]
        flat = below <= 1e-18
        spread = np.sqrt(np.where(flat, np.inf, below))
        observed = np.where(flat, np.nan, above / spread)
        null = shifted / spread
        self._observed.append(observed)
        self._add_groups(np.nan_to_num(observed), null)
        silent = observed <= RESPONDS_ABOVE
        for counts, columns in ((self._silent, silent), (self._others, ~silent & ~flat)):
            counts += np.bincount(_bin(null[:, columns]).ravel(), minlength=len(counts))

    def _add_groups(self, observed: NDArray[np.float64], null: NDArray[np.float64]) -> None:
        if self.groups is None:
            return
        inside = self.groups[:, self._n_seen : self._n_seen + len(observed)].astype(float)
        self._n_seen += len(observed)
        self._group_sums.append((inside @ observed, inside @ null.T))

    def group_p_values(self) -> NDArray[np.float64]:
        """One-sided p of the mean ``T`` over the columns of each group.

        All columns are shifted alike, so what they have in common is in the null as well.

        Returns
        -------
        array of shape (n_groups,), at least 1 / (n_permutations + 1); NaN for an empty group
        """
        if self.groups is None:
            return np.zeros(0)
        observed = sum((one for one, _ in self._group_sums), np.zeros(len(self.groups)))
        null = sum((one for _, one in self._group_sums), np.zeros((len(self.groups), 1)))
        at_least = (null >= observed[:, None] - 1e-12).sum(axis=1)
        p = (at_least + 1) / (null.shape[1] + 1)
        return np.where(self.groups.any(axis=1), p, np.nan)

    def p_values(self) -> NDArray[np.float64]:
        """One-sided p of every column taken in; NaN for one that never varies.

        Returns
        -------
        array of shape (n_columns,), float64; at least 1 / (2 * pooled values + 1)
        """
        observed = np.concatenate(self._observed)
        known = np.isfinite(observed)
        counts = self._silent
        if (observed[known] <= RESPONDS_ABOVE).sum() < FEWEST_SILENT * known.sum():
            counts = self._silent + self._others
        # Half of the null lies on either side. Shifted values that fall into the bin of the
        # observed one count as larger: conservative.
        n = int(counts.sum())
        beyond = np.cumsum(counts[::-1])[::-1][_bin(observed[known])]
        upper = (beyond + 1) / (2 * n + 1)
        p = np.full(observed.shape, np.nan)
        p[known] = np.where(observed[known] > 0, upper, 1 - upper)
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


def expected_square(measured: Array, predicted: Array, reach: int) -> NDArray[np.float64]:
    """Mean square of the circular covariance of unrelated series with these autocovariances.

    ``1/L sum_k w(k) Rx(k) Ry(k)`` with ``w`` falling linearly from 1 at lag 0 to 0 at `reach`
    (at most half of the series); without a window it is the mean of ``C[s]^2`` over all shifts.

    Parameters
    ----------
    measured, predicted : arrays of shape (L, V)

    Returns
    -------
    array of shape (V,), float64, not negative
    """
    from scipy import fft

    length = len(measured)
    lag = np.minimum(np.arange(length), length - np.arange(length))
    window = np.clip(1 - lag / max(1, min(reach, length // 2)), 0, None)
    product = np.ones((length, measured.shape[1]))
    for series in (measured, predicted):
        spectrum = np.abs(fft.rfft(series, axis=0)) ** 2
        product *= fft.irfft(spectrum, n=length, axis=0)
    return np.maximum(window @ product, 0) / length


def draw_orders(
    lengths: Lengths,
    n_permutations: int,
    min_shift_trs: int,
    rngs: Sequence[np.random.Generator],
) -> NDArray[np.int64]:
    """Orders of the TRs under random circular shifts within segments.

    Parameters
    ----------
    rngs : generator of each segment's shifts

    Returns
    -------
    array of shape (n_permutations, n_trs), int64
    """
    orders = []
    for part, rng in zip(slices(lengths), rngs, strict=True):
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


def _bin(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bin of each absolute value."""
    return (np.minimum(np.abs(values), LARGEST) * BINS_PER_UNIT).astype(np.int64)
