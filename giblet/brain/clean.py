"""Drift and confounds out of a run, in place, with nilearn.

``cleaned = bold - C (C^+ bold)``, with C the linear trend, the cosines below the cut-off and
the confounds, over the whole run: the usual preprocessing. No value crosses from one run to
another, and nothing is scaled: the z-score, which would carry information from test to
training, is left to ``align``, on training TRs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from giblet.brain.drift import constant, cosines, orthonormal
from giblet.errors import BrainError

# nilearn keeps about six float64 copies of a block; at 1/64 of the run they stay below 0.2 of it.
# Smallest and largest block: below a megabyte the calls cost more than the memory.
BLOCKS_PER_RUN = 64
BLOCK_BYTES = (2**20, 2**24)
# A voxel whose variation is within rounding of its level (float32) does not vary.
ROUNDING = 4 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Quality:
    """Which voxels of a run can be used.

    Attributes
    ----------
    valid : bool array of shape (n_voxels,): finite in every volume, and varying
    n_nan : voxels with a NaN or infinite value in some volume
    n_constant : finite voxels that do not vary, before or after cleaning
    """

    valid: NDArray[np.bool_]
    n_nan: int
    n_constant: int


def regressors(
    n_volumes: int,
    tr_s: float,
    *,
    high_pass_hz: float,
    detrend: bool,
    confounds: NDArray[np.float64] | None = None,
    measured: NDArray[np.bool_] | None = None,
    name: str = "this run",
) -> NDArray[np.float64] | None:
    """Basis of the confounds and the slow cosines, without what they have in common.

    The cosines are nilearn's (`nilearn.signal.create_cosine_drift`, the discrete cosine set of
    SPM). They are laid beside the confounds here rather than by ``nilearn.signal.clean``, which
    leaves the high-pass out altogether when any confound, a slow head movement say, correlates
    with one of them above 0.9. And they are made orthogonal here: its own decomposition takes
    the rounding error of confounds that repeat each other (or the cosines) for one more.

    Parameters
    ----------
    measured : volumes that are measurements, of shape (n_volumes,); all if it is not given

    Returns
    -------
    array of shape (n_measured, n_regressors), or None when there is nothing to remove; columns
    are orthonormal, without mean, and without trend if `detrend`

    Raises
    ------
    BrainError
        If so many regressors would leave nothing of the run.
    """
    slow = cosines(n_volumes, tr_s, high_pass_hz)
    design = slow if confounds is None else np.hstack([confounds, slow])
    times = np.arange(n_volumes) if measured is None else np.flatnonzero(measured)
    design = orthonormal(design[times], detrend, times.astype(np.float64))
    n_regressors = design.shape[1] + (2 if detrend else 0)
    if n_regressors >= len(times) - 1:
        n_confounds = 0 if confounds is None else confounds.shape[1]
        raise BrainError(
            f"{name}: {n_regressors} regressors ({n_confounds} confounds, the rest drift) leave "
            f"nothing of {len(times)} volumes: choose fewer brain/confound_columns or a lower "
            "brain/high_pass_hz"
        )
    return design if design.shape[1] else None


def clean_in_place(
    bold: NDArray[np.float32],
    design: NDArray[np.float64] | None,
    *,
    detrend: bool,
    measured: NDArray[np.bool_] | None = None,
) -> Quality:
    """Regress the trend and a design out of a run, a block of voxels at a time.

    Parameters
    ----------
    bold : array of shape (n_volumes, n_voxels), float32; overwritten. Voxels that cannot be
        used become 0, and so do volumes that are no measurement.
    design : array of shape (n_measured, n_regressors) from `regressors`
    detrend : remove mean and linear trend
    measured : volumes that are measurements, of shape (n_volumes,); all if it is not given. The
        fit is theirs, at their times, as if the others did not exist.
    """
    n_volumes, n_voxels = bold.shape
    valid = np.zeros(n_voxels, dtype=bool)
    rows: slice | NDArray[np.intp] = slice(None)
    if measured is not None and not measured.all():
        rows = np.flatnonzero(measured)
        bold[~measured] = 0
    else:
        measured = None
    n_nan = 0
    fewest, most = (max(1, size // (8 * n_volumes)) for size in BLOCK_BYTES)
    step = min(max(fewest, n_voxels // BLOCKS_PER_RUN), most)
    for start in range(0, n_voxels, step):
        here = slice(start, min(start + step, n_voxels))
        block = bold[rows, here].astype(np.float64)
        finite = np.isfinite(block).all(axis=0)
        block[:, ~finite] = 0
        level = np.abs(block).max(axis=0)
        varies = np.ptp(block, axis=0) > ROUNDING * level
        block = _residual(block, design, detrend, measured)
        varies &= block.std(axis=0) > ROUNDING * level
        block[:, ~(finite & varies)] = 0
        bold[rows, here] = block
        valid[here] = finite & varies
        n_nan += int((~finite).sum())
    return Quality(valid, n_nan, n_voxels - n_nan - int(valid.sum()))


def _residual(
    block: NDArray[np.float64],
    design: NDArray[np.float64] | None,
    detrend: bool,
    measured: NDArray[np.bool_] | None,
) -> NDArray[np.float64]:
    """What a design (and mean and trend) leaves of a block of voxels."""
    if measured is None:
        from nilearn.signal import clean

        cleaned = clean(
            block,
            detrend=detrend,
            standardize=None,
            confounds=design,
            filter=False,
            ensure_finite=False,
        )
        return np.asarray(cleaned)
    # nilearn would take the volumes for equally spaced, and bend the trend at each gap.
    times = np.flatnonzero(measured).astype(np.float64)
    for basis in (constant(times, detrend) if detrend else None, design):
        if basis is not None:
            block = block - basis @ (basis.T @ block)
    return block
