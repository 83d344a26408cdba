"""Identification: is a prediction nearer to its own TR than to the others?

For the prediction of TR ``i`` the candidates are the true item of TR ``i`` and the distractors:
either the true items of all other test TRs, or only those at least `min_distance` away in the
same run, or in another run. Near neighbours look alike for reasons that have nothing to do with
the brain; with all of them among the candidates the task is the harder one. Ties share their
places evenly, so a prediction without information scores exactly chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from giblet.resampling import Array

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Identified:
    """Scores of each item; NaN where an item has no distractor.

    Attributes
    ----------
    rank : place of the true item among its candidates, 1 the best
    n_candidates : how many there were, the true one included
    top1, top5 : probability of a hit (a fraction only where there are ties)
    pairwise : share of distractors that the true item beats
    """

    rank: NDArray[np.float64]
    n_candidates: NDArray[np.int64]
    top1: NDArray[np.float64]
    top5: NDArray[np.float64]
    pairwise: NDArray[np.float64]

    def among(self, keep: Bool) -> Identified:
        """The same for all items, NaN for those that took no part.

        Parameters
        ----------
        keep : array of shape (n,), bool; True for the items that these scores are of
        """
        scores = {name: np.full(len(keep), np.nan) for name in ("rank", "top1", "top5", "pairwise")}
        for name, values in scores.items():
            values[keep] = getattr(self, name)
        n_candidates = np.zeros(len(keep), np.int64)
        n_candidates[keep] = self.n_candidates
        return Identified(n_candidates=n_candidates, **scores)


def similarity(predicted: Array, true: Array) -> NDArray[np.float64]:
    """Correlation of every prediction with every true item.

    Parameters
    ----------
    predicted, true : arrays of shape (n, n_features)

    Returns
    -------
    array of shape (n, n), predictions down, true items across; 0 where one is constant
    """
    return unit_rows(predicted) @ unit_rows(true).T


def unit_rows(values: Array, *, centre: bool = True) -> NDArray[np.float64]:
    """Rows without their mean and of length one; zero where nothing is left."""
    out = np.asarray(values, np.float64)
    if centre:
        out = out - out.mean(1, keepdims=True)
    norm = np.linalg.norm(out, axis=1, keepdims=True)
    scale = max(1.0, float(np.abs(values).max(initial=0.0)))
    return np.divide(out, norm, out=np.zeros_like(out), where=norm > 1e-9 * scale)


def distractors(run: NDArray[np.int64], time_s: Array, min_distance_s: float) -> Bool:
    """Which true items may stand against which: far in time, or of another run.

    Parameters
    ----------
    run : array of shape (n,), number of each item's run
    time_s : array of shape (n,), start of each item

    Returns
    -------
    array of shape (n, n), bool, False on the diagonal
    """
    far = np.abs(time_s[:, None] - time_s[None]) >= max(min_distance_s, 1e-9)
    return far | (run[:, None] != run[None])


def top_k(greater: Array, ties: Array, k: int) -> NDArray[np.float64]:
    """Probability that an item is among the first `k` when ties are drawn by lot."""
    return np.clip((k - np.asarray(greater, float)) / (np.asarray(ties) + 1), 0, 1)


def identify(scores: NDArray[np.float64], allowed: Bool) -> Identified:
    """Place of each true item in its prediction's ranking.

    Parameters
    ----------
    scores : array of shape (n, n), similarity of prediction i (down) and true item j
    allowed : array of shape (n, n), bool; whether item j is a distractor for item i
    """
    own = np.diag(scores)[:, None]
    greater = (allowed & (scores > own)).sum(1)
    ties = (allowed & (scores == own)).sum(1)
    n_distractors = allowed.sum(1)
    none = n_distractors == 0
    pairwise = (n_distractors - greater - 0.5 * ties) / np.maximum(n_distractors, 1)
    out = [greater + 0.5 * ties + 1, top_k(greater, ties, 1), top_k(greater, ties, 5), pairwise]
    rank, top1, top5, pairwise = (np.where(none, np.nan, values) for values in out)
    return Identified(rank, n_distractors + 1, top1, top5, pairwise)


def chance(n_candidates: NDArray[np.int64]) -> dict[str, float]:
    """What guessing scores: means over items of k / n, one half, and the middle rank."""
    n = n_candidates[n_candidates > 1].astype(float)
    if not len(n):
        return {"top1": np.nan, "top5": np.nan, "pairwise": np.nan, "rank": np.nan}
    return {
        "top1": float((1 / n).mean()),
        "top5": float(np.minimum(5 / n, 1).mean()),
        "pairwise": 0.5,
        "rank": float(np.median((n + 1) / 2)),
    }


@dataclass(frozen=True)
class Shifted:
    """A mean score as observed and under circular shifts of the truth.

    Attributes
    ----------
    observed : the mean over items; NaN where no item has a distractor
    null : array of shape (n_permutations,)
    """

    observed: float
    null: NDArray[np.float64]

    @property
    def p(self) -> float:
        """One-sided probability, at least ``1 / (n_permutations + 1)``."""
        if not np.isfinite(self.observed):
            return float("nan")
        at_least = int((self.null >= self.observed - 1e-12).sum())
        return (at_least + 1) / (len(self.null) + 1)


def mean_of(shifted: Sequence[Shifted]) -> Shifted:
    """The mean over subjects: observed, and under shifts that are the same for all of them.

    Subjects saw the same film, so their scores are not independent; shifting all of them
    together leaves that as it is.
    """
    known = [one for one in shifted if np.isfinite(one.observed)]
    if not known:
        return Shifted(float("nan"), np.zeros(0))
    observed = float(np.mean([one.observed for one in known]))
    return Shifted(observed, np.mean([one.null for one in known], axis=0))


def shift_scores(
    scores: NDArray[np.float64], allowed: Bool, orders: NDArray[np.int64]
) -> dict[str, Shifted]:
    """Mean ``pairwise`` and ``top1`` score when truth is shifted in circles.

    Parameters
    ----------
    orders : array of shape (n_permutations, n), from :func:`draw_orders`
    """
    rows = np.arange(len(scores))
    out = {}
    for name, every in _scores_of_all(scores, allowed).items():
        known = np.isfinite(every).any(axis=0)
        if not known.any():
            out[name] = Shifted(float("nan"), np.zeros(0))
            continue
        null = np.nanmean(every[rows, orders], axis=1)
        out[name] = Shifted(float(np.nanmean(np.diag(every))), null)
    return out


def _scores_of_all(scores: NDArray[np.float64], allowed: Bool) -> dict[str, NDArray[np.float64]]:
    """Scores if item j were the true one of prediction i, for all i and j."""
    n_distractors = allowed.sum(1)
    some = n_distractors > 0
    out = {name: np.full(scores.shape, np.nan) for name in ("pairwise", "top1")}
    for i, row in enumerate(scores):
        greater = (allowed & (row[None] > row[:, None])).sum(1)
        ties = (allowed & (row[None] == row[:, None])).sum(1)
        beaten = n_distractors - greater - 0.5 * ties
        out["pairwise"][i, some] = beaten[some] / n_distractors[some]
        out["top1"][i, some] = top_k(greater, ties, 1)[some]
    return out
