"""Workbooks (xlsx, xlsm): which sheet is read, and its rows as Excel shows them.

The parts are read one after the other and cell by cell: what a file says of its own size (the
sheet's ``dimension``) is not believed, empty cells take no memory, and what only concerns looks
(styles, drawings, validations) cannot stand in the way. openpyxl converts dates.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError

from giblet import notices
from giblet.sheets import IsHeader, Numbered, Purpose, as_text, column_letters, is_blank
from giblet.workbook_cells import Cells
from giblet.workbook_parts import Listed, Parts
from giblet.workbook_xml import MOST_COLUMNS, RawArea, RawCell, rows

# Excel's own bound, and more rows and cells than any table of a study has.
LAST_ROW = 1_048_576
MOST_ROWS, MOST_CELLS = 200_000, 1_000_000
# Rows at the top of a sheet that show what it holds.
LOOKED_AT = 30
REFERENCE = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d{1,7})")
# What the standard library raises for archives and XML that are not what they should be.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, ElementTree.ParseError, ExpatError, struct.error, EOFError),
    *(OSError, KeyError, IndexError, ValueError, OverflowError, NotImplementedError, RuntimeError),
    *(AttributeError, TypeError, MemoryError),
)


@dataclass(frozen=True)
class BookRows:
    """Rows of a sheet that hold something, and those in which a cell spans several columns."""

    rows: Numbered
    grouped: frozenset[int]


def read_book(
    path: Path,
    purpose: Purpose,
    data: bytes,
    *,
    sheet: str | None = None,
    is_header: IsHeader | None = None,
) -> BookRows:
    """Rows of the sheet named, or of the first visible one that holds a table.

    Merged cells count for all the rows they span. Hidden rows are read, with a warning.

    Raises
    ------
    GibletError
        That of `purpose`, if the workbook is damaged, too large, or has no such sheet.
    """
    try:
        with ExitStack() as stack:
            book = _Book(path, purpose, stack.enter_context(zipfile.ZipFile(BytesIO(data))))
            return book.chosen(sheet, is_header)
    except DAMAGE as error:
        raise purpose.error(
            f"{path}: not a readable Excel file ({error or type(error).__name__}): open it and "
            "save it again as xlsx"
        ) from error


class _Book:
    """Sheets of an open workbook, and what their cells hold."""

    def __init__(self, path: Path, purpose: Purpose, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.purpose = purpose
        self.parts = Parts(path, purpose, archive)
        self.sheets = self.parts.sheets
        self.cells = Cells(str(path), purpose, self.parts.strings, self.parts.formats)

    def chosen(self, name: str | None, is_header: IsHeader | None) -> BookRows:
        """Rows of the sheet named, or of the one that holds a table."""
        if name is not None:
            return self._rows(self._named(name))
        candidates = [sheet for sheet in self.sheets if sheet.part and not sheet.hidden]
        if not candidates:
            what = "hidden" if any(sheet.part for sheet in self.sheets) else "a chart"
            raise self.purpose.error(
                f"{self.path}: has no sheet of cells to read, every sheet is {what}: "
                f"show or add the sheet with {self.purpose.holds}"
            )
        ranks = [self._rank(sheet, is_header) for sheet in candidates]
        best = max(ranks)
        tables = [sheet for sheet, rank in zip(candidates, ranks, strict=True) if rank == best]
        if len(tables) > 1 and best:
            others = ", ".join(repr(sheet.name) for sheet in tables[1:])
            mend = (
                f"name the one to read in {self.purpose.sheet_key}"
                if self.purpose.sheet_key
                else "delete the others, or move the one to read to the front"
            )
            notices.warn(
                f"{self.path}: has {len(tables)} sheets with tables; {tables[0].name!r} is read, "
                f"{others} not: {mend}"
            )
        return self._rows(tables[0])

    def _named(self, name: str) -> Listed:
        for sheet in self.sheets:
            if sheet.name == name and sheet.part:
                return sheet
        names = ", ".join(repr(sheet.name) for sheet in self.sheets if sheet.part)
        raise self.purpose.error(
            f"{self.path}: has no sheet {name!r}; it has {names}: correct {self.purpose.sheet_key}"
        )

    def _rank(self, sheet: Listed, is_header: IsHeader | None) -> int:
        """2 for a sheet with the header looked for, 1 for one with rows of several cells."""
        wide = 0
        for count, (_, cells, _) in enumerate(self._sparse(sheet), 1):
            texts = [as_text(value) for value in cells.values() if isinstance(value, str)]
            if is_header is not None and is_header(texts):
                return 2
            wide += len(cells) > 1
            if count == LOOKED_AT or (wide > 1 and is_header is None):
                break
        return int(wide > 1)

    def _rows(self, sheet: Listed) -> BookRows:
        merged: list[tuple[int, int, int, int]] = []
        hidden: list[int] = []
        self.cells.doubtful.clear()
        self.cells.calculated = False
        found: dict[int, dict[int, Any]] = {}
        n_cells = 0
        for number, cells, is_hidden in self._sparse(sheet, merged):
            found.setdefault(number, {}).update(cells)
            n_cells += max(cells)
            self._refuse_many(sheet, 0, n_cells)
            if is_hidden:
                hidden.append(number)
        if self.cells.calculated:
            for row, column in map(_reference, self.cells.doubtful):
                found[row][column] = 0
        _spread(found, merged)
        if hidden:
            some = ", ".join(map(str, hidden[:10])) + (", ..." if len(hidden) > 10 else "")
            notices.warn(
                f"{self.path}: sheet {sheet.name!r} hides {len(hidden)} row(s) ({some}), by hand "
                "or by a filter; they are read like the others: delete them if they do not belong"
            )
        dense = [
            (number, [cells.get(k) for k in range(1, max(cells) + 1)])
            for number, cells in sorted(found.items())
        ]
        return BookRows(dense, frozenset(top for top, left, _, right in merged if right > left))

    def _sparse(
        self, sheet: Listed, merged: list[tuple[int, int, int, int]] | None = None
    ) -> Iterator[tuple[int, dict[int, Any], bool]]:
        """Rows with content: number, cells by the number of their column, whether hidden."""
        number = n_rows = n_cells = 0
        with self.parts.open(sheet.part) as source:
            for found in rows(source):
                if isinstance(found, RawArea):
                    if merged is not None:
                        merged.append(_area(found.reference))
                    continue
                number = int(found.number or number + 1)
                if not 1 <= number <= LAST_ROW:
                    raise ValueError(f"row {number} is beyond the {LAST_ROW:,} of a sheet")
                n_rows, n_cells = n_rows + 1, n_cells + len(found.cells)
                self._refuse_many(sheet, n_rows, n_cells)
                cells = self._row(found.cells, number)
                if cells:
                    yield number, cells, found.is_hidden

    def _row(self, raw: Iterable[RawCell], number: int) -> dict[int, Any]:
        cells: dict[int, Any] = {}
        column = 0
        for cell in raw:
            name = cell.name
            column = column_number(name.rstrip("0123456789")) if name else column + 1
            if cell.text is None and cell.inline is None and not cell.is_formula:
                continue
            value = self.cells.value(cell, name or f"{column_letters(column)}{number}")
            if not is_blank(value):
                cells[column] = value
        return cells

    def _refuse_many(self, sheet: Listed, n_rows: int, n_cells: int) -> None:
        for found, most, what in ((n_rows, MOST_ROWS, "rows"), (n_cells, MOST_CELLS, "cells")):
            if found > most:
                raise self.purpose.error(
                    f"{self.path}: sheet {sheet.name!r} has more than {most:,} {what}, empty ones "
                    "with a format included, more than a table of a study has: delete those that "
                    "do not belong to it, or save it as CSV"
                )


@lru_cache(maxsize=1024)
def column_number(letters: str) -> int:
    """Number of a column, counted from 1, of its letters.

    >>> column_number("A"), column_number("XFD")
    (1, 16384)
    """
    number = 0
    for letter in letters.upper():
        if not "A" <= letter <= "Z" or len(letters) > 3:
            raise ValueError(f"{letters!r} is no column")
        number = 26 * number + ord(letter) - 64
    if not 1 <= number <= MOST_COLUMNS:
        raise ValueError(f"column {letters} is beyond the {MOST_COLUMNS:,} of a sheet")
    return number


def _reference(text: str) -> tuple[int, int]:
    """Row and column of a cell's name."""
    match = REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no cell")
    return int(match[2]), column_number(match[1])


def _area(text: str) -> tuple[int, int, int, int]:
    """First row and column, last row and column of a merged area."""
    first, _, last = text.partition(":")
    return (*_reference(first), *_reference(last or first))


def _spread(found: dict[int, dict[int, Any]], merged: Sequence[tuple[int, int, int, int]]) -> None:
    """Write the value of each merged area into the other rows it spans, in place.

    Only into rows that have something of their own: where all cells of a row are merged with
    those above, the rows are one.
    """
    own = sorted(found)
    written = 0
    for top, left, bottom, _ in merged:
        value = found.get(top, {}).get(left)
        if value is None:
            continue
        below = own[bisect_right(own, top) : bisect_right(own, bottom)]
        written += len(below)
        if written > MOST_CELLS:
            raise ValueError(f"merged areas span more than {MOST_CELLS:,} cells")
        for number in below:
            found[number].setdefault(left, value)
