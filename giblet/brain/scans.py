"""Scans on disk: what their headers say, and their volumes, a few at a time.

A scan is one 4-D NIfTI file, or a series of files that are read as one after the other. The
volumes of a compressed file are read forwards with the file held open, so that nothing is
decompressed twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.brain.grid import Grid, grid_of, require_same_grid
from giblet.brain.series import series_files
from giblet.errors import BrainError
from giblet.timing import Exact, as_fraction

# A chunk of volumes in float64, beside the one array that holds the run.
CHUNK_BYTES = 32 * 2**20
# A chunk is also at most this part of the run, so that short runs stay within bounds.
CHUNKS_PER_RUN = 16
# Headers hold the TR as a float32 and often rounded; 1e-4 is 0.15 s over 1,000 TRs of 1.5 s.
TR_TOLERANCE = 1e-4
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


@dataclass(frozen=True)
class Scan:
    """A scan whose headers were read.

    Attributes
    ----------
    name : what messages call it
    files : its files, in order
    counts : number of volumes in each file
    grid : the grid of all its volumes
    tr_s : repetition time in the header, in seconds; None where it states none
    """

    name: str
    files: tuple[str, ...]
    counts: tuple[int, ...]
    grid: Grid
    tr_s: float | None

    @property
    def n_volumes(self) -> int:
        """Number of volumes in all files together."""
        return sum(self.counts)

    def chunks(
        self, first: int, count: int, target: Grid | None = None
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Volumes ``first`` to ``first + count`` (exclusive), a few at a time.

        A larger grid that they will be resampled to (`target`) makes for smaller chunks.

        Yields
        ------
        offset : index of the chunk's first volume, counted from `first`
        volumes : array of shape (X, Y, Z, n), scaled as the header says
        """
        n_values = max(int(np.prod(grid.shape)) for grid in (self.grid, target or self.grid))
        step = max(1, min(CHUNK_BYTES // (8 * n_values), count // CHUNKS_PER_RUN))
        start = 0
        for file, n_here in zip(self.files, self.counts, strict=True):
            low, high = max(first, start), min(first + count, start + n_here)
            # Opened per file, so that a series of a thousand files holds one handle at a time.
            image = _load(file) if low < high else None
            for at in range(low, high, step):
                stop = min(at + step, high)
                yield at - first, _read(file, image, slice(at - start, stop - start))
            start += n_here


def open_scan(bold: str | Path | Sequence[str]) -> Scan:
    """Read the headers of a scan.

    Parameters
    ----------
    bold
        A cell of the scans table (see :func:`giblet.brain.series.series_files`), or the
        files themselves.

    Raises
    ------
    BrainError
        If a file is missing, is no image, is not 3-D or 4-D, or has another grid than the
        first of its series.
    """
    files = series_files(bold) if isinstance(bold, str | Path) else [str(file) for file in bold]
    images = [_load(file) for file in files]
    counts = []
    for file, image in zip(files, images, strict=True):
        if len(image.shape) not in (3, 4) or 0 in image.shape:
            raise BrainError(
                f"{file}: has shape {image.shape}, expected 3 axes (one volume) or 4 (x, y, z, "
                "time): export it as a 4-D NIfTI file"
            )
        if image.get_data_dtype().fields is not None:
            raise BrainError(f"{file}: holds colours, not BOLD: correct the scans table")
        counts.append(image.shape[3] if len(image.shape) == 4 else 1)
        require_same_grid(file, grid_of(image), files[0], grid_of(images[0]))
    if sum(counts) == 1:
        raise BrainError(
            f"{files[0]}: is one volume, a scan needs many: for a series of 3-D files write "
            "their folder or a pattern such as 'sub-01/vol_*.nii' in column bold"
        )
    name = files[0] if len(files) == 1 else f"{files[0]} (and {len(files) - 1} more)"
    return Scan(name, tuple(files), tuple(counts), grid_of(images[0]), header_tr_s(images[0]))


def load_image(path: str | Path, what: str) -> Any:
    """Open an image that is not a scan: a mask or an atlas, of three axes."""
    image = _load(str(path))
    if len(image.shape) == 4 and image.shape[3] == 1:
        image = image.slicer[..., 0]
    if len(image.shape) != 3:
        raise BrainError(
            f"{path}: the {what} has shape {image.shape}, expected three axes: name a 3-D image"
        )
    return image


def header_tr_s(image: Any) -> float | None:
    """Repetition time that a header states, in seconds.

    None where it states none: a 3-D image, a TR of 0, or the 1 without a unit that software
    writes when nobody set it. A TR of 100 or more without a unit is taken as milliseconds.
    """
    zooms = image.header.get_zooms()
    if len(zooms) < 4:
        return None
    value = float(zooms[3])
    unit = image.header.get_xyzt_units()[1] if hasattr(image.header, "get_xyzt_units") else ""
    if value <= 0 or not np.isfinite(value) or (unit not in SECONDS and value == 1):
        return None
    return value * SECONDS.get(unit, 1e-3 if value >= 100 else 1.0)


def require_tr(scan: Scan, tr_s: Exact) -> None:
    """Refuse a scan whose header states another TR than the study.

    Raises
    ------
    BrainError
        With both values. A header without a TR only gives a line in the log.
    """
    expected = float(as_fraction(tr_s, "tr_s"))
    if scan.tr_s is None:
        notices.warn(f"{scan.name}: the header states no TR; taking tr_s, {expected:g} s")
    elif abs(scan.tr_s - expected) > TR_TOLERANCE * expected:
        raise BrainError(
            f"{scan.name}: the header says a TR of {scan.tr_s:.6g} s, the study has {expected:g} "
            "s: correct tr_s in the configuration, or set brain/check_tr: false if the header is "
            "wrong"
        )


def volume_range(name: str, available: int, first_volume: int, n_volumes: int) -> tuple[int, int]:
    """First volume and number of volumes of a run within its file.

    Parameters
    ----------
    n_volumes : 0 stands for "to the end of the file"

    Raises
    ------
    BrainError
        If the file has fewer volumes than the scans table says.
    """
    if n_volumes == 0 and first_volume < available:
        return first_volume, available - first_volume
    if first_volume + max(n_volumes, 1) > available:
        asked = f"{first_volume} to {first_volume + max(n_volumes, 1) - 1}"
        raise BrainError(
            f"{name}: has {available} volumes, the scans table asks for volumes {asked} "
            f"(counted from 0), which needs {first_volume + max(n_volumes, 1)}: correct "
            "first_volume and n_volumes, or leave n_volumes empty to read to the end"
        )
    return first_volume, n_volumes


def _load(file: str) -> Any:
    import nibabel

    if not Path(file).exists():
        raise BrainError(f"{file}: no such file: correct the path in the table or configuration")
    try:
        # mmap off: a mapped file would count as memory that nothing can give back.
        return nibabel.load(file, mmap=False, keep_file_open=True)  # type: ignore[call-arg]
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, zlib.error) as error:
        raise BrainError(
            f"{file}: not a readable NIfTI image ({error}): export it again"
        ) from error


def _read(file: str, image: Any, volumes: slice) -> NDArray[Any]:
    """Some volumes of one file: array of shape (X, Y, Z, n)."""
    try:
        if len(image.shape) == 3:
            return np.asarray(image.dataobj)[..., None]
        return np.asarray(image.dataobj[..., volumes])
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BrainError(
            f"{file}: the data end or break before volume {volumes.stop} of the {image.shape[-1]} "
            f"that the header announces ({error}): the file is cut short; copy it again"
        ) from error
