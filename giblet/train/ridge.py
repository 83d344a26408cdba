"""Banded kernel ridge in closed form, for the start of training.

``min_W sum_m |W_m|^2 / gamma_m + |Y - sum_m X_m W_m|^2 / alpha`` with one band ``m`` per
modality; ``gamma`` and ``alpha`` are chosen per target by the squared error on held-out rows.
The scientific baseline beside the network is himalaya's; this one only has to be fast enough
to start from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

# Penalties as multiples of the kernel's mean eigenvalue; the last one predicts the mean.
ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 1e9)
BAND_WEIGHTS = (0.0, 0.1, 1.0)


def band_candidates(n_bands: int) -> list[tuple[float, ...]]:
    """Relative weights of the bands to try, each direction once, the even one first."""
    even = (1.0,) * n_bands
    others = [w for w in product(BAND_WEIGHTS, repeat=n_bands) if max(w) == 1.0 and w != even]
    return [even, *others]


@dataclass(frozen=True)
class Bands:
    """Features of each band and its kernel, scaled to a mean diagonal of 1.

    Attributes
    ----------
    features : list of [n, P_m]
    scales : list of float, mean diagonal of each unscaled kernel
    grams : float64 [bands, n, n]
    """

    features: list[Tensor]
    scales: list[float]
    grams: Tensor

    @staticmethod
    def of(features: Sequence[Tensor]) -> Bands:
        """Kernels of feature matrices [n, P_m]."""
        grams, scales = [], []
        for band in features:
            gram = band.double() @ band.double().T
            scales.append(max(float(gram.diagonal().mean()), 1e-12))
            grams.append(gram / scales[-1])
        return Bands(list(features), scales, torch.stack(grams))

    def mixed(self, weights: Sequence[float]) -> Tensor:
        """Kernel of the bands in these proportions, [n, n]."""
        return torch.einsum("m,mij->ij", torch.tensor(weights).double(), self.grams)

    def weight(self, weights: Sequence[float], rows: Tensor, coefficients: Tensor) -> Tensor:
        """Primal weights [features of all bands, targets] from dual ones of fitted `rows`."""
        parts = []
        for band, scale, weight in zip(self.features, self.scales, weights, strict=True):
            fitted = band[rows]
            parts.append(weight / scale * ((fitted - fitted.mean(0)).T @ coefficients))
        return torch.cat(parts)


@dataclass
class Solver:
    """Eigendecomposition of one centred kernel, for all penalties and targets."""

    vectors: Tensor  # [n, n]
    values: Tensor  # [n]
    column_mean: Tensor  # [n], of the uncentred kernel
    grand_mean: Tensor

    @staticmethod
    def of(kernel: Tensor) -> Solver:
        """Decompose a kernel [n, n]."""
        mean = kernel.mean(0)
        centred = kernel - mean[None, :] - mean[:, None] + mean.mean()
        values, vectors = torch.linalg.eigh(centred)
        return Solver(vectors, values.clamp(min=0), mean, mean.mean())

    def penalty(self, alpha: float | Tensor) -> float | Tensor:
        """Absolute penalty of a relative one."""
        return alpha * float(self.values.mean().clamp(min=1e-12))

    def rotated(self, kernel_new: Tensor) -> Tensor:
        """Kernel between new and fitted rows [m, n], centred, in the eigenbasis."""
        centred = (
            kernel_new
            - self.column_mean[None, :]
            - kernel_new.mean(1, keepdim=True)
            + self.grand_mean
        )
        return centred @ self.vectors


def errors(kernel: Tensor, targets: Tensor, folds: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Held-out squared error of each penalty, relative to the mean's, [alphas, targets]."""
    total = torch.zeros(len(ALPHAS), targets.shape[1])
    floor = torch.zeros(targets.shape[1])
    for fit, score in folds:
        solver = Solver.of(kernel[fit][:, fit])
        new = solver.rotated(kernel[score][:, fit]).float()  # [m, n]
        mean = targets[fit].mean(0)
        inside = solver.vectors.float().T @ (targets[fit] - mean)  # [n, targets]
        wanted = targets[score] - mean
        floor += wanted.square().sum(0)
        for row, alpha in enumerate(ALPHAS):
            shrunk = new / (solver.values.float() + solver.penalty(alpha))
            total[row] += (wanted - shrunk @ inside).square().sum(0)
    return total / floor.clamp(min=1e-12)


def dual(kernel: Tensor, targets: Tensor, alpha: Tensor) -> Tensor:
    """Dual coefficients [n, targets] for one relative penalty per target."""
    solver = Solver.of(kernel)
    inside = solver.vectors.float().T @ (targets - targets.mean(0))  # [n, targets]
    shrunk = inside / (solver.values.float()[:, None] + solver.penalty(alpha.float()))
    return solver.vectors.float() @ shrunk


def low_rank(inputs: Tensor, weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Reduced-rank regression: the two factors that lose least of ``inputs @ weight``.

    Returns
    -------
    [features, r] and [r, targets] with ``r <= rank``
    """
    predicted = (inputs @ weight).double()  # [n, targets]
    values, vectors = torch.linalg.eigh(predicted @ predicted.T)
    keep = max(1, min(rank, int((values > 1e-10 * values[-1]).sum())))
    right = predicted.T @ vectors[:, -keep:]  # [targets, r]
    right = (right / right.norm(dim=0).clamp(min=1e-12)).float()
    return weight @ right, right.T
