"""Volumes onto another grid, and spatial smoothing: nilearn on a chunk of volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.brain.grid import Grid

# Labels stay whole; whole numbers that are values must not be interpolated to whole numbers.
NUMBERS = {"linear": np.float32, "nearest": np.int32}


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
    from nilearn.image.resampling import BoundingBoxError

    try:
        resampled = resample_img(
            Nifti1Image(volumes.astype(NUMBERS[interpolation]), grid.affine),
            target_affine=target.affine,
            target_shape=target.shape,
            interpolation=interpolation,
            copy_header=True,
            force_resample=True,
        )
    except BoundingBoxError:
        return np.zeros((*target.shape, *volumes.shape[3:]), NUMBERS[interpolation])
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
