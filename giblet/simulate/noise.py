"""What stands in the way of a response: noise with memory, slow drift, head motion."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import toeplitz

Values = NDArray[np.float64]
Block = NDArray[np.float32]
MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
MOTION_SD = (0.15, 0.2, 0.3, 0.004, 0.003, 0.002)
MOTION_MEMORY_S = 300.0
MOTION_JITTER = 0.4
MOVES_PER_MINUTE = 0.3
SLOWEST_KEPT_S = 128.0


def ar1_blocks(
    rng: np.random.Generator, n_trs: int, n_voxels: int, coefficient: float, block: int
) -> Iterator[Block]:
    """First-order autoregressive noise of variance 1, a few TRs at a time.

    ``noise[t] = coefficient * noise[t - 1] + sqrt(1 - coefficient**2) * white[t]``, in its
    stationary state from the first TR on.

    Yields
    ------
    array of shape (at most block, n_voxels), float32
    """
    fresh = np.float32(np.sqrt(1 - coefficient**2))
    state = rng.standard_normal(n_voxels, dtype=np.float32)
    for first in range(0, n_trs, block):
        out = rng.standard_normal((min(block, n_trs - first), n_voxels), dtype=np.float32)
        out *= fresh
        for row in out:
            row += np.float32(coefficient) * state
            state = row
        state = state.copy()
        yield out


def drift_basis(n_trs: int, tr_s: float) -> Values:
    """Cosines slower than `SLOWEST_KEPT_S`: those that a high-pass at 128 s removes.

    Returns
    -------
    array of shape (n_trs, n_cosines), orthogonal, each column with variance 1; the slower, the
    first. A run too short for any gets the slowest, half a cosine.
    """
    n_cosines = max(1, int(2 * n_trs * tr_s / SLOWEST_KEPT_S))
    time = (np.arange(n_trs) + 0.5) / n_trs
    return np.sqrt(2) * np.cos(np.pi * time[:, None] * np.arange(1, n_cosines + 1)[None])


def without_drift(values: Values, tr_s: float) -> Values:
    """What is left of time courses (n_trs, ...) after their mean and drift are removed."""
    basis = drift_basis(len(values), tr_s)
    centred = values - values.mean(axis=0)
    return centred - np.tensordot(basis, np.tensordot(basis.T, centred, 1), 1) / len(values)


def ar1_share_kept(coefficient: float, n_trs: int, tr_s: float) -> float:
    """Share of the variance of `ar1_blocks` expected to be left by `without_drift`."""
    basis = np.concatenate([np.ones((n_trs, 1)), drift_basis(n_trs, tr_s)], axis=1)
    covariance = toeplitz(coefficient ** np.arange(n_trs))
    return float(1 - np.trace(basis.T @ covariance @ basis) / n_trs**2)


def head_motion(rng: np.random.Generator, n_trs: int, tr_s: float) -> Values:
    """Six motion parameters: wandering, jitter, and now and then a move that stays.

    Returns
    -------
    array of shape (n_trs, 6): translations in mm and rotations in radians
    """
    memory = np.exp(-tr_s / MOTION_MEMORY_S)
    moves = rng.random(n_trs) < MOVES_PER_MINUTE * tr_s / 60
    steps = rng.standard_normal((n_trs, 6)) * np.sqrt(1 - memory**2)
    steps += moves[:, None] * rng.standard_normal((n_trs, 6))
    out = np.zeros((n_trs, 6))
    position = np.zeros(6)
    for tr in range(n_trs):
        position = memory * position + steps[tr]
        out[tr] = position
    return (out + MOTION_JITTER * rng.standard_normal((n_trs, 6))) * MOTION_SD


def standardised(values: Values) -> Values:
    """Columns with mean 0 and standard deviation 1."""
    sd = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(sd > 0, sd, 1)
