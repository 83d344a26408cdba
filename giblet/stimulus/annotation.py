"""Annotation files as timed rows: tables of any layout, and subtitles."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from giblet import notices
from giblet.cells import DELIMITED, EXCEL, Purpose, Sheet, is_empty, read_sheet
from giblet.errors import AnnotationError
from giblet.stimulus.columns import Columns, find_columns, says_speech
from giblet.stimulus.rows import (
    Row,
    choose_part,
    describe_parts,
    seconds,
    split_parts,
    with_ends,
)
from giblet.stimulus.subtitles import read_subtitles
from giblet.timing import Exact, as_fraction

SUBTITLES = (".srt", ".vtt")
PURPOSE = Purpose(
    AnnotationError,
    named_in="correct the column 'text' of the runs table, or leave it empty for a run without "
    "text",
    holds="columns for the start, the end and the text",
    sheet_key="stimulus/text/sheet",
    encoding_key="stimulus/text/encoding",
)


def read_annotation(
    path: str | Path,
    named: Mapping[str, str | None],
    unit: str,
    first_tr: int,
    tr_s: Exact,
    sheet: str | None,
    encoding: str | None,
) -> list[Row]:
    """Rows of a table (xlsx, csv, tsv) or of subtitles (srt, vtt), in the order of the file.

    See :func:`giblet.stimulus.text.extract_text` for the parameters and
    :func:`giblet.stimulus.columns.find_columns` for `named`. Rows without a start are left
    out; a warning counts those that have a text.

    Raises
    ------
    AnnotationError
        If the file is of another kind, or a time in it cannot be read.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind in SUBTITLES:
        return read_subtitles(path, PURPOSE, encoding)
    if kind not in (*EXCEL, *DELIMITED):
        known = ", ".join((*EXCEL, *DELIMITED, *SUBTITLES))
        raise AnnotationError(
            f"{path}: files ending in {path.suffix or 'nothing'!r} are not read as timed text: "
            f"save it as one of {known}"
        )
    table = read_sheet(path, PURPOSE, sheet=sheet, encoding=encoding)
    columns = find_columns(path, table.header, named, unit)
    rows = []
    timeless = []
    for number, cells in table.rows:
        row = _row(path, table, columns, number, cells, unit, first_tr, tr_s)
        if row is not None:
            rows.append(row)
        elif not is_empty(cells[columns.text]):
            timeless.append(number)
    if timeless:
        some = ", ".join(map(str, timeless[:10])) + (" ..." if len(timeless) > 10 else "")
        notices.warn(
            f"{path}: {len(timeless)} row(s) with a text but no start are left out: {some}"
        )
    if not rows:
        raise AnnotationError(
            f"{path}: the column {table.header[columns.start]!r} is empty: choose another one in "
            "stimulus/text/start_column"
        )
    return rows


def _row(
    path: Path,
    table: Sheet,
    columns: Columns,
    number: int,
    cells: list[Any],
    unit: str,
    first_tr: int,
    tr_s: Exact,
) -> Row | None:
    """One row of a table; None without a start."""

    def time(index: int | None) -> Fraction | None:
        if index is None or is_empty(cells[index]):
            return None
        where = f"{path} row {number}: {table.header[index]!r}"
        return seconds(where, cells[index], unit, tr_s)

    start, end, duration = time(columns.start), time(columns.end), time(columns.duration)
    if start is None:
        return None
    if end is None and duration is not None:
        end = start + duration
    elif end is not None and unit == "trs":
        # Both numbers name whole TRs, so the row lasts to the end of the second one.
        end += as_fraction(tr_s)
    origin = first_tr * as_fraction(tr_s) if unit == "trs" else 0
    text = "" if is_empty(cells[columns.text]) else " ".join(str(cells[columns.text]).split())
    part = ""
    if columns.part is not None:
        part = str(cells[columns.part]).strip()
        if is_empty(cells[columns.part]):
            raise AnnotationError(
                f"{path} row {number}: {table.header[columns.part]!r} is empty: every row needs "
                "to say which part it belongs to"
            )
    end = None if end is None else end - origin
    said = says_speech(columns, None if columns.speech is None else cells[columns.speech])
    return Row(start - origin, end, text, number, part, said)


def rows_of_part(
    path: str | Path,
    rows: list[Row],
    text_part: int,
    restart_s: Exact | None,
    gap_s: Exact,
    tr_s: Exact,
) -> list[Row]:
    """Rows with text of one part of a file, in order of time, each with an end."""
    parts = split_parts(rows, restart_s)
    if len(parts) > 1:
        print(f"{path}: {len(parts)} parts ({describe_parts(parts)}); part {text_part} is used")
    chosen = choose_part(path, parts, int(text_part))
    return [row for row in with_ends(path, chosen, tr_s, gap_s) if row.text]
