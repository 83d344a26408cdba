"""Parcel time courses as an alternative to voxels: a table, or a dataset in an HDF5 file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from giblet.brain.names import refuse_repeated, refuse_unusable_name
from giblet.brain.parcels_table import TABLES, table_labels, table_rows
from giblet.errors import BrainError

Blocks: TypeAlias = Iterator[tuple[int, NDArray[np.float64]]]
HDF5 = (".h5", ".hdf5")


@dataclass(frozen=True)
class Parcels:
    """A file of parcel time courses whose labels and length were read.

    Attributes
    ----------
    name : path of the file
    labels : names of the parcels, one per column
    n_volumes : number of rows
    dataset : name of the dataset in an HDF5 file, "" for a table
    """

    name: str
    labels: tuple[str, ...]
    n_volumes: int
    dataset: str

    def blocks(self, first: int, count: int) -> Blocks:
        """Rows ``first`` to ``first + count`` (exclusive), a few at a time.

        Yields
        ------
        offset : index of the block's first row, counted from `first`
        values : array of shape (n, n_parcels)
        """
        read = _hdf5_rows if self.dataset else _table_rows
        yield from read(self, first, count)


def open_parcels(path: str | Path, dataset: str = "") -> Parcels:
    """Read the labels and the length of a parcel file.

    Parameters
    ----------
    path : a table with a header of labels (see :mod:`giblet.brain.parcels_table`), or
        ``.h5``/``.hdf5``
    dataset : dataset of shape (volumes, parcels) in an HDF5 file; "" takes the only one with
        two axes. Labels come from its attribute ``labels`` or from a dataset of that name;
        without either the parcels are numbered from 1.

    Raises
    ------
    BrainError
        If the file is missing, of another kind, or without labels.
    """
    path = Path(path)
    if not path.exists():
        raise BrainError(f"{path}: no such file: correct column bold of the scans table")
    if path.suffix.lower() in HDF5:
        return _open_hdf5(path, dataset.strip("/"))
    if path.suffix.lower() in TABLES:
        return _open_table(path)
    raise BrainError(
        f"{path}: parcels come as {', '.join([*TABLES, *HDF5])}: convert it, or set "
        "brain/kind: voxels for a NIfTI image"
    )


def _open_table(path: Path) -> Parcels:
    labels, n_rows = table_labels(path)
    refuse_repeated(str(path), labels)
    return Parcels(str(path), labels, n_rows, "")


def _open_hdf5(path: Path, wanted: str) -> Parcels:
    from giblet.brain.parcels_hdf5 import read_labels

    dataset, n_rows, labels = read_labels(path, wanted)
    for index, label in enumerate(labels, 1):
        refuse_unusable_name(f"{path}: the label of parcel {index}", label)
    refuse_repeated(str(path), labels)
    return Parcels(str(path), labels, n_rows, dataset)


def _table_rows(parcels: Parcels, first: int, count: int) -> Blocks:
    yield from table_rows(Path(parcels.name), first, count)


def _hdf5_rows(parcels: Parcels, first: int, count: int) -> Blocks:
    from giblet.brain.parcels_hdf5 import read_rows

    yield from read_rows(parcels.name, parcels.dataset, first, count)


def require_same_labels(name: str, labels: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Refuse a file whose parcels are not the study's, in the study's order.

    Raises
    ------
    BrainError
        Naming the first parcel that differs, in both.
    """
    if len(labels) != len(expected):
        raise BrainError(
            f"{name}: has {len(labels)} parcels, the study {len(expected)}: use one parcellation "
            "for all scans"
        )
    for number, (ours, theirs) in enumerate(zip(labels, expected, strict=True), start=1):
        if ours != theirs:
            raise BrainError(
                f"{name}: parcel {number} is {ours!r}, the study has {theirs!r} there: use one "
                "parcellation, in one order, for all scans"
            )
