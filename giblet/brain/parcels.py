"""Parcel time courses as an alternative to voxels: a table, or a dataset in an HDF5 file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from giblet.errors import BrainError

if TYPE_CHECKING:
    import pandas as pd

Blocks: TypeAlias = Iterator[tuple[int, NDArray[np.float64]]]
ROWS = 256
SEPARATORS = {".tsv": "\t", ".txt": "\t", ".csv": ","}
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
    path : ``.tsv``, ``.txt`` or ``.csv`` with a header of labels, or ``.h5``/``.hdf5``
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
    if path.suffix in HDF5:
        return _open_hdf5(path, dataset.strip("/"))
    if path.suffix in SEPARATORS:
        return _open_table(path)
    raise BrainError(
        f"{path}: parcels come as {', '.join([*SEPARATORS, *HDF5])}: convert it, or set "
        "brain/kind: voxels for a NIfTI image"
    )


def _open_table(path: Path) -> Parcels:
    separator = SEPARATORS[path.suffix]
    with path.open(encoding="utf-8-sig", newline="") as handle:
        header = next(csv.reader([handle.readline()], delimiter=separator))
        labels = tuple(cell.strip() for cell in header)
        n_rows = sum(1 for line in handle if line.strip())
    if all(_is_number(label) for label in labels):
        raise BrainError(
            f"{path}: the first row holds numbers ({', '.join(labels[:3])}, ...), expected the "
            "labels of the parcels: add a header"
        )
    _refuse_repeated(path, labels)
    return Parcels(str(path), labels, n_rows, "")


def _open_hdf5(path: Path, wanted: str) -> Parcels:
    from giblet.brain.parcels_hdf5 import read_labels

    dataset, n_rows, labels = read_labels(path, wanted)
    _refuse_repeated(path, labels)
    return Parcels(str(path), labels, n_rows, dataset)


def _table_rows(parcels: Parcels, first: int, count: int) -> Blocks:
    import pandas as pd

    chunks = pd.read_csv(
        parcels.name,
        sep=SEPARATORS[Path(parcels.name).suffix],
        header=0,
        names=list(parcels.labels),
        index_col=False,
        na_values=["n/a"],
        encoding="utf-8-sig",
        chunksize=ROWS,
    )
    start = 0
    with chunks:
        for table in chunks:
            low, high = max(first, start), min(first + count, start + len(table))
            if low < high:
                yield low - first, _numbers(parcels, table.iloc[low - start : high - start], low)
            start += len(table)


def _numbers(parcels: Parcels, table: pd.DataFrame, first: int) -> NDArray[np.float64]:
    import pandas as pd

    for label in table.columns:
        if not pd.api.types.is_numeric_dtype(table[label]):
            known = pd.to_numeric(table[label], errors="coerce").notna() | table[label].isna()
            if not known.all():
                wrong = int((~known).to_numpy().argmax())
                raise BrainError(
                    f"{parcels.name}: parcel {label!r} holds {table[label].iloc[wrong]!r} in row "
                    f"{first + wrong + 1}, expected a number or n/a"
                )
    return table.apply(pd.to_numeric).to_numpy(dtype=np.float64)


def _hdf5_rows(parcels: Parcels, first: int, count: int) -> Blocks:
    from giblet.brain.parcels_hdf5 import read_rows

    yield from read_rows(parcels.name, parcels.dataset, first, count)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_repeated(path: Path, labels: tuple[str, ...]) -> None:
    for label in labels:
        if labels.count(label) > 1:
            raise BrainError(f"{path}: label {label!r} stands for two parcels: make labels unique")


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
