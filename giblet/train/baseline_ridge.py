"""Banded kernel ridge with penalties chosen by cross-validation inside train (himalaya).

``Y = sum_b gamma_b K_b w``, with ``w = (sum_b gamma_b K_b + alpha I)^-1 Y``; weights `gamma`
of the bands and penalty `alpha` are chosen per target (Dupré la Tour et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from giblet.train.baseline_design import Fold, Rows

Array = NDArray[np.float32]
CONCENTRATIONS = (0.3, 1.0)


@dataclass(frozen=True)
class Ridge:
    """A fitted banded ridge.

    Attributes
    ----------
    scales : array of shape (n_bands, n_targets); gamma / alpha
    dual : array of shape (n_train, n_targets)
    alphas : array of shape (n_targets,)
    cv_score : array of shape (n_targets,); mean correlation over the held-out folds
    """

    scales: Array
    dual: Array
    alphas: Array
    cv_score: Array

    def predict(self, kernels: Array, train: Rows) -> Array:
        """Predictions of shape (n_rows, n_targets) on every row of `kernels`."""
        out = np.zeros((kernels.shape[1], self.dual.shape[1]), np.float32)
        for band, scale in zip(kernels, self.scales, strict=True):
            out += (band[:, train] @ self.dual) * scale
        return out


def band_weights(n_bands: int, n_weightings: int, seed: int) -> Array:
    """Weightings of the bands to try, each summing to 1.

    First all bands alike, each band alone and each pair; then draws from a Dirichlet
    distribution until there are `n_weightings`.

    Returns
    -------
    array of shape (max(n_weightings, 1), n_bands)
    """
    fixed = [np.full(n_bands, 1 / n_bands)]
    if n_bands > 1:
        fixed += list(np.eye(n_bands))
    if n_bands > 2:
        fixed += [
            (np.eye(n_bands)[a] + np.eye(n_bands)[b]) / 2
            for a in range(n_bands)
            for b in range(a + 1, n_bands)
        ]
    if n_bands == 1:
        n_weightings = 1
    rng = np.random.default_rng(seed)
    while len(fixed) < n_weightings:
        concentration = CONCENTRATIONS[len(fixed) % len(CONCENTRATIONS)]
        fixed.append(rng.dirichlet(np.full(n_bands, concentration)))
    return np.stack(fixed[: max(n_weightings, 1)]).astype(np.float32)


def fit_ridge(
    kernels: Array,
    targets: Array,
    train: Rows,
    cv: Sequence[Fold],
    weightings: Array,
    alphas: Array,
    *,
    batch: int,
    shared_alpha: bool = False,
) -> Ridge:
    """Fit on the training rows.

    Parameters
    ----------
    kernels : array of shape (n_bands, n_rows, n_rows)
    targets : array of shape (n_train, n_targets), mean zero over rows
    train : rows of the kernels that `targets` belongs to
    cv : folds in positions of `train`
    weightings : array of shape (n_weightings, n_bands)
    alphas : penalties to try
    batch : targets at a time, for memory
    shared_alpha : one penalty for all targets

    Notes
    -----
    Memory beside the inputs: the dual weights (as large as `targets`) and
    ``len(alphas) * fold rows * batch`` predictions.
    """
    deltas, dual, scores, best = _search(
        kernels, targets, train, cv, weightings, alphas, batch, not shared_alpha, "dual"
    )
    return Ridge(np.exp(deltas), dual, best, scores.max(axis=0))


def cv_scores(
    kernels: Array,
    targets: Array,
    train: Rows,
    cv: Sequence[Fold],
    alphas: Array,
    *,
    batch: int,
) -> Array:
    """Cross-validated correlation of each kernel alone, at its best penalty.

    Returns
    -------
    array of shape (n_kernels, n_targets)
    """
    alone = np.eye(len(kernels), dtype=np.float32)
    found = _search(kernels, targets, train, cv, alone, alphas, batch, True, None)
    scores: Array = found[2]
    return scores


def _search(
    kernels: Array,
    targets: Array,
    train: Rows,
    cv: Sequence[Fold],
    weightings: Array,
    alphas: Array,
    batch: int,
    local_alpha: bool,
    return_weights: str | None,
) -> tuple[Array, Array, Array, Array]:
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from himalaya.scoring import correlation_score

    inside = kernels[:, train[:, None], train[None, :]]
    # A band of weight 0 has a log weight of minus infinity, which is what is meant.
    with np.errstate(divide="ignore"):
        deltas, dual, scores, best = solve_multiple_kernel_ridge_random_search(
            inside,
            np.asarray(targets, np.float32),
            n_iter=weightings,
            alphas=alphas,
            cv=list(cv),
            score_func=correlation_score,
            local_alpha=local_alpha,
            return_weights=return_weights,
            n_targets_batch=batch,
            progress_bar=False,
            return_alphas=True,
        )
    return deltas, dual, scores, best
