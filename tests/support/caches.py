"""Caches as tests change them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from giblet import seals


@contextmanager
def edited(path: str | Path) -> Iterator[h5py.File]:
    """Change a cache as if a job had written it like that: its digest is made anew."""
    with h5py.File(path, "r+") as file:
        yield file
    seals.seal(path)
