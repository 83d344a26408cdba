"""Means, standard deviations and covariances of data that arrive in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Values held in double precision at a time.
SLAB = 2**20


class Moments:
    """Running mean and standard deviation over the first axis, in double precision.

    Pieces are merged as in Chan, Golub & LeVeque (1983), which loses no digits when the mean
    is large against the spread, as in BOLD.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean: NDArray[np.float64] = np.zeros(())
        self._squares: NDArray[np.float64] = np.zeros(())

    def add(self, piece: NDArray[Any]) -> None:
        """Add an array of shape (n, ...); n may be 0."""
        n = len(piece)
        if self.count == 0:
            self._mean, self._squares = np.zeros(piece.shape[1:]), np.zeros(piece.shape[1:])
        if n == 0:
            return
        mean: NDArray[np.float64] = piece.mean(0, dtype=np.float64)
        squares = np.zeros_like(mean)
        step_rows = max(1, SLAB // max(1, mean.size))
        for start in range(0, n, step_rows):
            squares += ((piece[start : start + step_rows] - mean) ** 2).sum(0)
        total = self.count + n
        step = mean - self._mean
        self._mean = self._mean + step * (n / total)
        self._squares = self._squares + squares + step**2 * (self.count * n / total)
        self.count = total

    def mean(self) -> NDArray[np.float64]:
        """Mean; 0 when nothing was added."""
        return self._mean

    def std(self) -> NDArray[np.float64]:
        """Population standard deviation; 1 where nothing varied, so it can divide."""
        return _divisors(self.variance())

    def variance(self) -> NDArray[np.float64]:
        """Population variance; 0 when nothing was added."""
        return self._squares / max(1, self.count)


class Covariance:
    """Running covariance over the rows of matrices (n, D), in double precision."""

    def __init__(self) -> None:
        self.count = 0
        self._mean: NDArray[np.float64] = np.zeros(0)
        self._products: NDArray[np.float64] = np.zeros((0, 0))

    def add(self, piece: NDArray[Any]) -> None:
        """Add a matrix of shape (n, D); n may be 0."""
        n, size = piece.shape
        if self.count == 0:
            self._mean, self._products = np.zeros(size), np.zeros((size, size))
        if n == 0:
            return
        mean = piece.mean(0, dtype=np.float64)
        away = piece - mean
        total = self.count + n
        step = mean - self._mean
        self._products += away.T @ away + np.outer(step, step) * (self.count * n / total)
        self._mean = self._mean + step * (n / total)
        self.count = total

    def mean(self) -> NDArray[np.float64]:
        """Mean, shape (D,); 0 when nothing was added."""
        return self._mean

    def std(self) -> NDArray[np.float64]:
        """Population standard deviation, shape (D,); 1 where nothing varied, as `Moments`."""
        return _divisors(np.diag(self.value()))

    def value(self) -> NDArray[np.float64]:
        """Population covariance, shape (D, D); 0 when nothing was added."""
        return self._products / max(1, self.count)


def _divisors(variance: NDArray[np.float64]) -> NDArray[np.float64]:
    std = np.sqrt(variance)
    return np.where(std > 0, std, 1.0)
