"""Files that are copies of each other, or one, whatever they are called."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from giblet.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

# Files up to this size are read whole; of larger ones so many pieces, evenly spaced.
WHOLE_BYTES = 64 * 2**20
PIECES, PIECE_BYTES = 64, 256 * 2**10


def content_of(path: str | Path) -> str:
    """Digest of a file's size and content.

    Of a file larger than 64 MB it is of pieces at 64 places, 16 MB in all: enough to know copies
    of a film, which differ everywhere if they differ at all.
    """
    path = Path(path)
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
        else:
            for number in range(PIECES):
                file.seek(number * (size - PIECE_BYTES) // (PIECES - 1))
                digest.update(file.read(PIECE_BYTES))
    return digest.hexdigest()[:32]


def alike(paths: Iterable[str]) -> dict[str, str]:
    """A name for the content of each file, the same for copies.

    Only files of one size are looked into. One that is not there (yet), or cannot be read, is
    known by its path.
    """
    names = {path: os.path.realpath(path) for path in dict.fromkeys(paths) if path}
    sizes: dict[int, set[str]] = defaultdict(set)
    for real in names.values():
        if os.path.isfile(real):
            sizes[os.path.getsize(real)].add(real)
    content: dict[str, str] = {}
    for size, group in sizes.items():
        if size and len(group) > 1:
            for real in sorted(group):
                try:
                    content[real] = content_of(real)
                except OSError:
                    continue
    return {path: content.get(real, real) for path, real in names.items()}


def refuse_shared_scans(path: str | Path, scans: pd.DataFrame) -> None:
    """Refuse a scans table in which two rows name the same volumes of one file.

    Raises
    ------
    TableError
        Naming both rows, the file and the volumes.
    """
    seen: dict[tuple[int, int] | str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for row, record in enumerate(scans.to_dict("records"), start=1):
        cells = {str(name): value for name, value in record.items()}
        same = seen[_identity(cells["bold"])]
        for before, other in same:
            if os.path.realpath(other["bold"]) != os.path.realpath(cells["bold"]):
                continue
            first, second = _volumes(other), _volumes(cells)
            if range(max(first.start, second.start), min(first.stop, second.stop)):
                one, two = (
                    f"{who['subject']} {who['run']} ({_in_words(volumes)})"
                    for who, volumes in ((other, first), (cells, second))
                )
                raise TableError(
                    f"{path} rows {before} and {row}: {cells['bold']} is the scan of {one} and of "
                    f"{two}: name each one's own file in column 'bold', or volumes that do not "
                    "overlap in first_volume and n_volumes"
                )
        same.append((row, cells))


def _identity(path: str) -> tuple[int, int] | str:
    """The same for two names of one file; asked for often, so without following links by hand."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def _volumes(cells: dict[str, Any]) -> range:
    first, count = int(cells["first_volume"]), int(cells["n_volumes"])
    return range(first, first + count if count else sys.maxsize)


def _in_words(volumes: range) -> str:
    stop = "the last" if volumes.stop == sys.maxsize else str(volumes.stop - 1)
    return f"volumes {volumes.start} to {stop}"
