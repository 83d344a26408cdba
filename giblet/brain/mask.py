"""The group mask: which voxels of the grid are brain, in every scan of the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.brain.grid import Grid, require_same_grid
from giblet.brain.images import read_image
from giblet.brain.resample import to_grid
from giblet.brain.scans import Scan, open_scan, volume_range
from giblet.errors import BrainError

# A mean over so many volumes shows the brain; the rest of a long scan need not be read.
VOLUMES_READ = 50
# A scan with this share of empty voxels has had its background taken out already.
EMPTY_SHARE = 0.2
# Whole-number data may pass through 0 now and then; the rim that motion correction leaves does
# so for longer.
FILLED_SHARE = 0.9
# nilearn opens the epi mask by 2 voxels, which suits voxels of 3 or 4 mm and would swallow a
# brain of larger ones.
OPENING_VOXELS = 2
OPENING_MM = 8.0


@dataclass(frozen=True)
class ScanRange:
    """A scan and the run's place in it, as the scans table says."""

    bold: str
    first_volume: int = 0
    n_volumes: int = 0


def load_mask(path: str | Path) -> tuple[NDArray[np.bool_], Grid]:
    """Read a given mask.

    Returns
    -------
    mask : bool array of shape (X, Y, Z)
    grid : where it lies

    Raises
    ------
    BrainError
        If the image is not 3-D, holds more than two values, or is empty.
    """
    data, grid = read_image(path, "mask")
    data = np.nan_to_num(data)
    values = np.unique(data)
    if len(values) > 2:
        raise BrainError(
            f"{path}: holds {len(values)} values from {values[0]:g} to {values[-1]:g}, a mask has "
            "two, 0 and 1: threshold it, or name it as brain/atlas if it is one"
        )
    if not (data > 0).any():
        raise BrainError(f"{path}: the mask is empty: no voxel is above 0; correct brain/mask")
    return data > 0, grid


def compute_mask(
    scans: Sequence[ScanRange], *, method: str, fraction: float, resample: bool
) -> tuple[NDArray[np.bool_], Grid]:
    """Voxels that are brain in (at least a share of) all scans.

    Parameters
    ----------
    method
        ``nonzero``: a voxel is brain when it is finite and not 0 in nine of ten volumes.
        ``epi``: `nilearn.masking.compute_epi_mask` of the scan's mean, which finds the gap
        between air and head. ``auto``: per scan, ``nonzero`` when a fifth of the grid or more
        is empty (its background was taken out already), else ``epi``.
    fraction
        Share of the scans in which a voxel must be brain; 1 is the intersection.
    resample
        Bring scans to the first one's grid instead of refusing another grid.

    Raises
    ------
    BrainError
        If a scan has another grid, holds nothing finite, or no voxel is left.
    """
    opened = [open_scan(row.bold) for row in scans]
    first = opened[0]
    for scan in opened if not resample else ():
        require_same_grid(scan.name, scan.grid, first.name, first.grid)
    counts = np.zeros(first.grid.shape, dtype=np.int32)
    for scan, row in zip(opened, scans, strict=True):
        mean, filled = _survey(scan, row, first.grid)
        found, used = _one_mask(scan.name, mean, filled, first.grid, method)
        print(f"{scan.name}: {int(found.sum())} voxels by {used}")
        counts += found
    needed = int(np.ceil(round(fraction * len(scans), 6)))
    mask = counts >= max(1, needed)
    if not mask.any():
        raise BrainError(
            f"no voxel is brain in {needed} of the {len(scans)} scans; the best is in "
            f"{counts.max()}: check that they are registered to one space, lower "
            "brain/mask_fraction, or name a brain/mask"
        )
    return mask, first.grid


def _survey(scan: Scan, row: ScanRange, grid: Grid) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Mean of a run's first volumes, and the voxels that are filled in nearly all of them."""
    first, count = volume_range(scan.name, scan.n_volumes, row.first_volume, row.n_volumes)
    count = min(count, VOLUMES_READ)
    total = np.zeros(grid.shape)
    n_filled = np.zeros(grid.shape, dtype=np.int32)
    for _, raw in scan.chunks(first, count, grid, verify=False):
        volumes = to_grid(raw, scan.grid, grid)
        finite = np.isfinite(volumes)
        n_filled += (finite & (volumes != 0)).sum(axis=3)
        total += np.where(finite, volumes, 0).sum(axis=3)
    filled = n_filled >= FILLED_SHARE * count
    if not filled.any():
        raise BrainError(
            f"{scan.name}: no voxel is finite and other than 0 in volumes {first} to "
            f"{first + count - 1}: correct the scan, or take it out of the scans table"
        )
    return total / count, filled


def _one_mask(
    name: str, mean: NDArray[Any], filled: NDArray[np.bool_], grid: Grid, method: str
) -> tuple[NDArray[np.bool_], str]:
    """Mask of one scan, and the rule that made it."""
    from nibabel.nifti1 import Nifti1Image
    from nilearn.masking import compute_epi_mask

    empty_share = 1 - filled.mean()
    if method == "nonzero" or (method == "auto" and empty_share >= EMPTY_SHARE):
        return filled, "nonzero"
    voxel_mm = float(np.linalg.norm(grid.affine[:3, :3], axis=0).max())
    opening = min(OPENING_VOXELS, int(OPENING_MM / voxel_mm))
    found = compute_epi_mask(Nifti1Image(mean.astype(np.float32), grid.affine), opening=opening)
    mask = np.asarray(found.dataobj).astype(bool) & filled
    if not mask.any():
        raise BrainError(
            f"{name}: no brain found by the epi rule: set brain/mask_method: nonzero, or name a "
            "brain/mask"
        )
    return mask, "epi"
