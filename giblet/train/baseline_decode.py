"""From measured BOLD back to the stimulus with ridge, for the decoding tables.

The stimulus of TR ``t`` is read from BOLD at ``t + d`` for a few delays ``d``: the response comes
after it. BOLD beyond the end of the run is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.train.baseline_design import GAP, TRAIN, Kernel, Rows, Timeline, folds, normalised
from giblet.train.baseline_ridge import Array, fit_ridge

CHUNK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class DecodingFit:
    """How a decoder is fitted, see ``train/baseline`` in config/schemas.

    Attributes
    ----------
    delays : the stimulus of TR t is read from BOLD at t plus these, in TRs
    n_folds, gap_trs : folds of the cross-validation, and the TRs left out around each
    alphas : array of shape (n_alphas,), penalties to try
    batch : targets at a time
    """

    delays: Sequence[int]
    n_folds: int
    gap_trs: int
    alphas: Array
    batch: int


def decoding_kernel(
    bold: Array, timeline: Timeline, delays_trs: Sequence[int], train: Rows
) -> Kernel:
    """Kernel of the BOLD that follows each TR.

    ``K[t, u] = sum_d bold[t + d] . bold[u + d]``, zero where ``t + d`` leaves the run.

    Parameters
    ----------
    bold : array of shape (n_rows, n_voxels)

    Returns
    -------
    array of shape (n_rows, n_rows), float32
    """
    gram = bold @ bold.T
    out = np.zeros_like(gram)
    for delay in delays_trs:
        rows, inside = _later(timeline, delay)
        out += np.where(inside[:, None] & inside[None], gram[rows[:, None], rows[None]], 0)
    return normalised(out, train)


def _later(timeline: Timeline, delay: int) -> tuple[Rows, NDArray[np.bool_]]:
    """Row `delay` TRs after each row, and whether it is still in the run."""
    rows = np.arange(len(timeline.tr)) + delay
    inside = timeline.tr + delay < np.asarray(timeline.lengths)[timeline.run]
    return np.where(inside, rows, 0), inside


def decoding_rows(timeline: Timeline, train: Rows, delays_trs: Sequence[int]) -> Rows:
    """Training rows whose later BOLD belongs to no validation or test TR."""
    keep = np.ones(len(train), bool)
    for delay in delays_trs:
        rows, inside = _later(timeline, delay)
        later = timeline.split[rows[train]]
        keep &= ~inside[train] | np.isin(later, (TRAIN, GAP))
    return train[keep]


def stimulus_targets(
    study: h5py.File, timeline: Timeline, height: int, width: int
) -> dict[str, Array]:
    """What is decoded, on every row, of the modalities that the study has.

    Returns
    -------
    dict with ``text`` [n_rows, E], ``video`` [n_rows, height, width, 3] (mean frame of the TR,
    0 to 255) and ``log_mel`` [n_rows, M] (mean over the TR's codec frames)
    """
    found: dict[str, list[Array]] = {}
    for run in timeline.runs:
        group = study[f"runs/{run}"]
        if "text" in group:
            found.setdefault("text", []).append(group["text"][:])
        if "video" in group:
            found.setdefault("video", []).append(small_frames(group["video"], height, width))
        if "audio_log_mel" in group:
            energies = group["audio_log_mel"][:].astype(np.float32)
            means = [energies[a:b].mean(0) for a, b in group["audio_index"][:]]
            found.setdefault("log_mel", []).append(np.stack(means))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def small_frames(pictures: h5py.Dataset, height: int, width: int) -> Array:
    """Mean frame of each TR, averaged down to `height` x `width` (or less), streamed.

    Returns
    -------
    array of shape (n_trs, height, width, 3), float32, 0 to 255
    """
    full_height, full_width = pictures.shape[2:4]
    tops = np.arange(min(height, full_height)) * full_height // min(height, full_height)
    lefts = np.arange(min(width, full_width)) * full_width // min(width, full_width)
    areas = np.outer(np.diff(tops, append=full_height), np.diff(lefts, append=full_width))
    step = max(1, CHUNK_BYTES // (4 * int(np.prod(pictures.shape[1:]))))
    out = []
    for start in range(0, len(pictures), step):
        mean = pictures[start : start + step].mean(axis=1, dtype=np.float32)  # [t, H, W, 3]
        sums = np.add.reduceat(np.add.reduceat(mean, tops, axis=1), lefts, axis=2)
        out.append(sums / areas[:, :, None])
    return np.concatenate(out).astype(np.float32)


def decode(
    kernel: Kernel,
    targets: Array,
    timeline: Timeline,
    fit_rows: Rows,
    fit: DecodingFit,
) -> Array:
    """Predict a target on every row from a kernel of BOLD.

    Parameters
    ----------
    fit_rows : rows to fit on
    """
    mean = targets[fit_rows].mean(axis=0)
    fitted = fit_ridge(
        kernel[None],
        targets[fit_rows] - mean,
        fit_rows,
        folds(timeline, fit_rows, fit.n_folds, fit.gap_trs),
        np.ones((1, 1), np.float32),
        fit.alphas,
        batch=fit.batch,
        shared_alpha=True,
    )
    return fitted.predict(kernel[None], fit_rows) + mean
