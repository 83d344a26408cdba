"""Mutations of HDF5 files: attributes, datasets, links and storage, in a file that is whole."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np

from tests.support.fuzz.plain import Random
from tests.support.fuzz.words import NUMBERS, TOKENS

HUGE = 2**40
MOST = 10**6


def change_contents(rng: Random, data: bytes) -> bytes:
    """Change one or two things in a file; unchanged where that is not possible."""
    buffer = io.BytesIO(data)
    try:
        with h5py.File(buffer, "r+") as file:
            for _ in range(rng.choice([1, 1, 2])):
                rng.choice(CHANGES)(rng, file)
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, MemoryError):
        return data[: rng.randrange(len(data) + 1)]
    return buffer.getvalue()


def _names(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visit(found.append)
    return found


def _dataset(rng: Random, file: h5py.File) -> h5py.Dataset | None:
    found = [file[name] for name in _names(file)]
    found = [part for part in found if isinstance(part, h5py.Dataset)]
    return rng.choice(found) if found else None


def _value(rng: Random) -> Any:
    words = [*NUMBERS, *TOKENS]
    return rng.choice(
        [
            rng.choice([0, -1, 2**31, 2**63 - 1, 1, 7]),
            rng.choice([float("nan"), float("inf"), -0.5, 1e308]),
            rng.choice(words).replace("\0", "0").replace("\ud7ff", "?"),
            np.bytes_(b"\xff\xfe\x80"),
            h5py.Empty("f4"),
            np.zeros(0),
            np.zeros((2, 2), complex),
            np.array([1, 0]),
            np.array([3, 2, 1]),
            np.array([b"a", b"\xff", b"a"]),
            np.array(["x", "y"], dtype=h5py.string_dtype()),
            "[1, 2",
            '{"a": NaN}',
            "[" * 5000,
            '["run-1", "run-1"]',
            "{}",
            "null",
            True,
        ]
    )


def set_attribute(rng: Random, file: h5py.File) -> None:
    """Write another value into an attribute of the file or of a part, or take it out."""
    parts = [part for part in [file, *(file[name] for name in _names(file))] if len(part.attrs)]
    if not parts:
        return
    part = rng.choice(parts)
    name = rng.choice(sorted(part.attrs))
    del part.attrs[name]
    if rng.random() < 0.8:
        part.attrs[name] = _value(rng)


def add_attribute(rng: Random, file: h5py.File) -> None:
    """Add an attribute that readers look for."""
    part = _dataset(rng, file) if rng.random() < 0.5 else file
    if part is not None:
        part.attrs[rng.choice(["labels", "names", "stage", "tr_s", "content"])] = _value(rng)


def set_type(rng: Random, file: h5py.File) -> None:
    """Store a dataset as another type."""
    part = _dataset(rng, file)
    if part is None:
        return
    name, shape = part.name, part.shape
    del file[name]
    kind = rng.choice(
        ["c8", "i1", "u8", "f2", "f8", ">f4", "?", "S3", "V4", "O", [("r", "u1"), ("g", "u1")]]
    )
    dtype = h5py.string_dtype() if kind == "O" else np.dtype(kind)
    file.create_dataset(name, shape, dtype)


def set_shape(rng: Random, file: h5py.File) -> None:
    """Give a dataset another shape: longer, shorter, empty, without axes, or huge and unwritten."""
    part = _dataset(rng, file)
    if part is None:
        return
    name, shape, dtype = part.name, part.shape, part.dtype
    del file[name]
    kind = rng.randrange(6)
    if kind == 0:
        file.create_dataset(name, data=h5py.Empty(dtype))
    elif kind == 1:
        file.create_dataset(name, (), dtype)
    elif kind == 2:
        file.create_dataset(name, (*shape, 1), dtype)
    elif kind == 3:
        file.create_dataset(name, (HUGE, *shape[1:]), dtype, chunks=True)
    elif kind == 4 and shape:
        file.create_dataset(name, (*shape[:-1], rng.choice([0, 1, shape[-1] + 1, 60_000])), dtype)
    else:
        file.create_dataset(name, (rng.choice([0, 1, 10**6]), *shape[1:]), dtype, chunks=True)


def set_values(rng: Random, file: h5py.File) -> None:
    """Write NaN, infinities, negative or repeated values over some of a dataset, or shuffle it."""
    part = _dataset(rng, file)
    if part is None or not part.shape or part.dtype.kind not in "iufb":
        return
    if part.size > MOST:
        return
    values = part[...]
    flat = values.reshape(-1)
    if not flat.size:
        return
    start = rng.randrange(flat.size)
    if rng.random() < 0.3:
        np.random.default_rng(rng.randrange(2**32)).shuffle(flat[start:])
    elif part.dtype.kind == "f":
        flat[start : start + rng.randint(1, 50)] = rng.choice([np.nan, np.inf, -1.0, 0.0])
    else:
        flat[start : start + rng.randint(1, 50)] = rng.choice([0, 1, 100])
    part[...] = values


def _outside() -> str:
    """A file outside, of the fuzzer's own: what later changes write to the dataset goes there."""
    path = Path(tempfile.gettempdir(), "giblet-fuzz-outside.raw")
    path.write_bytes(b"not for everybody" * 100)
    return str(path)


def link(rng: Random, file: h5py.File) -> None:
    """Put a link in the place of a part: out of the file, to nothing, or in a circle."""
    names = _names(file)
    if not names:
        return
    name = rng.choice(names)
    del file[name]
    kind = rng.randrange(5)
    if kind == 0:
        file[name] = h5py.ExternalLink(_outside(), "/x")
    elif kind == 1:
        file[name] = h5py.SoftLink("/gone")
    elif kind == 2:
        file[name] = h5py.SoftLink("/" + name)
    elif kind == 3:
        file[name] = file["/"]
    else:
        file.create_group(name)


def store_outside(rng: Random, file: h5py.File) -> None:
    """Keep the values of a dataset in another file."""
    part = _dataset(rng, file)
    if part is None or not part.shape or part.dtype.kind not in "iuf":
        return
    name, shape, dtype = part.name, part.shape, part.dtype
    del file[name]
    if rng.random() < 0.5:
        outside = [(_outside(), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset(name, shape, dtype, external=outside)
    else:
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource(_outside(), "x", shape=shape)
        file.create_virtual_dataset(name, layout)


def rename(rng: Random, file: h5py.File) -> None:
    """Give a part another name."""
    names = _names(file)
    if names:
        file.move(rng.choice(names), rng.choice(["x", "labels", "bold2", "a/b/c", "é", " "]))


CHANGES = (
    *(set_attribute, set_attribute, set_attribute, add_attribute, set_type, set_shape, set_shape),
    *(set_values, set_values, link, store_outside, rename),
)
