"""Correlation, false discovery rate and intervals for time series cut into test blocks.

A *segment* is a stretch of consecutive test TRs of one run. Series are centred within each
segment before anything is correlated: only changes within a stretch count, which is also
what makes circular shifts within the stretch a valid null (:mod:`giblet.validate.permutation`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.resampling import Array, Lengths


def slices(lengths: Lengths) -> list[slice]:
    """Where each segment stands in the concatenation of all of them."""
    edges = np.concatenate([[0], np.cumsum(lengths)]).astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def centred(values: Array, lengths: Lengths) -> NDArray[np.float64]:
    """Values without the mean of each segment.

    Parameters
    ----------
    values : array of shape (n_trs, n_columns), the segments one after the other
    lengths : TRs of each segment, summing to n_trs
    """
    out = np.asarray(values, dtype=np.float64).copy()
    for part in slices(lengths):
        out[part] -= out[part].mean(0, keepdims=True)
    return out


def pearson(x: Array, y: Array) -> NDArray[np.float64]:
    """Correlation of the columns of two centred arrays; 0 where either does not vary.

    ``r = sum(x y) / sqrt(sum(x^2) sum(y^2))``. A constant prediction has learnt nothing, so
    it scores 0 rather than an undefined value that would drop out of every mean.

    Parameters
    ----------
    x, y : arrays of shape (n_trs, n_columns), each column of mean 0

    Returns
    -------
    array of shape (n_columns,), float64
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    above = np.einsum("tv,tv->v", x, y)
    below = np.sqrt(np.einsum("tv,tv->v", x, x) * np.einsum("tv,tv->v", y, y))
    return np.divide(above, below, out=np.zeros_like(above), where=below > 1e-9 * len(x))


def fdr(p: Array) -> NDArray[np.float64]:
    """Benjamini-Hochberg q values, leaving NaN where p is NaN.

    Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57:289.
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p, np.float64)
    q = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    if known.any():
        q[known] = false_discovery_control(p[known], method="bh")
    return q


def fdr_over_subjects(q: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """q values of several subjects' maps that count how many subjects show anything at all.

    Each subject alone has a chance of the asked-for rate to show something in noise, so many
    subjects together show something in somebody. Following Benjamini & Bogomolov (2014, J. R.
    Stat. Soc. B 76:297), subjects are selected by Benjamini-Hochberg over the smallest q of
    each (Simes' test of the whole map), and within those selected voxels are tested at the rate
    times the share of subjects selected. The smallest rate at which a voxel is then found is

        q'_v = min_k max(A_k, q_v S / k)

    for S subjects and A_k the rate at which k of them are selected. Where all subjects respond
    q' = q; where none does, any voxel in any map is found as rarely as asked for.

    Parameters
    ----------
    q : for each subject its values within the subject, NaN where not tested

    Returns
    -------
    list of arrays of the same shapes
    """
    simes = np.array([np.nanmin(one) if np.isfinite(one).any() else np.nan for one in q])
    known = simes[np.isfinite(simes)]
    n = len(known)
    selected = np.sort(fdr(known))
    out = []
    for one in q:
        least = np.full(one.shape, np.where(np.isfinite(one), 1.0, np.nan))
        for k, at in enumerate(selected, start=1):
            least = np.fmin(least, np.maximum(at, one * n / k))
        out.append(np.where(np.isfinite(one), np.minimum(least, 1.0), np.nan))
    return out


def bootstrap_interval(
    values: Array,
    block: NDArray[np.int64],
    n_bootstrap: int,
    rng: np.random.Generator,
    statistic: Callable[..., Any] = np.mean,
) -> tuple[float, float]:
    """95 % percentile interval of a statistic of items, resampling whole blocks.

    Neighbouring TRs are alike, so single items would give intervals that are too narrow
    (Künsch 1989, Ann. Stat. 17:1217).

    Parameters
    ----------
    values : array of shape (n_items,); NaN items do not count
    block : array of shape (n_items,), the block of each item
    statistic : takes `axis`; np.mean or np.median

    Returns
    -------
    (low, high); NaN when fewer than two blocks hold a value
    """
    keep = np.isfinite(values)
    values, block = np.asarray(values, float)[keep], block[keep]
    members = [np.flatnonzero(block == name) for name in np.unique(block)]
    if len(members) < 2:
        return float("nan"), float("nan")
    draws = rng.integers(len(members), size=(n_bootstrap, len(members)))
    if statistic is np.mean:
        sums = np.array([values[m].sum() for m in members])
        counts = np.array([len(m) for m in members])
        found = sums[draws].sum(1) / counts[draws].sum(1)
    else:
        found = np.array(
            [statistic(values[np.concatenate([members[k] for k in draw])]) for draw in draws]
        )
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def bootstrap_mean_interval(
    cases: Sequence[tuple[Array, NDArray[np.int64]]],
    n_bootstrap: int,
    rng: np.random.Generator,
    statistic: Callable[..., Any] = np.mean,
) -> tuple[float, tuple[float, float]]:
    """Mean over subjects of a statistic of items, and its 95 % interval.

    The same blocks are drawn for all subjects: what they have in common, the film, stays in
    common.

    Parameters
    ----------
    cases : for each subject its values and the block of each; NaN values do not count
    statistic : of one subject's values, np.mean or np.median

    Returns
    -------
    value, (low, high); the interval is NaN when fewer than two blocks hold a value
    """
    known = [(v[np.isfinite(v)], b[np.isfinite(v)]) for v, b in cases]
    known = [(values, block) for values, block in known if len(values)]
    if not known:
        return float("nan"), (float("nan"), float("nan"))
    value = float(np.mean([statistic(values) for values, _ in known]))
    names = np.unique(np.concatenate([block for _, block in known]))
    if len(names) < 2:
        return value, (float("nan"), float("nan"))
    draws = rng.integers(len(names), size=(n_bootstrap, len(names)))
    found = np.stack([_redrawn(*case, names, draws, statistic) for case in known], axis=1)
    some = np.isfinite(found).any(axis=1)
    low, high = np.percentile(np.nanmean(found[some], axis=1), [2.5, 97.5])
    return value, (float(low), float(high))


def _redrawn(
    values: Array,
    block: NDArray[np.int64],
    names: NDArray[np.int64],
    draws: NDArray[np.int64],
    statistic: Callable[..., Any],
) -> NDArray[np.float64]:
    """Statistic of the values in each draw of blocks; NaN where a draw holds none of them.

    Parameters
    ----------
    names : array of shape (n_blocks,), the blocks that `draws` counts
    draws : array of shape (n_bootstrap, n_blocks)
    """
    parts = [np.asarray(values[block == name], float) for name in names]
    if statistic is np.mean:
        sums = np.array([part.sum() for part in parts])[draws].sum(1)
        counts = np.array([len(part) for part in parts])[draws].sum(1)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    drawn = (np.concatenate([parts[k] for k in draw]) for draw in draws)
    return np.array([statistic(part) if len(part) else np.nan for part in drawn], float)
