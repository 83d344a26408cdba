"""Banded ridge from the stimulus to each voxel, and the voxel's delay.

Two designs are fitted: ``fir``, the regressors at each of a few delays, and ``hrf``, the
regressors through a Glover response shifted to the voxel's own delay, which has fewer
columns to fit but a fixed form. Cross-validation inside train takes the better per voxel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from giblet.brain.drift import Drift
from giblet.timing import Exact
from giblet.train.baseline_delay import delay_map
from giblet.train.baseline_design import Fold, Rows, Timeline, filtered, kernel
from giblet.train.baseline_ridge import Array, cv_scores, fit_ridge

# Voxels share a filter with those within half a second of them.
FILTER_STEP_S = 0.5


@dataclass(frozen=True)
class Search:
    """What cross-validation tries.

    Attributes
    ----------
    weightings : array of shape (n_weightings, n_bands)
    alphas : array of shape (n_alphas,)
    shifts_s : array of shape (n_shifts,), of the Glover response
    n_folds, gap_trs : folds, and the TRs left out around each
    batch : voxels at a time
    """

    weightings: Array
    alphas: Array
    shifts_s: NDArray[np.floating]
    n_folds: int
    gap_trs: int
    batch: int


@dataclass(frozen=True)
class Kernels:
    """Kernels of the stimulus, shared by all subjects who saw the same runs.

    Attributes
    ----------
    bands : names of the bands
    fir : array of shape (n_bands, n_rows, n_rows)
    scan : array of shape (n_shifts, n_rows, n_rows); the bands alike, per shift
    by_shift : dict shift in seconds -> array of shape (n_bands, n_rows, n_rows)
    """

    bands: tuple[str, ...]
    fir: Array
    scan: Array
    by_shift: dict[float, Array]


@dataclass(frozen=True)
class Encoding:
    """One subject's fit.

    Attributes
    ----------
    predicted : array of shape (n_rows, n_voxels)
    cv_r : array of shape (n_voxels,); cross-validated correlation of the design taken
    delay_s : array of shape (n_voxels,); time to peak of the impulse response
    alphas : array of shape (n_voxels,)
    scales : array of shape (n_bands, n_voxels); band weight / penalty
    uses_hrf : array of shape (n_voxels,), bool; design ``hrf`` rather than ``fir``
    shift_s : array of shape (n_voxels,), shift of the Glover response in design ``hrf``
    """

    predicted: Array
    cv_r: Array
    delay_s: Array
    alphas: Array
    scales: Array
    uses_hrf: NDArray[np.bool_]
    shift_s: NDArray[np.floating]


def build_kernels(
    bands: Mapping[str, tuple[Array, Array]],
    timeline: Timeline,
    train: Rows,
    shifts_s: NDArray[np.floating],
    tr_s: Exact,
    drift: Drift,
) -> Kernels:
    """Kernels of both designs, normalised on the training rows.

    Parameters
    ----------
    bands : dict name -> (delayed, raw) regressors, each of shape (n_rows, n_columns); the
        delayed ones without drift
    """
    filters = np.unique(np.round(shifts_s / FILTER_STEP_S) * FILTER_STEP_S)
    scan, by_shift = [], {}
    for shift in np.union1d(shifts_s, filters):
        shifted = [filtered(raw, timeline, tr_s, shift, drift) for _, raw in bands.values()]
        found = np.stack([kernel(values, train) for values in shifted])
        if shift in shifts_s:
            scan.append(found.mean(axis=0))
        if shift in filters:
            by_shift[float(shift)] = found
    delayed = np.stack([kernel(values, train) for values, _ in bands.values()])
    return Kernels(tuple(bands), delayed, np.stack(scan), by_shift)


def encode(
    kernels: Kernels, targets: Array, train: Rows, cv: list[Fold], search: Search
) -> Encoding:
    """Fit one subject's voxels on the training rows and predict every row.

    Parameters
    ----------
    targets : array of shape (n_train, n_voxels)
    """
    mean = targets.mean(axis=0)
    centred = targets - mean
    scores = cv_scores(kernels.scan, centred, train, cv, search.alphas, batch=search.batch)
    shift_s = search.shifts_s[scores.argmax(axis=0)]

    fitted = fit_ridge(
        kernels.fir, centred, train, cv, search.weightings, search.alphas, batch=search.batch
    )
    predicted = fitted.predict(kernels.fir, train)
    cv_r, alphas, scales = fitted.cv_score, fitted.alphas, fitted.scales
    uses_hrf = np.zeros(len(cv_r), bool)
    filters = np.array(list(kernels.by_shift))
    nearest = np.abs(filters[:, None] - shift_s).argmin(axis=0)
    for place in np.unique(nearest):
        columns = np.flatnonzero(nearest == place)
        bands = kernels.by_shift[float(filters[place])]
        own = fit_ridge(
            bands,
            centred[:, columns],
            train,
            cv,
            search.weightings,
            search.alphas,
            batch=search.batch,
        )
        better = own.cv_score > cv_r[columns]
        chosen = columns[better]
        predicted[:, chosen] = own.predict(bands, train)[:, better]
        cv_r[chosen], alphas[chosen] = own.cv_score[better], own.alphas[better]
        scales[:, chosen] = own.scales[:, better]
        uses_hrf[chosen] = True
    delay_s = delay_map(scores, search.shifts_s)
    return Encoding(predicted + mean, cv_r, delay_s, alphas, scales, uses_hrf, filters[nearest])
