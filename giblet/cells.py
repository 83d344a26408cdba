"""Tables as they lie in a file: rows of cells, from xlsx, csv, tsv and plain text.

The one reader of all tables: runs, scans, annotations, events, confounds, labels of atlases,
parcels. What differs between them is what a message says (:class:`Purpose`).
"""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from giblet import notices
from giblet.errors import GibletError

EXCEL = (".xlsx", ".xlsm")
DELIMITED = (".tsv", ".csv", ".txt")
# Tried in this order among the encodings that fit a text equally well: charset-normalizer
# cannot tell Western code pages apart, and Windows' is by far the most common.
PREFERRED = ("cp1252", "latin_1")


@dataclass(frozen=True)
class Purpose:
    """What a table is read for, as far as messages speak of it.

    Attributes
    ----------
    error : raised for whatever is wrong with the file
    named_in : where its name stands and what to do about a file that is not there
    holds : what a usable table has below its header
    sheet_key, encoding_key : settings that name the sheet and the encoding; "" where there
        are none
    """

    error: type[GibletError]
    named_in: str
    holds: str
    sheet_key: str = ""
    encoding_key: str = ""


@dataclass(frozen=True)
class Sheet:
    """Cells of a table: the header, and the rows with their numbers in the file."""

    header: list[str]
    rows: list[tuple[int, list[Any]]]


def read_sheet(
    path: str | Path,
    purpose: Purpose,
    *,
    sheet: str | None = None,
    encoding: str | None = None,
) -> Sheet:
    """Read the cells of an xlsx, csv or tsv file.

    The first row that is not empty is the header; its cells lose the spaces around them.

    Raises
    ------
    GibletError
        That of `purpose`, if the file is missing, of another kind, damaged, or has no rows.
    """
    path = Path(path)
    excel = path.suffix.lower() in EXCEL
    numbered = _excel(path, purpose, sheet) if excel else _delimited(path, purpose, encoding)
    filled = [(n, cells) for n, cells in numbered if any(not is_empty(cell) for cell in cells)]
    if len(filled) < 2:
        raise purpose.error(
            f"{path}: holds no rows below a header: name a table with {purpose.holds}"
        )
    header = ["" if cell is None else str(cell).strip() for cell in filled[0][1]]
    while header and not header[-1]:
        header.pop()
    width = len(header)
    for number, cells in filled[1:]:
        if any(not is_empty(cell) for cell in cells[width:]):
            raise purpose.error(
                f"{path} row {number}: has {len(cells)} cells, the header has {width}: put "
                "quotes around texts that contain the separator"
            )
    rows = [(n, (cells + [None] * width)[:width]) for n, cells in filled[1:]]
    return Sheet(header, rows)


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing; ``n/a`` is how BIDS writes that."""
    return cell is None or str(cell).strip().lower() in ("", "n/a", "nan")


def _excel(path: Path, purpose: Purpose, sheet: str | None) -> Iterable[tuple[int, list[Any]]]:
    import zipfile

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    read_bytes(path, purpose)
    try:
        with warnings.catch_warnings():
            # Styles and extensions that openpyxl does not know have no bearing on cells.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            names = book.sheetnames
            if sheet is not None and sheet not in names:
                raise purpose.error(
                    f"{path}: has no sheet {sheet!r}; it has {', '.join(map(repr, names))}: "
                    f"correct {purpose.sheet_key}"
                )
            table = book[names[0] if sheet is None else sheet]
            rows = [(n, list(row)) for n, row in enumerate(table.iter_rows(values_only=True), 1)]
            book.close()
    except (
        zipfile.BadZipFile,
        InvalidFileException,
        KeyError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        raise purpose.error(
            f"{path}: not a readable Excel file ({error}): open it and save it again as xlsx"
        ) from error
    return rows


def _delimited(
    path: Path, purpose: Purpose, encoding: str | None
) -> Iterable[tuple[int, list[Any]]]:
    text = read_text(path, purpose, encoding)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    try:
        rows = _parse(text, delimiter, csv.QUOTE_MINIMAL)
        # A lone quotation mark at the start of a cell swallows the lines after it.
        if delimiter == "\t" and any("\n" in cell for _, cells in rows for cell in cells):
            rows = _parse(text, delimiter, csv.QUOTE_NONE)
    except csv.Error as error:
        raise purpose.error(f"{path}: not a table of text ({error})") from error
    return rows


def _parse(text: str, delimiter: str, quoting: Any) -> list[tuple[int, list[Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    rows: list[tuple[int, list[Any]]] = []
    before = 0
    for cells in reader:
        rows.append((before + 1, list(cells)))
        before = reader.line_num
    return rows


def _delimiter(text: str) -> str:
    """The separator that the header uses most: comma, semicolon or tab."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=header.count)


def read_bytes(path: Path, purpose: Purpose) -> bytes:
    """Contents of a file, with the errors of this module."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise purpose.error(f"{path}: no such file: {purpose.named_in}") from error
    except OSError as error:
        raise purpose.error(f"{path}: cannot be read ({error.strerror})") from error


def read_text(path: str | Path, purpose: Purpose, encoding: str | None = None) -> str:
    """Text of a file in any encoding.

    UTF-8 and texts with a byte order mark are known for sure; anything else is guessed by
    charset-normalizer, with a warning that says what was taken.
    """
    path = Path(path)
    data = read_bytes(path, purpose)
    if encoding:
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError) as error:
            raise purpose.error(
                f"{path}: cannot be read as {encoding!r} ({error}): correct "
                f"{purpose.encoding_key}, or set it to null to have it guessed"
            ) from error
    for mark, name in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(name, errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _guessed(path, purpose, data)


def _guessed(path: Path, purpose: Purpose, data: bytes) -> str:
    from charset_normalizer import from_bytes

    matches = from_bytes(data)
    best = matches.best()
    if best is None:
        named = f", or name the encoding in {purpose.encoding_key}" if purpose.encoding_key else ""
        raise purpose.error(f"{path}: its text encoding cannot be told: save it as UTF-8{named}")
    alike = [m for m in matches if m.chaos <= best.chaos and m.coherence >= best.coherence]
    fitting = {name for match in alike for name in match.could_be_from_charset}
    name = next((name for name in PREFERRED if name in fitting), best.encoding)
    mend = f"set {purpose.encoding_key}" if purpose.encoding_key else "save it as UTF-8"
    notices.warn(f"{path}: is not UTF-8; read as {name}. If letters look wrong, {mend}")
    return data.decode(name, errors="replace")
