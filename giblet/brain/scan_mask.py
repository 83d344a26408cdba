"""The mask of one scan: which of its voxels are brain.

Preprocessing leaves scans in many forms: with all of the head, or the brain alone; with air that
is 0, noise, or the faint ringing of an interpolation. What is empty says little then, what is
dark says more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from giblet.brain.grid import Grid
from giblet.brain.headers import voxel_sizes
from giblet.brain.resample import to_grid
from giblet.errors import BrainError

# Air that is not empty is there where so many voxels are darker than that share of the brain,
DARK, DARK_SHARE = 0.15, 0.05
# or, where little is empty or more is filled than a brain has, one crowd half as bright as another.
EMPTY_SHARE, FAINT = 0.2, 0.5
# Where brain begins between the two; half way would lose what dropout and coils make faint.
BETWEEN = 0.4
# Masks are opened by 2 voxels, as nilearn's, which suits voxels of 3 or 4 mm and would swallow a
# brain of larger ones.
OPENING_VOXELS = 2
OPENING_MM = 8.0
# No human brain is larger; large voxels add half of one all around.
LARGEST_ML = 2000.0
MNI_NAME = re.compile(r"space-MNI|_MNI152|MNI152NLin|MNI152Lin", re.IGNORECASE)
# Lowest corners of the usual grids in MNI space (FSL, fMRIPrep, SPM new and old, nilearn), in mm.
MNI_CORNERS = (
    (-90, -126, -72),
    (-96, -132, -78),
    (-78, -112, -70),
    (-78, -112, -50),
    (-98, -134, -72),
)


@dataclass(frozen=True)
class Seen:
    """What a scan's first volumes show.

    Attributes
    ----------
    name : what messages call the scan
    mean : array of shape (X, Y, Z), of the volumes that hold anything
    filled : bool array of the same shape: finite and not 0 in nearly all of them
    grid : where they lie
    mni : whether that is MNI space
    """

    name: str
    mean: NDArray[np.float64]
    filled: NDArray[np.bool_]
    grid: Grid
    mni: bool


def in_mni_space(files: Sequence[str], codes: Sequence[int], grid: Grid) -> bool:
    """Whether a scan is in MNI space, by its header, its name or its grid."""
    if 4 in codes or (files and MNI_NAME.search(files[0])):
        return True
    axes = grid.affine[:3, :3]
    if np.count_nonzero(np.abs(axes) > 1e-3) != 3:
        return False
    corners = np.array([grid.affine[:3, 3], grid.affine[:3] @ [*(np.array(grid.shape) - 1), 1]])
    low, high = corners.min(axis=0), corners.max(axis=0)
    spacious = bool((high - low > 0.85 * 150).all())
    return spacious and any(np.abs(low - corner).max() < 1.01 for corner in MNI_CORNERS)


def scan_mask(seen: Seen, method: str) -> tuple[NDArray[np.bool_], str]:
    """Mask of one scan, and the rule that made it.

    Parameters
    ----------
    method : ``nonzero``, ``epi`` or ``auto`` (see :func:`giblet.brain.mask.compute_mask`)

    Raises
    ------
    BrainError
        If no brain is found.
    """
    crowds = _crowds(seen.mean[seen.filled])
    if method == "nonzero" or (method == "auto" and not _has_background(seen, crowds)):
        return seen.filled, "nonzero"
    if method == "epi":
        found, used = _epi(seen), "epi"
    else:
        found, used = _bright(seen, crowds), "brightness"
        template = _template(seen.grid) if seen.mni else seen.filled
        if seen.mni and (template & found).any():
            found, used = found & template, "brightness within the MNI152 brain"
    if not found.any():
        raise BrainError(
            f"{seen.name}: no brain found by the {used} rule: set brain/mask_method: nonzero, or "
            "name a brain/mask"
        )
    return found, used


@dataclass(frozen=True)
class Crowds:
    """Two crowds of voxels, faint and bright.

    Attributes
    ----------
    faint, bright : median of each
    dark : share of the voxels that are much darker than the bright ones
    """

    faint: float
    bright: float
    dark: float


def _crowds(values: NDArray[np.float64]) -> Crowds:
    """Part voxels by Otsu's threshold (IEEE Trans. Syst. Man Cybern. 9:62, 1979)."""
    from skimage.filters import threshold_otsu

    # A few bright vessels must not draw the threshold up.
    values = np.clip(values, None, np.percentile(values, 99))
    if np.ptp(values) <= 0:
        return Crowds(float(values[0]), float(values[0]), 0.0)
    threshold = threshold_otsu(values)
    bright = float(np.median(values[values > threshold]))
    faint = float(np.median(values[values <= threshold]))
    return Crowds(faint, bright, float((values < DARK * bright).mean()))


