"""Write a 4-D NIfTI file volume by volume, so that a long scan needs no long memory."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import nibabel
import numpy as np
from numpy.typing import NDArray

from giblet.store import replacing

SLOPE = 1 / 16
DATA_START = 352
MNI152 = 4
FAST = 1


class VolumeWriter:
    """Takes blocks of voxel values and writes them as volumes (see `volumes`)."""

    def __init__(self, handle: IO[bytes], shape: tuple[int, ...], ijk: NDArray[np.int32]) -> None:
        self._handle = handle
        self._n_places = int(np.prod(shape))
        # The first index varies fastest in a NIfTI file.
        self._place = np.ravel_multi_index(tuple(ijk.T), shape, order="F")

    def write(self, block: NDArray[np.floating]) -> None:
        """Append volumes.

        Parameters
        ----------
        block : array of shape (n_volumes, n_voxels); cut off at what 16 bits hold
        """
        volume = np.zeros(self._n_places, dtype="<i2")
        for values in np.clip(np.rint(block / SLOPE), -32767, 32767):
            volume[self._place] = values
            self._handle.write(volume.tobytes())


@contextmanager
def volumes(
    path: str | Path,
    *,
    shape: tuple[int, int, int],
    n_volumes: int,
    affine: NDArray[np.floating],
    ijk: NDArray[np.int32],
    tr_s: float,
) -> Iterator[VolumeWriter]:
    """Open a compressed NIfTI-1 file for volumes of 16-bit integers, zero outside `ijk`.

    Values are kept in steps of 1/16. The file appears under its name only when complete, and
    the same volumes give the same bytes.
    """
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((*shape, n_volumes))
    header.set_sform(affine, MNI152)
    header.set_qform(affine, MNI152)
    header.set_zooms((*np.abs(np.diag(affine)[:3]), tr_s))
    header.set_xyzt_units("mm", "sec")
    header.set_slope_inter(SLOPE, 0)
    header["magic"] = b"n+1"
    header["vox_offset"] = DATA_START
    with (
        replacing(path) as partial,
        partial.open("wb") as raw,
        gzip.GzipFile("", "wb", FAST, raw, mtime=0) as packed,
    ):
        packed.write(header.binaryblock.ljust(DATA_START, b"\0"))
        yield VolumeWriter(packed, shape, ijk)  # type: ignore[arg-type]
