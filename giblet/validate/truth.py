"""What was planted in a simulated study, voxel by voxel of the study's own mask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.store import dataset, reading


@dataclass(frozen=True)
class Truth:
    """Planted answers for the V voxels of a study.

    Attributes
    ----------
    responds : array of shape (V, 3), bool; to picture, sound, words
    delay_s : array of shape (V,), time to peak of the response
    ceiling : subject -> array of shape (V,), best possible correlation
    region : array of shape (V,), index into `region_names`
    """

    responds: NDArray[np.bool_]
    delay_s: NDArray[np.float32]
    ceiling: Mapping[str, NDArray[np.float32]]
    region: NDArray[np.int64]
    region_names: tuple[str, ...]

    @property
    def any_response(self) -> NDArray[np.bool_]:
        """Whether a voxel responds to anything, shape (V,)."""
        return np.asarray(self.responds.any(1))


def load_truth(path: str | Path, study: h5py.File, subjects: tuple[str, ...]) -> Truth:
    """Read ``simulate/truth.h5`` in the order of the study's voxels.

    Voxels of the study that the simulation did not fill respond to nothing.

    Raises
    ------
    ValidationError
        If the study has another grid than the simulation.
    """
    with reading(path, stage="simulate") as file:
        ours = dataset(study, "geometry/affine", shape=(4, 4))[:]
        theirs = dataset(file, "affine", shape=(4, 4))[:]
        if not np.allclose(ours, theirs, atol=1e-3):
            raise ValidationError(
                f"{path} has voxels of {_size(theirs)} mm with origin {_origin(theirs)}, the "
                f"study {_size(ours)} mm with origin {_origin(ours)}: the truth is known only on "
                "the simulated grid; leave out resampling in brain, or simulate on its grid"
            )
        place = _places(file["ijk"][:], study["geometry/ijk"][:])
        known = place >= 0

        def take(values: NDArray, otherwise: float) -> NDArray:  # type: ignore[type-arg]
            out = np.full((len(place), *values.shape[1:]), otherwise, values.dtype)
            out[known] = values[place[known]]
            return out

        shared = file["ceiling"][:]
        own = file.get("subject_ceiling", {})
        ceilings = {s: take(own[s][:] if s in own else shared, 0) for s in subjects}
        names = _region_names(file)
        return Truth(
            take(file["responds"][:].astype(bool), False),
            take(file["delay_s"][:].astype(np.float32), np.nan),
            ceilings,
            take(file["region"][:].astype(np.int64), -1),
            names,
        )


def _region_names(file: h5py.File) -> tuple[str, ...]:
    """Names, which the simulation keeps as an attribute or a dataset."""
    for attrs in (file.attrs, file["region"].attrs):
        if "region_names" in attrs:
            found = attrs["region_names"]
            return tuple(json.loads(found) if isinstance(found, str) else map(str, found))
    if "region_names" in file:
        return tuple(str(name) for name in file["region_names"].asstr()[:])
    return tuple(str(k) for k in range(int(file["region"][:].max(initial=-1)) + 1))


def _places(theirs: NDArray[np.int32], ours: NDArray[np.int32]) -> NDArray[np.int64]:
    """Row of each of our voxels among theirs, -1 where they have it not."""
    size = int(max(theirs.max(initial=0), ours.max(initial=0))) + 1
    key = np.array([size * size, size, 1])
    rows = {int(code): row for row, code in enumerate(theirs.astype(np.int64) @ key)}
    return np.array([rows.get(int(code), -1) for code in ours.astype(np.int64) @ key])


def _size(affine: NDArray[np.float64]) -> str:
    return " x ".join(f"{side:.4g}" for side in np.linalg.norm(affine[:3, :3], axis=0))


def _origin(affine: NDArray[np.float64]) -> str:
    return ", ".join(f"{value:.4g}" for value in affine[:3, 3])
