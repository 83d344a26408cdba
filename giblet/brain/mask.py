"""The group mask: which voxels of the grid are brain, in every scan of the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.brain.grid import Grid, require_same_grid
from giblet.brain.images import read_image
from giblet.brain.resample import to_grid
from giblet.brain.scan_mask import Seen, in_mni_space, largest_ml, millilitres, scan_mask
from giblet.brain.scans import Scan, open_scan, volume_range
from giblet.brain.series import brain_mask_beside
from giblet.errors import BrainError

# A mean over so many volumes shows the brain; the rest of a long scan need not be read.
VOLUMES_READ = 50
# Whole-number data may pass through 0 now and then; the rim that motion correction leaves does
# so for longer.
FILLED_SHARE = 0.9
# A mask that has less than this share of what single scans have means that they do not overlap.
SHARED = 0.5


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
        between air and head. ``auto``: per scan, fMRIPrep's brain mask beside it if there is
        one; ``nonzero`` when no air or other background is left in it; else its largest bright
        body, in MNI space within the template's brain.
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
    sizes = []
    for scan, row in zip(opened, scans, strict=True):
        seen = _survey(scan, row, first.grid)
        found, used = _one_mask(seen, row.bold, method)
        print(f"{scan.name}: {int(found.sum())} voxels by {used}")
        sizes.append(int(found.sum()))
        counts += found
    needed = int(np.ceil(round(fraction * len(scans), 6)))
    mask = counts >= max(1, needed)
    if not mask.any():
        raise BrainError(
            f"no voxel is brain in {needed} of the {len(scans)} scans; the best is in "
            f"{counts.max()}: check that they are registered to one space, lower "
            "brain/mask_fraction, or name a brain/mask"
        )
    _say_size([scan.name for scan in opened], sizes, mask, first.grid)
    return mask, first.grid


def say_too_large(name: str, n_voxels: int, grid: Grid) -> None:
    """Warn of a mask that is larger than a brain."""
    ml, limit = millilitres(n_voxels, grid), largest_ml(grid)
    if ml > limit:
        notices.warn(
            f"{name}: the mask has {n_voxels:,} voxels, {ml:,.0f} ml, a brain has {limit:,.0f} ml "
            "at most: it takes in what is not brain; name a brain/mask (fMRIPrep writes "
            "..._desc-brain_mask.nii.gz), or set brain/mask_method"
        )


def _say_size(
    names: Sequence[str], sizes: Sequence[int], mask: NDArray[np.bool_], grid: Grid
) -> None:
    n = int(mask.sum())
    say_too_large(f"{names[0]} (and {len(names) - 1} more)" if names[1:] else names[0], n, grid)
    usual = int(np.median(sizes))
    if n < SHARED * usual:
        least = int(np.argmin(sizes))
        notices.warn(
            f"the group mask has {n:,} voxels, {millilitres(n, grid):,.0f} ml, single scans have "
            f"{usual:,} (median; the fewest, {sizes[least]:,}, {names[least]}): check that all are "
            "registered to one space, or lower brain/mask_fraction"
        )


def _survey(scan: Scan, row: ScanRange, grid: Grid) -> Seen:
    """Mean of a run's first volumes, and the voxels that are filled in nearly all of them."""
    first, count = volume_range(scan.name, scan.n_volumes, row.first_volume, row.n_volumes)
    count = min(count, VOLUMES_READ)
    total = np.zeros(grid.shape)
    n_filled = np.zeros(grid.shape, dtype=np.int32)
    n_used = 0
    # A damaged file is refused when its run is read to the end; the mask needs the first part.
    for _, raw in scan.chunks(first, count, grid, verify=False):
        volumes = to_grid(raw, scan.grid, grid)
        filled = np.isfinite(volumes) & (volumes != 0)
        n_used += int(filled.any(axis=(0, 1, 2)).sum())
        n_filled += filled.sum(axis=3)
        total += np.where(filled, volumes, 0).sum(axis=3)
    enough = n_filled >= FILLED_SHARE * n_used
    if not n_used or not enough.any():
        raise BrainError(
            f"{scan.name}: no voxel is finite and other than 0 in volumes {first} to "
            f"{first + count - 1}: correct the scan, or take it out of the scans table"
        )
    mni = in_mni_space(scan.files, scan.space_codes, scan.grid)
    return Seen(scan.name, total / n_used, enough, grid, mni)


def _one_mask(seen: Seen, bold: str, method: str) -> tuple[NDArray[np.bool_], str]:
    """Mask of one scan, and what made it: fMRIPrep's beside it, or a rule."""
    beside = brain_mask_beside(bold) if method == "auto" else None
    if beside is None:
        return scan_mask(seen, method)
    inside, own = load_mask(beside)
    inside = to_grid(inside.astype(np.int32), own, seen.grid, "nearest") > 0
    if not (inside & seen.filled).any():
        raise BrainError(
            f"{beside}: no voxel of this brain mask is filled in {seen.name} beside it: correct or "
            "remove it, or name a brain/mask"
        )
    return inside & seen.filled, Path(beside).name
