"""Time courses of parcels from tables: a row per volume, a column per parcel.

Plain tables (numbers in ASCII, one separator, rows of one length) are streamed, a few hundred
rows at a time, by pandas. All others go through :mod:`giblet.cells`, which reads or refuses
them like any other table.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.brain.names import is_number, refuse_unusable_name
from giblet.cells import DELIMITED, EXCEL, Purpose, Sheet, numbers, read_sheet
from giblet.delimited import separator_of
from giblet.errors import BrainError

TABLES = (*DELIMITED, *EXCEL)
ROWS = 256
PURPOSE = Purpose(
    BrainError,
    named_in="correct column bold of the scans table",
    holds="the labels of the parcels in its first row and one row per volume",
    complete=True,
)
MEND = "correct the table"
# A header longer than this is none: 500,000 parcels, each of twenty letters.
LONGEST_HEADER = 10_000_000


@dataclass(frozen=True)
class _Plain:
    """A table that pandas can read: its separator, labels and length.

    `skipped` is 1 where the first column, pandas' own row numbers, has no label.
    """

    separator: str
    skipped: int
    labels: tuple[str, ...]
    n_rows: int


def table_labels(path: Path) -> tuple[tuple[str, ...], int]:
    """Labels of a table's parcels, and its number of volumes.

    Raises
    ------
    BrainError
        If the table cannot be read, has no labels, or two parcels of one.
    """
    plain = _plain(path)
    if plain is None:
        sheet = _any_table(path)
        labels, n_rows = _labels(sheet), len(sheet.rows)
    else:
        labels, n_rows = plain.labels, plain.n_rows
    if all(is_number(label) for label in labels) and not _are_counted(labels):
        raise BrainError(
            f"{path}: the first row holds numbers ({', '.join(labels[:3])}, ...), expected the "
            "labels of the parcels: add a header"
        )
    for index, label in enumerate(labels, 1):
        refuse_unusable_name(f"{path}: the label of parcel {index}", label)
    return labels, n_rows


def table_rows(path: Path, first: int, count: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Rows ``first`` to ``first + count`` (exclusive) of a table, a few at a time.

    Yields
    ------
    offset : index of the block's first row, counted from `first`
    values : array of shape (n, n_parcels); NaN where there is no value
    """
    plain = _plain(path)
    if plain is not None:
        try:
            yield from _plain_rows(path, plain, first, count)
            return
        except ValueError:
            # Some cell is no plain number. What follows reads it or says which, and gives the
            # rows so far once more.
            pass
    yield from _any_rows(path, first, count)


def _plain(path: Path) -> _Plain | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _looked_at(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=4)
def _looked_at(path: Path, size: int, changed_ns: int) -> _Plain | None:
    """Whether a table is plain: every row as long as the header, and nothing to interpret."""
    with path.open("rb") as handle:
        first = handle.readline(LONGEST_HEADER)
        if not first.endswith(b"\n") or b"\0" in first or first.startswith((b"PK", b"\x1f\x8b")):
            return None
        try:
            header = first.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError:
            return None
        second = handle.readline(LONGEST_HEADER)
        separator = separator_of(header + "\n" + second.decode("latin-1"), path.name)
        labels = [cell.strip() for cell in next(csv.reader([header], delimiter=separator), [])]
        if labels and labels[0] == "Unnamed: 0":
            labels[0] = ""
        if not all(labels[1:]) or labels in ([], [""]) or header.count('"') % 2:
            return None
        n_rows, mark = 0, separator.encode()
        ended = False
        for line in itertools.chain([second], handle):
            row = line.rstrip(b"\r\n")
            if not row:
                ended = True
            elif ended or not _is_plain(row, mark, len(labels)):
                return None
            else:
                n_rows += 1
    skipped = int(not labels[0])
    return _Plain(separator, skipped, tuple(labels[skipped:]), n_rows) if n_rows else None


def _is_plain(row: bytes, separator: bytes, n_cells: int) -> bool:
    odd = (b'"', b"\r", b"\0", b"'", b"," if separator != b"," else b";")
    return (
        row.count(separator) == n_cells - 1
        and row.isascii()
        and not any(mark in row for mark in odd)
        and bool(row.strip(separator + b" \t"))
    )


def _plain_rows(
    path: Path, plain: _Plain, first: int, count: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Rows of a plain table; a ValueError if a cell is no finite number."""
    import pandas as pd

    with path.open("rb") as handle:
        lines = itertools.islice(handle, 1 + first, 1 + first + count)
        offset = 0
        while block := b"".join(itertools.islice(lines, ROWS)):
            table = pd.read_csv(
                io.BytesIO(block),
                sep=plain.separator,
                header=None,
                index_col=False,
                dtype=np.float64,
                usecols=range(plain.skipped, plain.skipped + len(plain.labels)),
                low_memory=False,
            )
            values = table.to_numpy()
            if np.isinf(values).any():
                raise ValueError("an infinite value")
            yield offset, values
            offset += len(values)


def _any_rows(path: Path, first: int, count: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    sheet = _any_table(path)
    columns = range(len(sheet.header) - len(_labels(sheet)), len(sheet.header))
    values = np.stack([numbers(sheet, column, PURPOSE, MEND) for column in columns], axis=1)
    yield 0, values[first : first + count]


def _any_table(path: Path) -> Sheet:
    sheet = read_sheet(path, PURPOSE)
    if sheet.blank:
        raise BrainError(
            f"{path} row {sheet.blank[0]}: is empty ({len(sheet.blank)} such rows): a table of "
            "parcels needs one row per volume; delete the empty rows, or write n/a"
        )
    return sheet


def _labels(sheet: Sheet) -> tuple[str, ...]:
    first = next((k for k, name in enumerate(sheet.header) if name), 0)
    return tuple(sheet.header[first:])


def _are_counted(labels: tuple[str, ...]) -> bool:
    """Whether labels count the parcels from 0 or 1, as pandas numbers columns."""
    return len(labels) > 1 and any(
        list(labels) == [str(k) for k in range(start, start + len(labels))] for start in (0, 1)
    )
