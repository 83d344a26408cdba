"""Where the study's voxels or parcels are: ``space.h5``, and the mask for voxels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.brain.atlas import load_atlas, region_names
from giblet.brain.grid import Grid
from giblet.brain.mask import ScanRange, compute_mask, load_mask, say_too_large
from giblet.brain.parcels import open_parcels
from giblet.errors import BrainError, ConfigError
from giblet.store import replacing, writing


def make_space(
    space_out: str | Path,
    mask_out: str | Path | None,
    *,
    kind: str,
    bold: Sequence[str],
    first_volume: Sequence[int],
    n_volumes: Sequence[int],
    mask: str | Path | None,
    mask_method: str,
    mask_fraction: float,
    resample: bool,
    atlas: str | Path | None,
    atlas_labels: str | Path | None,
    parcels_dataset: str,
) -> None:
    """Decide the study's voxels or parcels and write where they are.

    Parameters
    ----------
    space_out : HDF5 file to write: ``ijk`` [V, 3], ``xyz_mm`` [V, 3], ``affine`` [4, 4] and, with
        an atlas, ``region`` [V] and attribute ``region_names`` (JSON, label to name); or
        ``labels`` [P] of parcels
    mask_out : NIfTI file to write; None for parcels
    bold, first_volume, n_volumes : columns of the scans table for the scans that decide: all of
        them for a computed mask, the first for parcels, none when a mask is given
    mask : a mask to use as it is

    Raises
    ------
    BrainError
        If a mask, an atlas or a scan cannot be used.
    ConfigError
        If a setting for voxels is given for parcels.
    """
    if kind == "parcels":
        _refuse_for_parcels(mask=mask, atlas=atlas)
        labels = open_parcels(bold[0], parcels_dataset).labels
        if not labels:
            raise BrainError(f"{bold[0]}: holds no parcels: export it again")
        with writing(space_out, stage="brain") as file:
            file.attrs["kind"] = kind
            file["labels"] = [str(label) for label in labels]
        print(f"{len(labels)} parcels")
        return
    if mask:
        inside, grid = load_mask(mask)
        say_too_large(str(mask), int(inside.sum()), grid)
    else:
        rows = zip(bold, first_volume, n_volumes, strict=True)
        inside, grid = compute_mask(
            [ScanRange(str(path), int(first), int(count)) for path, first, count in rows],
            method=mask_method,
            fraction=mask_fraction,
            resample=resample,
        )
    regions = load_atlas(atlas, inside, grid) if atlas else None
    _write_mask(mask_out, inside, grid)
    ijk = np.argwhere(inside).astype(np.int32)
    with writing(space_out, stage="brain", units="mm") as file:
        file.attrs["kind"] = kind
        file.attrs["grid_shape"] = grid.shape
        file["ijk"] = ijk
        file["xyz_mm"] = grid.xyz_mm(ijk)
        file["affine"] = grid.affine
        if regions is not None:
            file["region"] = regions
            file.attrs["region_names"] = json.dumps(region_names(atlas_labels, regions))
    print(f"{len(ijk)} voxels on {grid}")


def _refuse_for_parcels(**paths: str | Path | None) -> None:
    for key, path in paths.items():
        if path:
            raise ConfigError(
                f"brain/{key} is {str(path)!r}, but brain/kind is parcels, which have no voxels: "
                f"set brain/{key}: null, or brain/kind: voxels"
            )


def _write_mask(path: str | Path | None, inside: NDArray[np.bool_], grid: Grid) -> None:
    import nibabel
    from nibabel.nifti1 import Nifti1Image

    if path is None:
        return
    with replacing(path) as partial:
        nibabel.save(Nifti1Image(inside.astype(np.uint8), grid.affine), partial)
