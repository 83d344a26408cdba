"""The grid that voxels stand on, and what happens when two grids differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from giblet.errors import BrainError

SAME_MM = 1e-3


@dataclass(frozen=True)
class Grid:
    """Shape of a volume and where it lies.

    Attributes
    ----------
    shape : number of voxels along the three axes
    affine : array of shape (4, 4), voxel indices to mm
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def same_as(self, other: Grid) -> bool:
        """Whether both have the same voxels, to a thousandth of a millimetre."""
        return self.shape == other.shape and np.allclose(
            self.affine, other.affine, rtol=0, atol=SAME_MM
        )

    def __str__(self) -> str:
        size = " x ".join(str(n) for n in self.shape)
        rows = "; ".join(" ".join(f"{value:g}" for value in row) for row in self.affine[:3])
        return f"{size} voxels with affine [{rows}]"

    def xyz_mm(self, ijk: NDArray[np.int32]) -> NDArray[np.float64]:
        """Centres of voxels in mm: array of shape (n, 3)."""
        return np.asarray(ijk @ self.affine[:3, :3].T + self.affine[:3, 3], dtype=np.float64)


def require_same_grid(name: str, grid: Grid, reference_name: str, reference: Grid) -> None:
    """Refuse a grid that differs from the study's.

    Raises
    ------
    BrainError
        With both shapes and both affines.
    """
    if not grid.same_as(reference):
        raise BrainError(
            f"{name} has {grid}, {reference_name} has {reference}: bring all scans and masks to "
            "one grid, or set brain/resample: true"
        )
