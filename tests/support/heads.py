"""Volumes of a head as preprocessing leaves them, with the brain that is in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter

from giblet.simulate.anatomy import mni_grid

FORMS = ("stripped", "noise in a box", "blurred", "resampled", "head", "cut")


@dataclass(frozen=True)
class Head:
    """A scan and what is in it.

    Attributes
    ----------
    bold : array of shape (X, Y, Z, n_volumes), float32
    brain : bool array of shape (X, Y, Z)
    affine : array of shape (4, 4)
    """

    bold: NDArray[np.float32]
    brain: NDArray[np.bool_]
    affine: NDArray[np.float64]


@lru_cache(maxsize=4)
def mni_brain(voxel_mm: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The MNI152 brain on FSL's box, and the box' affine."""
    grid = mni_grid(voxel_mm)
    brain = np.zeros(grid.shape, bool)
    brain[tuple(grid.ijk.T)] = True
    return brain, grid.affine


def head(form: str, *, voxel_mm: float = 4, n_volumes: int = 8, seed: int = 0) -> Head:
    """One of `FORMS` of a brain of about 1,000, brighter in places and darker in others.

    Parameters
    ----------
    form
        ``stripped``: 0 outside the brain. ``noise in a box``: small noise about it, 0 outside a
        box. ``blurred``: smoothed after it was stripped, so that it fades. ``resampled``:
        background near 0 on either side of it. ``head``: with scalp, neck and eyes, nothing
        taken out. ``cut``: as the head, its top and the cerebellum outside the field of view.
    """
    rng = np.random.default_rng(seed)
    brain, affine = mni_brain(voxel_mm)
    field = gaussian_filter(rng.standard_normal(brain.shape), 30 / voxel_mm)
    level = 1000 * (1 + 0.15 * field / np.abs(field).max())
    tissue = 1 + 0.15 * np.sign(gaussian_filter(rng.standard_normal(brain.shape), 6 / voxel_mm))
    mean = np.where(brain, level * tissue, 0.0)
    box = binary_dilation(brain, iterations=round(12 / voxel_mm))
    spread = np.where(brain, 15.0, 0.0)
    if form == "noise in a box":
        mean, spread = np.where(brain, mean, 25.0), np.where(brain, 15.0, 12.0)
    elif form == "blurred":
        mean = gaussian_filter(mean, 5 / 2.355 / voxel_mm)
        box = mean > 0
    elif form == "resampled":
        spread = np.where(brain, 15.0, 4.0)
        mean += 8 * rng.standard_normal(brain.shape)
    elif form in ("head", "cut"):
        mean, spread = _with_head(mean, brain, voxel_mm, rng), np.full(brain.shape, 12.0)
        box = np.ones_like(box)
    if form == "cut":
        gone = np.zeros_like(box)
        gone[:, :, : round(24 / voxel_mm)] = True
        gone[:, :, -round(40 / voxel_mm) :] = True
        box = box & ~gone
        brain = brain & box
    noise = rng.standard_normal((*brain.shape, n_volumes))
    bold = (mean[..., None] + spread[..., None] * noise) * box[..., None]
    return Head(bold.astype(np.float32), brain, affine)


def _with_head(
    mean: NDArray[np.float64],
    brain: NDArray[np.bool_],
    voxel_mm: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """A brain in a head: a dark skull, scalp, neck and eyes, and air that is not quite 0."""

    def grown(mm: float) -> NDArray[np.bool_]:
        return binary_dilation(brain, iterations=max(1, round(mm / voxel_mm)))

    skull, skin = grown(8), grown(16)
    out = np.where(skin & ~skull, 450.0, np.abs(10 * rng.standard_normal(brain.shape)))
    out[skull & ~brain] = 90
    x, y, z = np.indices(brain.shape) * voxel_mm
    # The neck below the brain, as bright as it, and two eyes before it.
    neck = (np.hypot(x - 90, y - 80) < 45) & (z < 30) & ~skull
    out[neck] = 700
    for side in (-32, 32):
        out[((x - 90 - side) ** 2 + (y - 188) ** 2 + (z - 36) ** 2 < 13**2) & ~brain] = 1300
    return np.where(brain, mean, out)
