"""The simulated brain's geometry: a grid in MNI space, its regions, and smooth fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from giblet.errors import ConfigError
from giblet.simulate.drives import MODALITIES

Values = NDArray[np.float64]
# Bounding box of the MNI152 grid of FSL, in mm: 61 x 73 x 61 voxels at 3 mm.
BOX_MM = ((-90.0, 90.0), (-126.0, 90.0), (-72.0, 108.0))
LEAST_VOXELS = 100
SMOOTH_MM = 10.0

# Name, modalities, and the centres of its blobs in MNI mm with their relative radius.
REGIONS: tuple[tuple[str, tuple[str, ...], tuple[tuple[int, int, int, float], ...]], ...] = (
    ("picture", ("picture",), ((-20, -88, 4, 1.3), (20, -88, 4, 1.3))),
    ("sound", ("sound",), ((-56, -16, 8, 1.3), (56, -16, 8, 1.3))),
    ("words", ("words",), ((-46, 28, 12, 1.4), (48, 28, 12, 1.1), (-40, 0, 48, 0.9))),
    ("picture+sound", ("picture", "sound"), ((-48, -60, 8, 1.1), (48, -60, 8, 1.1))),
    ("sound+words", ("sound", "words"), ((-54, 6, -26, 1.3), (54, 6, -26, 1.3))),
    ("all", MODALITIES, ((0, -56, 40, 1.4), (0, 54, 20, 1.2))),
)
NOTHING = "nothing"
REGION_NAMES = (NOTHING, *(name for name, _, _ in REGIONS))


@dataclass(frozen=True)
class Grid:
    """Voxels of the simulated brain, in the order of `numpy.nonzero` on the mask.

    Attributes
    ----------
    shape : number of voxels along x, y, z
    affine : array of shape (4, 4), voxel indices to MNI mm
    ijk : array of shape (n_voxels, 3), int32
    """

    shape: tuple[int, int, int]
    affine: Values
    ijk: NDArray[np.int32]

    @property
    def xyz_mm(self) -> Values:
        """Centres of the voxels, array of shape (n_voxels, 3)."""
        return self.ijk @ self.affine[:3, :3].T + self.affine[:3, 3]

    @property
    def voxel_mm(self) -> float:
        """Edge of a voxel."""
        return float(self.affine[0, 0])


def mni_grid(voxel_mm: float) -> Grid:
    """Brain of the MNI152 template (as packaged by nilearn) on cubic voxels.

    Raises
    ------
    ConfigError
        If the voxels are so large that hardly any is left.
    """
    from nilearn.datasets import load_mni152_brain_mask
    from nilearn.image import resample_img

    n_x, n_y, n_z = (int((high - low) // voxel_mm) + 1 for low, high in BOX_MM)
    shape = (n_x, n_y, n_z)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = [low for low, _ in BOX_MM]
    mask = resample_img(
        load_mni152_brain_mask(resolution=2),
        target_affine=affine,
        target_shape=shape,
        interpolation="nearest",
        copy_header=True,
        force_resample=True,
    )
    ijk = np.argwhere(np.asarray(mask.dataobj) > 0).astype(np.int32)
    if len(ijk) < LEAST_VOXELS:
        raise ConfigError(
            f"simulate/bold/voxel_mm is {voxel_mm}: only {len(ijk)} voxels of the brain are "
            "left; use 16 mm or less"
        )
    return Grid(shape, affine, ijk)


def assign_regions(xyz_mm: Values, responsive_share: float) -> NDArray[np.int64]:
    """Region of each voxel: blobs about fixed centres, as large as the share allows.

    Returns
    -------
    array of shape (n_voxels,), index into `REGION_NAMES`; 0 responds to nothing
    """
    nearest = np.full(len(xyz_mm), np.inf)
    region = np.zeros(len(xyz_mm), dtype=np.int64)
    for number, (_, _, blobs) in enumerate(REGIONS, start=1):
        for x, y, z, radius in blobs:
            distance = np.linalg.norm(xyz_mm - (x, y, z), axis=1) / radius
            closer = distance < nearest
            region[closer], nearest[closer] = number, distance[closer]
    n_responsive = round(responsive_share * len(xyz_mm))
    region[np.argsort(nearest, kind="stable")[n_responsive:]] = 0
    return region


def region_modalities() -> NDArray[np.bool_]:
    """Which modality (columns) each region of `REGION_NAMES` (rows) responds to."""
    table = np.zeros((len(REGION_NAMES), len(MODALITIES)), dtype=bool)
    for number, (_, modalities, _) in enumerate(REGIONS, start=1):
        table[number] = [name in modalities for name in MODALITIES]
    return table


def smooth_fields(rng: np.random.Generator, grid: Grid, n_fields: int) -> Values:
    """Random fields that vary smoothly over the brain.

    Returns
    -------
    array of shape (n_voxels, n_fields), each column with mean 0 and standard deviation 1
    """
    out = np.empty((len(grid.ijk), n_fields))
    place = tuple(grid.ijk.T)
    for column in range(n_fields):
        field = rng.standard_normal(grid.shape)
        out[:, column] = gaussian_filter(field, SMOOTH_MM / grid.voxel_mm, mode="nearest")[place]
    return (out - out.mean(axis=0)) / out.std(axis=0)
