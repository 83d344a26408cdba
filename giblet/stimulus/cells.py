"""Tables as they lie in a file: rows of cells, from xlsx, csv, tsv and plain text."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from giblet.errors import AnnotationError

EXCEL = (".xlsx", ".xlsm")
DELIMITED = (".tsv", ".csv", ".txt")
# Tried in this order among the encodings that fit a text equally well: charset-normalizer
# cannot tell Western code pages apart, and Windows' is by far the most common.
PREFERRED = ("cp1252", "latin_1")


@dataclass(frozen=True)
class Sheet:
    """Cells of a table: the header, and the rows with their numbers in the file."""

    header: list[str]
    rows: list[tuple[int, list[Any]]]


def read_sheet(path: str | Path, sheet: str | None, encoding: str | None) -> Sheet:
    """Read the cells of an xlsx, csv or tsv file.

    The first row that is not empty is the header; its cells lose the spaces around them.

    Raises
    ------
    AnnotationError
        If the file is missing, of another kind, damaged, or has no rows.
    """
    path = Path(path)
    excel = path.suffix.lower() in EXCEL
    numbered = _excel(path, sheet) if excel else _delimited(path, encoding)
    filled = [(n, cells) for n, cells in numbered if any(not is_empty(cell) for cell in cells)]
    if len(filled) < 2:
        raise AnnotationError(
            f"{path}: holds no rows below a header: name a table with columns for the start, "
            "the end and the text"
        )
    header = ["" if cell is None else str(cell).strip() for cell in filled[0][1]]
    while header and not header[-1]:
        header.pop()
    width = len(header)
    for number, cells in filled[1:]:
        if any(not is_empty(cell) for cell in cells[width:]):
            raise AnnotationError(
                f"{path} row {number}: has {len(cells)} cells, the header has {width}: put "
                "quotes around texts that contain the separator"
            )
    rows = [(n, (cells + [None] * width)[:width]) for n, cells in filled[1:]]
    return Sheet(header, rows)


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing; ``n/a`` is how BIDS writes that."""
    return cell is None or str(cell).strip().lower() in ("", "n/a", "nan")


def _excel(path: Path, sheet: str | None) -> Iterable[tuple[int, list[Any]]]:
    import zipfile

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    read_bytes(path)
    try:
        with warnings.catch_warnings():
            # Styles and extensions that openpyxl does not know have no bearing on cells.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            names = book.sheetnames
            if sheet is not None and sheet not in names:
                raise AnnotationError(
                    f"{path}: has no sheet {sheet!r}; it has {', '.join(map(repr, names))}: "
                    "correct stimulus/text/sheet"
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
        raise AnnotationError(
            f"{path}: not a readable Excel file ({error}): open it and save it again as xlsx"
        ) from error
    return rows


def _delimited(path: Path, encoding: str | None) -> Iterable[tuple[int, list[Any]]]:
    text = read_text(path, encoding)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    try:
        rows = _parse(text, delimiter, csv.QUOTE_MINIMAL)
        # A lone quotation mark at the start of a cell swallows the lines after it.
        if delimiter == "\t" and any("\n" in cell for _, cells in rows for cell in cells):
            rows = _parse(text, delimiter, csv.QUOTE_NONE)
    except csv.Error as error:
        raise AnnotationError(f"{path}: not a table of text ({error})") from error
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


def read_bytes(path: Path) -> bytes:
    """Contents of a file, with the errors of this module."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise AnnotationError(
            f"{path}: no such file: correct the column 'text' of the runs table, or leave it "
            "empty for a run without text"
        ) from error
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror})") from error


def read_text(path: str | Path, encoding: str | None) -> str:
    """Text of a file in any encoding.

    UTF-8 and texts with a byte order mark are known for sure; anything else is guessed by
    charset-normalizer, with a warning that says what was taken.
    """
    path = Path(path)
    data = read_bytes(path)
    if encoding:
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError) as error:
            raise AnnotationError(
                f"{path}: cannot be read as {encoding!r} ({error}): correct "
                "stimulus/text/encoding, or set it to null to have it guessed"
            ) from error
    for mark, name in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(name, errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _guessed(path, data)


def _guessed(path: Path, data: bytes) -> str:
    from charset_normalizer import from_bytes

    matches = from_bytes(data)
    best = matches.best()
    if best is None:
        raise AnnotationError(
            f"{path}: its text encoding cannot be told: save it as UTF-8, or name the encoding "
            "in stimulus/text/encoding"
        )
    alike = [m for m in matches if m.chaos <= best.chaos and m.coherence >= best.coherence]
    fitting = {name for match in alike for name in match.could_be_from_charset}
    name = next((name for name in PREFERRED if name in fitting), best.encoding)
    warnings.warn(
        f"{path}: is not UTF-8; read as {name}. Set stimulus/text/encoding if letters look wrong",
        stacklevel=4,
    )
    return data.decode(name, errors="replace")
