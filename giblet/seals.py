"""Digests that caches carry, so that what was written over them by hand is noticed.

An HDF5 file may begin with a block of bytes that HDF5 leaves alone (its user block). Caches
keep there a digest of all bytes behind it, and one of each dataset, to name those that
changed. The digests are checksums: they find accidents and colleagues, not forgers.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import h5py

BLOCK_BYTES = 8192  # HDF5 wants a power of 2, at least 512.
MAGIC = "giblet cache"
PIECE_BYTES = 1 << 20

# Files that were found whole by this process: (path, device, inode, size, time of change).
_found_whole: set[tuple[str, int, int, int, int]] = set()


def seal(path: str | Path) -> None:
    """Put the digests of a closed cache into its user block."""
    import h5py

    with h5py.File(path, "r") as file:
        parts = "".join(f"{number:08x}" for number in _parts(file).values())
    with Path(path).open("rb+") as handle:
        text = f"{MAGIC} {_digest(handle):08x} {parts}"
        if len(text) > BLOCK_BYTES:
            # Too many datasets to keep the digest of each; that of the whole says as much.
            text = text[: text.rindex(" ")]
        handle.seek(0)
        handle.write(text.encode("ascii").ljust(BLOCK_BYTES, b"\0"))


def is_whole(path: str | Path) -> bool:
    """Whether the bytes of a cache are those that were sealed.

    They are compared once per process and file; a file that changed since is compared again.
    """
    with Path(path).open("rb") as handle:
        there = os.fstat(handle.fileno())
        key = (str(path), there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns)
        if key in _found_whole:
            return True
        digest, _ = _sealed(handle)
        if f"{_digest(handle):08x}" != digest:
            return False
    _found_whole.add(key)
    return True


def problem(file: h5py.File) -> str:
    """What differs, in an open cache that is not whole, from what was sealed: a phrase."""
    with Path(file.filename).open("rb") as handle:
        digest, parts = _sealed(handle)
    if not digest:
        return "it carries no digest of its content, as all files that giblet writes do"
    found = _parts(file)
    before = [int(parts[at : at + 8], 16) for at in range(0, len(parts), 8)]
    if len(before) != len(found):
        return "its content is not what was written" + (
            f": it had {len(before)} datasets, now {len(found)}" if before else ""
        )
    names = [n for (n, now), was in zip(found.items(), before, strict=True) if now != was]
    if not names:
        return "its attributes or its structure are not what was written"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"the content of {', '.join(names[:3])}{more} is not what was written"


def content_of(path: str | Path) -> str:
    """Digest that a cache carries, "" if it carries none."""
    with Path(path).open("rb") as handle:
        return _sealed(handle)[0]


def _sealed(handle) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    """Digest of the whole and those of all datasets, one after the other; "" for none."""
    words = handle.read(BLOCK_BYTES).rstrip(b"\0").decode("ascii", "replace").split(" ")
    if " ".join(words[:2]) != MAGIC:
        return "", ""
    digest, parts = (*words[2:4], "", "")[:2]
    return digest, parts if re.fullmatch("([0-9a-f]{8})*", parts) else ""


def _digest(handle) -> int:  # type: ignore[no-untyped-def]
    """Checksum of all bytes behind the user block."""
    handle.seek(BLOCK_BYTES)
    piece = bytearray(PIECE_BYTES)
    view, number = memoryview(piece), 0
    while n := handle.readinto(piece):
        number = zlib.crc32(view[:n], number)
    return number


def _parts(file: h5py.File) -> dict[str, int]:
    """Checksum of the stored bytes of each dataset, by name."""
    import h5py

    found: dict[str, int] = {}

    def visit(name: str, part: object) -> None:
        if isinstance(part, h5py.Dataset):
            number = zlib.crc32(f"{name} {part.dtype} {part.shape}".encode())
            for piece in _stored(part):
                number = zlib.crc32(piece, number)
            found[f"/{name}"] = number

    file.visititems(visit)
    return found


def _stored(part: h5py.Dataset) -> Iterator[bytes]:
    """Bytes of a dataset, as they are stored where that is possible without unpacking."""
    if part.chunks is not None and part.dtype.kind != "O":
        places: list[tuple[int, ...]] = []
        part.id.chunk_iter(lambda chunk: places.append(chunk.chunk_offset))
        for place in sorted(places):
            yield repr(place).encode()
            yield part.id.read_direct_chunk(place)[1]
    elif part.shape is not None:
        values = part[()]
        if part.dtype.kind == "O":
            yield repr(np.asarray(values).tolist()).encode()
        else:
            yield np.ascontiguousarray(values).tobytes()
