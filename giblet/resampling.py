"""Resampling of time series in blocks: intervals that allow for values near in time being alike.

TRs that follow each other are not independent draws, so whole blocks of them are drawn
(Künsch 1989, Ann. Stat. 17:1217), and intervals are percentiles over the draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
Lengths: TypeAlias = Sequence[int]


def blocks(lengths: Lengths, block_trs: int) -> NDArray[np.int64]:
    """Number of the block each TR belongs to, for the bootstrap.

    Segments are cut into nearly equal blocks of about `block_trs`; no block spans two.

    Returns
    -------
    array of shape (n_trs,), int64, increasing from 0
    """
    out, first = [], 0
    for length in lengths:
        n_blocks = max(1, round(length / block_trs))
        out.append(first + np.arange(length) * n_blocks // max(length, 1))
        first += n_blocks
    return np.concatenate(out).astype(np.int64) if out else np.zeros(0, np.int64)


def bootstrap_correlations(
    x: Array,
    y: Array,
    block: NDArray[np.int64],
    n_bootstrap: int,
    rng: np.random.Generator,
    *,
    n_blocks: int | None = None,
) -> NDArray[np.float32]:
    """Correlations of columns over resampled blocks.

    Parameters
    ----------
    x, y : arrays of shape (n_trs, n_columns), centred
    n_blocks
        Blocks of the whole study, which `block` numbers: those of other runs are drawn as well
        and add nothing, so that a draw means the same blocks for everybody. None draws among
        the blocks that are there.

    Returns
    -------
    array of shape (n_bootstrap, n_columns), float32; empty first axis with one block only; NaN
    where a draw has none of the blocks
    """
    names = np.unique(block)
    if len(names) < 2:
        return np.zeros((0, x.shape[1]), np.float32)
    first = np.searchsorted(block, names)
    drawn = names if n_blocks is None else np.arange(n_blocks)
    draws = rng.integers(len(drawn), size=(n_bootstrap, len(drawn)))
    counts = np.zeros((n_bootstrap, len(drawn)), np.float32)
    for draw in range(n_bootstrap):
        counts[draw] = np.bincount(draws[draw], minlength=len(drawn))
    counts = counts[:, np.searchsorted(drawn, names)]
    some = counts.any(axis=1)
    counts[~some] = 1

    def resampled(values: Array) -> NDArray[np.float32]:
        sums = np.add.reduceat(values, first, axis=0).astype(np.float32)  # [B, V]
        return np.asarray(counts @ sums)  # [n_bootstrap, V]

    n = counts @ np.bincount(block).astype(np.float32)[names]
    sx, sy = resampled(x) / n[:, None], resampled(y) / n[:, None]
    covariance = resampled(x * y) / n[:, None] - sx * sy
    spread = (resampled(x * x) / n[:, None] - sx**2) * (resampled(y * y) / n[:, None] - sy**2)
    below = np.sqrt(np.maximum(spread, 0))
    found = np.divide(covariance, below, out=np.zeros_like(covariance), where=below > 1e-9)
    found[~some] = np.nan
    return found


def percentile_interval(draws: Array) -> tuple[float, float]:
    """95 % interval of bootstrap draws; NaN when there are none."""
    draws = np.asarray(draws, float)
    if not np.isfinite(draws).any():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(low), float(high)


def around(value: float, draws: Array) -> Array:
    """Draws moved so that their mean is the value.

    For what is cut off at 0, as ceilings are: resampling adds noise to what has noise already, so
    where there is little to find all draws lie above the value, by about as much as the value lies
    above the truth. What they tell is the spread.
    """
    return draws - np.nanmean(draws) + value if len(draws) else draws
