"""Small scans with known content, and the brain stage's settings, for tests."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import yaml

from giblet.brain.run import make_run, read_values, say_measured, voxel_source
from giblet.brain.scans import open_scan, volume_range
from giblet.brain.series import series_files
from giblet.brain.space import make_space
from giblet.config import SCHEMAS

AFFINE = np.array([[-3.0, 0, 0, 12], [0, 3, 0, -12], [0, 0, 3, -6], [0, 0, 0, 1]])
SPACE_KEYS = ("kind", "mask", "mask_method", "mask_fraction", "resample", "atlas", "atlas_labels")
RUN_KEYS = (
    "kind",
    "check_tr",
    "resample",
    "smoothing_fwhm_mm",
    "confound_columns",
    "high_pass_hz",
    "detrend",
)


def defaults(*names: str) -> dict[str, Any]:
    """Default values of brain's settings, from its schema."""
    schema = yaml.safe_load((SCHEMAS / "brain.schema.yaml").read_text())
    chosen = (*names, "parcels_dataset")
    return {name: schema["properties"][name]["default"] for name in chosen}


def write_image(
    path: Path,
    data: np.ndarray,
    *,
    affine: np.ndarray = AFFINE,
    tr_s: float | None = None,
    unit: str = "sec",
    slope: float | None = None,
) -> Path:
    """Write a NIfTI image; with `slope`, as 16-bit integers that it scales."""
    # nibabel writes the numbers as they are beside a slope that is set by hand.
    image = nibabel.Nifti1Image(data if slope is None else data / slope, affine)
    if tr_s is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], tr_s))
        image.header.set_xyzt_units("mm", unit)
    if slope is not None:
        image.set_data_dtype(np.int16)
        image.header.set_slope_inter(slope, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


def noise_scan(seed: int = 0, shape: tuple[int, ...] = (5, 6, 4, 60)) -> np.ndarray:
    """Noise of sd 10 about 1000, float32."""
    values = 1000 + 10 * np.random.default_rng(seed).standard_normal(shape)
    return values.astype(np.float32)


def patched(path: Path, *changes: tuple[Any, ...]) -> Path:
    """Overwrite fields of a header: (offset, struct format, values) each."""
    data = bytearray(path.read_bytes())
    for at, form, *values in changes:
        struct.pack_into(form, data, at, *values)
    path.write_bytes(data)
    return path


def values_of(
    folder: Path, bold: Path | str, *, first_volume: int = 0, n_volumes: int = 0
) -> np.ndarray:
    """Time courses [TRs, voxels] of a scan of (5, 6, 4) voxels, all of them in the mask."""
    return run_of(folder, bold, first_volume, n_volumes)[0]


def run_of(
    folder: Path, bold: Path | str, first_volume: int = 0, n_volumes: int = 0
) -> tuple[np.ndarray, list[int]]:
    """Time courses as the rule reads them, before cleaning, and volumes that are not measured."""
    mask = write_image(folder / "all.nii", np.ones((5, 6, 4), np.uint8))
    source = voxel_source(open_scan(series_files(bold)), mask, tr_s="1.5")
    first, count = volume_range(source.name, source.n_volumes, first_volume, n_volumes)
    values = read_values(source, first, count)
    measured = say_measured(source, values, first)
    return values, [int(t) for t in np.flatnonzero(~measured)]


class BrainStudy:
    """A study of scans in a folder; `space` and `run` are the two rules' library calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def scan(self, data: np.ndarray, name: str = "bold.nii.gz", **options: Any) -> Path:
        return write_image(self.folder / name, data, **{"tr_s": 1.5, **options})

    def mask(self, inside: np.ndarray, name: str = "given.nii.gz", **options: Any) -> Path:
        return write_image(self.folder / name, inside.astype(np.uint8), **options)

    def space(self, *bold: Any, **changes: Any) -> Path:
        settings = {
            **defaults(*SPACE_KEYS),
            "first_volume": [0] * len(bold),
            "n_volumes": [0] * len(bold),
            **changes,
        }
        mask_out = self.folder / "mask.nii.gz" if settings["kind"] == "voxels" else None
        make_space(self.folder / "space.h5", mask_out, bold=[str(b) for b in bold], **settings)
        return self.folder / "space.h5"

    def run(self, *bold: Any, out: str = "run.h5", confounds: Any = None, **changes: Any) -> Path:
        settings = {
            **defaults(*RUN_KEYS),
            "tr_s": "1.5",
            "first_volume": 0,
            "n_volumes": 0,
            **changes,
        }
        make_run(
            self.folder / out,
            bold=[str(path) for path in bold],
            space=self.folder / "space.h5",
            mask=self.folder / "mask.nii.gz",
            confounds=confounds,
            run="run-1",
            **settings,
        )
        return self.folder / out

    def raw(self, *bold: Any, **changes: Any) -> Path:
        """Run with nothing cleaned out, so that the values are those of the file."""
        quiet = {"high_pass_hz": 0, "detrend": False, "confound_columns": []}
        return self.run(*bold, **{**quiet, **changes})
