"""The one opener of images: scans, masks and atlases.

Whatever is wrong with a file ends in a :class:`~giblet.errors.BrainError` that names it. A file
is read forwards, once, from one handle; when its data were taken, :meth:`Image.finish` reads on
to the end of a compressed file, where its checksum and length stand.
"""

from __future__ import annotations

import gzip
import io
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.brain import foreign, formats, headers
from giblet.brain.grid import Grid
from giblet.errors import BrainError

PIECE = 2**20
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
# The fourth axis of these is no time.
NO_TIME = ("hz", "ppm", "rads")
# Surface data as a volume have one long axis.
LONGEST_LINE = 1000


@dataclass
class Image:
    """An open image.

    Attributes
    ----------
    file : its path
    shape : x, y, z and, of several volumes, their number
    grid : where its voxels lie
    tr_s : repetition time in the header, in seconds; None where it states none
    dtype : of the numbers in the file
    scaling : slope and intercept that turn them into values
    space_codes : sform and qform code, empty in formats without
    notes : what is to be said of the file, without its name
    """

    file: str
    shape: tuple[int, ...]
    grid: Grid
    tr_s: float | None
    dtype: np.dtype[Any]
    scaling: tuple[float, float]
    space_codes: tuple[int, ...]
    notes: list[str]
    _data: Any = field(repr=False)
    _offset: int = field(repr=False)
    _stream: IO[bytes] = field(repr=False)

    @property
    def n_volumes(self) -> int:
        """Number of volumes; 1 for an image of three axes."""
        return self.shape[3] if len(self.shape) == 4 else 1

    def volumes(self, start: int, stop: int) -> NDArray[Any]:
        """Volumes `start` to `stop` (exclusive), scaled: array of shape (X, Y, Z, n)."""
        try:
            if len(self._data.shape) == 3:
                return np.asarray(self._data)[..., None]
            # Axes of length 1 may stand before or behind the time.
            place = [slice(None)] * len(self._data.shape)
            place[3 + int(np.argmax(self._data.shape[3:]))] = slice(start, stop)
            values = np.asarray(self._data[tuple(place)])
            return values.reshape(*self.shape[:3], stop - start, order="F")
        except gzip.BadGzipFile as error:
            raise damaged(self.file, error) from error
        except Exception as error:  # zlib, OSError, EOFError, ValueError, MemoryError, ...
            raise headers.cut_short(self.file, stop, self.n_volumes, _words(error)) from error

    def finish(self) -> None:
        """Read a compressed file to its end, where its checksum and length are compared.

        Raises
        ------
        BrainError
            If they are not those of what was read.
        """
        if isinstance(self._stream, io.BufferedReader):
            self._require_all_announced(os.fstat(self._stream.fileno()).st_size)
            return
        try:
            while self._stream.read(PIECE):
                pass
            self._require_all_announced(self._stream.tell())
        except gzip.BadGzipFile as error:
            # What stands behind the last part and is no gzip is left alone, as gzip does.
            if not str(error).startswith("Not a gzipped file"):
                raise damaged(self.file, error) from error
        except Exception as error:
            raise damaged(self.file, error) from error

    def _require_all_announced(self, n_bytes: int) -> None:
        """Warn of a file that goes on for whole volumes behind those of the header."""
        volume = math.prod(self.shape[:3]) * self.dtype.itemsize
        behind = n_bytes - self._offset - volume * self.n_volumes
        if behind > 0 and behind % volume == 0:
            notices.warn(
                f"{self.file}: the header announces {self.n_volumes} volumes, the file has room "
                f"for {behind // volume} more, which are not read: check that its header is right"
            )


def damaged(file: str, error: Exception) -> BrainError:
    """The error of compressed data that are not what was compressed."""
    return BrainError(
        f"{file}: the compressed data do not agree with their checksum ({_words(error)}): the "
        "file was damaged on a disk or on its way; copy it again (gzip -t tells whether a copy is "
        "whole)"
    )


@contextmanager
def opened(path: str | Path) -> Iterator[Image]:
    """Open an image, its header read and found possible.

    Raises
    ------
    BrainError
        If the file is no image of volumes, or its header says what cannot be.
    """
    file = str(path)
    foreign.require_there(file)
    with ExitStack() as stack:
        try:
            image = _load(file, stack)
        except BrainError:
            raise
        except gzip.BadGzipFile as error:
            raise damaged(file, error) from error
        except OSError as error:
            if error.errno is None:
                raise _unreadable(file, error) from error
            raise BrainError(
                f"{file}: cannot be read ({error.strerror}): check its permissions and the disk"
            ) from error
        except Exception as error:  # nibabel, zlib, OSError, UnicodeDecodeError, MemoryError, ...
            raise _unreadable(file, error) from error
        yield image


def read_image(path: str | Path, what: str) -> tuple[NDArray[np.float64], Grid]:
    """Read an image that is not a scan, a mask or an atlas: array of three axes, and its grid."""
    with opened(path) as image:
        if image.n_volumes != 1:
            raise BrainError(
                f"{path}: the {what} has shape {image.shape}, expected three axes: name a 3-D image"
            )
        data = image.volumes(0, 1)[..., 0].astype(np.float64)
        image.finish()
        for note in image.notes:
            notices.warn(f"{path}: {note}")
        return data, image.grid


