"""Voxelwise scores as NIfTI images in the space of the scans."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.store import reading, replacing

# Name of a map -> where voxels.h5 has it, and its value outside the mask, where nothing was
# measured: no correlation, nothing explained, nothing significant, no delay.
MAPS = {
    "r": ("r", 0.0),
    "r_normalised": ("r_normalised", 0.0),
    "q": ("q", 1.0),
    "delay_s": ("delay_s", np.nan),
    "delay_model_s": ("delay_model_s", np.nan),
    "unique_video": ("partition/unique_video", 0.0),
    "unique_audio": ("partition/unique_audio", 0.0),
    "unique_text": ("partition/unique_text", 0.0),
}


def write_maps(voxels: str | Path, folder: str | Path) -> None:
    """Write ``{subject}_{name}.nii.gz`` for every name in `MAPS` into `folder`.

    Voxels that were not scored are NaN, those outside the mask 0 (q: 1, delays: NaN). Parcels
    have no volume: their images are one voxel wide, parcel k standing at (k, 0, 0).
    """
    import nibabel

    with reading(voxels, stage="validate") as file:
        for subject in json.loads(file.attrs["subjects"]):
            for name, (place, outside) in MAPS.items():
                volume = to_volume(file, file[f"{subject}/{place}"][:], outside)
                image = nibabel.Nifti1Image(volume, affine_of(file))
                image.header.set_xyzt_units("mm", "sec")
                image.header["descrip"] = f"giblet {name} {subject}".encode()[:79]
                with replacing(Path(folder) / f"{subject}_{name}.nii.gz") as partial:
                    image.to_filename(partial)


def affine_of(file: h5py.File) -> NDArray[np.float64]:
    """Voxel to mm; the identity for parcels."""
    if file.attrs["kind"] != "voxels":
        return np.eye(4)
    return np.asarray(file["affine"][:], np.float64)


def to_volume(file: h5py.File, values: NDArray, outside: float) -> NDArray[np.float32]:  # type: ignore[type-arg]
    """Values of the V voxels in the grid they came from.

    Parameters
    ----------
    values : array of shape (V,)
    outside : value of grid cells that are no voxel of the study

    Raises
    ------
    ValidationError
        If a voxel lies outside the grid.
    """
    if file.attrs["kind"] != "voxels":
        return values.astype(np.float32).reshape(-1, 1, 1)
    shape = tuple(int(side) for side in file.attrs["grid_shape"])
    ijk = file["ijk"][:]
    if len(ijk) and (ijk.max(0) >= shape).any():
        raise ValidationError(
            f"{file.filename}: voxel {ijk.max(0).tolist()} lies outside the grid {list(shape)}: "
            "delete results of brain and align, and run snakemake again"
        )
    volume = np.full(shape, outside, np.float32)
    volume[tuple(ijk.T)] = values
    return volume
