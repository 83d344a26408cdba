"""Volumes onto another grid, and spatial smoothing: nilearn on a chunk of volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.brain.grid import Grid


def to_grid(
    volumes: NDArray[Any], grid: Grid, target: Grid, interpolation: str = "linear"
) -> NDArray[Any]:
    """Resample volumes of shape (X, Y, Z, n) or (X, Y, Z); as they are when the grids agree.

    Outside the field of view the result is 0.
    """
    if grid.same_as(target):
        return volumes
    from nibabel.nifti1 import Nifti1Image
    from nilearn.image import resample_img

    kind = np.int32 if volumes.dtype.kind in "iub" else np.float32
    resampled = resample_img(
        # Whole numbers would be interpolated to whole numbers.
        Nifti1Image(
            volumes.astype(np.float32 if interpolation != "nearest" else kind), grid.affine
        ),
        target_affine=target.affine,
        target_shape=target.shape,
        interpolation=interpolation,
        copy_header=True,
        force_resample=True,
    )
    return np.asarray(resampled.dataobj)


def smooth(volumes: NDArray[Any], grid: Grid, fwhm_mm: float) -> NDArray[Any]:
    """Gaussian smoothing of volumes (X, Y, Z, n); voxels that were not finite stay NaN."""
    if fwhm_mm <= 0:
        return volumes
    from nilearn.image.image import smooth_array

    values = volumes.astype(np.float32)
    finite = np.isfinite(values)
    values = smooth_array(values, grid.affine, fwhm=fwhm_mm, ensure_finite=True, copy=False)
    values[~finite] = np.nan
    return np.asarray(values)
