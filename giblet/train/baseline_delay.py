"""How late each voxel answers: the HRF shift at which a linear model predicts best."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from giblet.hrf import hrf_kernel

FINE_S = "0.1"


@cache
def standard_peak_s() -> float:
    """Time to peak of the unshifted Glover response to an impulse, measured, in seconds."""
    fine = hrf_kernel("glover", FINE_S)
    return float(peak_of(fine[:, None], float(FINE_S) * np.arange(len(fine)))[0])


def shifts(min_s: float, max_s: float, step_s: float) -> NDArray[np.floating]:
    """Shifts to try, in seconds, both ends included."""
    return min_s + step_s * np.arange(round((max_s - min_s) / step_s) + 1)


def delay_map(scores: NDArray[np.floating], shifts_s: NDArray[np.floating]) -> NDArray[np.float32]:
    """Time to peak of each voxel's impulse response.

    Parameters
    ----------
    scores : array of shape (n_shifts, n_voxels); cross-validated correlation
    shifts_s : array of shape (n_shifts,)

    Returns
    -------
    array of shape (n_voxels,), float32, seconds
    """
    return (standard_peak_s() + peak_of(scores, shifts_s)).astype(np.float32)


def peak_of(scores: NDArray[np.floating], places: NDArray[np.floating]) -> NDArray[np.floating]:
    """Place of each column's maximum, between the samples by a parabola.

    Parameters
    ----------
    scores : array of shape (n_places, n_columns)
    places : array of shape (n_places,), evenly spaced
    """
    best = scores.argmax(axis=0)
    if len(places) < 3:
        return places[best]
    middle = np.clip(best, 1, len(places) - 2)
    column = np.arange(scores.shape[1])
    left, centre, right = (scores[middle + step, column] for step in (-1, 0, 1))
    bend = left - 2 * centre + right
    offset = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, 1), 0)
    offset = np.where(best == middle, np.clip(offset, -0.5, 0.5), 0)
    return places[best] + offset * (places[1] - places[0])