def _has_background(seen: Seen, crowds: Crowds) -> bool:
    """Whether voxels that are not brain hold something."""
    low, high = np.percentile(seen.mean[seen.filled], (5, 95))
    if -low > DARK * high:
        # Denoised values stand around 0; there is no darkness in them.
        return False
    if crowds.dark > DARK_SHARE:
        return True
    size = millilitres(int(seen.filled.sum()), seen.grid)
    roomy = 1 - seen.filled.mean() < EMPTY_SHARE or size > largest_ml(seen.grid)
    return roomy and crowds.faint < FAINT * crowds.bright


def _bright(seen: Seen, crowds: Crowds) -> NDArray[np.bool_]:
    """The largest bright body, without what hangs on it by a thin neck."""
    from scipy import ndimage

    threshold = crowds.faint + BETWEEN * (crowds.bright - crowds.faint)
    bright = seen.filled & (seen.mean > threshold)
    n = _opening(seen.grid)
    core = ndimage.binary_erosion(bright, iterations=n) if n else bright
    labels, n_bodies = ndimage.label(core)
    if not n_bodies:
        return np.zeros_like(bright)
    body = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    if n:
        # One more than was taken off, within what is bright, gives corners back.
        body = ndimage.binary_dilation(body, iterations=n + 1, mask=bright)
    return np.asarray(ndimage.binary_fill_holes(body)) & seen.filled


def millilitres(n_voxels: int, grid: Grid) -> float:
    """Volume of a number of voxels."""
    return n_voxels * abs(float(np.linalg.det(grid.affine[:3, :3]))) / 1000


def largest_ml(grid: Grid) -> float:
    """Largest volume of a brain on a grid, whose voxels it fills in part."""
    radius = (LARGEST_ML * 1000 * 3 / (4 * np.pi)) ** (1 / 3)
    half = float(voxel_sizes(grid.affine).mean()) / 2
    return float(LARGEST_ML * ((radius + half) / radius) ** 3)


def _epi(seen: Seen) -> NDArray[np.bool_]:
    """nilearn's mask by the gap between air and head."""
    from nibabel.nifti1 import Nifti1Image
    from nilearn.masking import compute_epi_mask

    image = Nifti1Image(seen.mean.astype(np.float32), seen.grid.affine)
    found = compute_epi_mask(image, opening=_opening(seen.grid), exclude_zeros=True)
    return np.asarray(found.dataobj).astype(bool) & seen.filled


def _opening(grid: Grid) -> int:
    return min(OPENING_VOXELS, int(OPENING_MM / float(voxel_sizes(grid.affine).max())))


def _template(grid: Grid) -> NDArray[np.bool_]:
    """The MNI152 brain that nilearn comes with, on a grid."""
    data, own = _mni_brain()
    return to_grid(data, own, grid, "nearest") > 0


@lru_cache(maxsize=1)
def _mni_brain() -> tuple[NDArray[np.int32], Grid]:
    from nilearn.datasets import load_mni152_brain_mask

    image = load_mni152_brain_mask(resolution=2)
    x, y, z = image.shape
    own = Grid((x, y, z), np.asarray(image.affine, dtype=np.float64))
    return np.asarray(image.dataobj).astype(np.int32), own