def _unreadable(file: str, error: Exception) -> BrainError:
    return BrainError(f"{file}: not a readable NIfTI image ({_words(error)}): export it again")


def _load(file: str, stack: ExitStack) -> Image:
    stream = stack.enter_context(formats.unpacked(file))
    block = formats.first_bytes(file, stream)
    kind, block = formats.class_of(file, block)
    file_map = kind.filespec_to_file_map(file)
    data_file = file_map["image"].filename
    if data_file != file:
        # Of a pair, the header was named.
        foreign.require_there(data_file)
        stream = stack.enter_context(formats.unpacked(data_file))
    file_map["image"].fileobj = stream
    raw = _raw_header(kind, block)
    if raw is not None:
        headers.require_possible(file, raw)
    from nibabel.imageglobals import LoggingOutputSuppressor

    # What nibabel finds odd it also writes to the log, beside raising it or repairing it.
    with LoggingOutputSuppressor():
        image = kind.from_file_map(file_map, mmap=False)
    return _described(file, data_file, image, raw, stream)


def _raw_header(kind: Any, block: bytes) -> Any:
    """The header as it stands in the file, without nibabel's repairs; None of other formats."""
    if not hasattr(kind.header_class, "default_structarr"):
        return None
    size = kind.header_class.template_dtype.itemsize
    raw = kind.header_class(block[:size], check=False)
    return raw if "dim" in raw and "bitpix" in raw else None


def _described(file: str, data_file: str, image: Any, raw: Any, stream: IO[bytes]) -> Image:
    shape = _volume_axes(file, tuple(int(n) for n in image.shape))
    dtype = np.dtype(image.get_data_dtype())
    _require_numbers(file, dtype)
    offset = int(getattr(image.dataobj, "offset", 0))
    headers.require_room(file, shape, dtype.itemsize, offset, formats.capacity(data_file, stream))
    notes: list[str] = []
    codes: tuple[int, ...] = ()
    unit = int(raw["xyzt_units"]) & 7 if raw is not None and "xyzt_units" in raw else 2
    affine, said = headers.affine_in_mm(file, image.affine, unit)
    notes += said
    if raw is not None and "sform_code" in raw:
        notes += headers.place_notes(image.header, shape)
        codes = int(raw["sform_code"]), int(raw["qform_code"])
    elif raw is not None and not Path(data_file).with_suffix(".mat").exists():
        notes.append(headers.NOWHERE.format("Analyze headers have no place for it"))
    scaling = getattr(image.dataobj, "slope", 1.0), getattr(image.dataobj, "inter", 0.0)
    plain = all(np.ndim(part) == 0 for part in scaling)
    return Image(
        file=file,
        shape=shape,
        grid=Grid((shape[0], shape[1], shape[2]), affine),
        tr_s=header_tr_s(image),
        dtype=dtype,
        scaling=(float(scaling[0]), float(scaling[1])) if plain else (np.nan, np.nan),
        space_codes=codes,
        notes=notes,
        _data=image.dataobj,
        _offset=offset,
        _stream=stream,
    )


def _volume_axes(file: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Three axes, or four with the volumes; others may have length 1."""
    if len(shape) >= 3 and shape[1:3] == (1, 1) and shape[0] > LONGEST_LINE:
        raise BrainError(foreign.surface(file))
    several = [n for n in shape[3:] if n != 1]
    if len(shape) < 3 or len(several) > 1 or 0 in shape:
        raise BrainError(
            f"{file}: has shape {shape}, expected 3 axes (one volume) or 4 (x, y, z, time): "
            "export it as a 4-D NIfTI file"
        )
    return (*shape[:3], *several)


def _require_numbers(file: str, dtype: np.dtype[Any]) -> None:
    if dtype.fields is not None:
        raise BrainError(f"{file}: holds colours, not BOLD: correct the scans table")
    if dtype.kind == "c":
        raise BrainError(
            f"{file}: holds complex numbers ({dtype}), not BOLD: export the magnitude image"
        )


def header_tr_s(image: Any) -> float | None:
    """Repetition time that a header states, in seconds.

    None where it states none: a 3-D image, a TR of 0, or the 1 without a unit that software
    writes when nobody set it. A TR of 100 or more without a unit is taken as milliseconds.
    """
    zooms = image.header.get_zooms()
    if len(zooms) < 4:
        return None
    unit = image.header.get_xyzt_units()[1] if hasattr(image.header, "get_xyzt_units") else ""
    value = float(zooms[3])
    several = [k for k, n in enumerate(image.shape) if k > 2 and n > 1]
    if several and several[0] > 3 and value in (0, 1):
        # An axis of length 1 stands before the time, and nobody gave it a step.
        value = float(zooms[several[0]])
        unit = unit if value != 1 else ""
    if value <= 0 or not np.isfinite(value) or unit in NO_TIME:
        return None
    if unit not in SECONDS and value == 1:
        return None
    return value * SECONDS.get(unit, 1e-3 if value >= 100 else 1.0)


def _words(error: BaseException) -> str:
    """An error of another library in one line."""
    text = " ".join(str(error).split())[:200]
    return text or type(error).__name__
