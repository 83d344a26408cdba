"""What a table is: a header and numbered rows of cells, and what it is read for."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from giblet.errors import GibletError

EXCEL = (".xlsx", ".xlsm")
DELIMITED = (".tsv", ".csv", ".txt")
# Rows as they lie in a file, each with the number that an editor or Excel gives it.
Numbered: TypeAlias = list[tuple[int, list[Any]]]
# Whether the cells of a row can be the header of the table that is looked for.
IsHeader: TypeAlias = Callable[[list[str]], bool]
# How programs write that there is no value, in lower case; "n/a" is how BIDS does.
MISSING = frozenset(
    [
        *("", "n/a", "na", "nan", "-nan", "<na>", "#n/a", "#na", ".", "null", "none"),
        *("1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind"),
    ]
)


@dataclass(frozen=True)
class Purpose:
    """What a table is read for, as far as messages and its form depend on it.

    Attributes
    ----------
    error : raised for whatever is wrong with the file
    named_in : where its name stands and what to do about a file that is not there
    holds : what a usable table has below its header
    sheet_key, encoding_key : settings that name the sheet and the encoding; "" where there
        are none
    comments : whether lines that start with ``#`` are left out
    complete : whether a row with fewer cells than the header is refused, as a table of
        numbers that was cut short; otherwise its last cells are empty
    """

    error: type[GibletError]
    named_in: str
    holds: str
    sheet_key: str = ""
    encoding_key: str = ""
    comments: bool = False
    complete: bool = False


@dataclass(frozen=True)
class Sheet:
    """Cells of a table: the header, and the rows with their numbers in the file.

    Attributes
    ----------
    header : names of the columns, "" for those without one
    rows : number of the row, as an editor or Excel counts it, and one cell per column. In a
        text file every cell is a str (None beyond the end of a short row). In a workbook a
        cell is

        * None, where it is empty,
        * str, for a text, and for a number that is shown with leading zeros or letters
          (:class:`Shown`, a float, where the letters follow from the format),
        * int or float (15 digits, as Excel shows them), bool,
        * datetime.time, for a time below 24 h; datetime.timedelta, for times of 24 h and
          more, negative ones, and those formatted as ``[h]:mm:ss``; datetime.datetime, for a
          date,
        * :class:`Unreadable`, for an error such as ``#REF!`` or a formula without a value:
          refused with the cell's name as soon as its text is asked for
    path : the file
    blank : numbers of the rows between others that hold nothing
    from_book : whether columns have letters, as Excel names them
    underscores : whether there are any below the first line of a text, so that no cell without
        can be mistaken for a number
    known : what was found out of the whole table, kept for its other columns
    """

    header: list[str]
    rows: Numbered
    path: Path = Path()
    blank: list[int] = field(default_factory=list)
    from_book: bool = False
    underscores: bool = True
    known: dict[str, bool] = field(default_factory=dict, compare=False)

    def column_name(self, index: int) -> str:
        """Name of a column for messages: ``column B`` or ``column 2``."""
        return f"column {column_letters(index + 1) if self.from_book else index + 1}"

    def position(self, name: str, purpose: Purpose) -> int | None:
        """Index of the column of that name; None if there is none.

        Raises
        ------
        GibletError
            That of `purpose`, if two columns have the name.
        """
        found = [k for k, column in enumerate(self.header) if column == name]
        if len(found) > 1:
            first, second = (self.column_name(k) for k in found[:2])
            raise purpose.error(
                f"{self.path}: {first} and {second} are both named {name!r}: rename or delete one"
            )
        return found[0] if found else None


class Shown(float):
    """A number of a workbook that its format shows with letters or leading zeros."""

    shown: str

    def __new__(cls, value: float, shown: str) -> Shown:
        made = super().__new__(cls, value)
        made.shown = shown
        return made


class Unreadable:
    """A cell that has no value; raises its error when its text is asked for."""

    def __init__(self, shown: str, error: GibletError) -> None:
        self.shown = shown
        self.error = error

    def __str__(self) -> str:
        raise self.error

    def __repr__(self) -> str:
        return self.shown


def is_empty(cell: Any) -> bool:
    """Whether a cell of numbers or times holds none: it is empty, or one of `MISSING`.

    >>> is_empty(None), is_empty("n/a"), is_empty("NA"), is_empty("0")
    (True, True, True, False)
    """
    return cell is None or str(cell).strip().lower() in MISSING


def is_wordless(cell: Any) -> bool:
    """Whether a cell of texts or names holds none: it is empty or BIDS' ``n/a``.

    Anything else is a text: "Nan" and "None" are words that people say.
    """
    return cell is None or str(cell).strip().lower() in ("", "n/a")


def is_blank(cell: Any) -> bool:
    """Whether a cell has no content at all; ``n/a`` is content."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def as_text(cell: Any) -> str:
    """Text of a cell as Excel shows it, without spaces around it.

    >>> as_text(1.0), as_text(True), as_text(None), as_text(Shown(7, "007"))
    ('1', 'TRUE', '', '007')
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, Shown):
        return cell.shown
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ")
    return str(cell).strip()


def column_letters(number: int) -> str:
    """Letters by which Excel calls a column, counted from 1.

    >>> column_letters(1), column_letters(28), column_letters(16384)
    ('A', 'AB', 'XFD')
    """
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
