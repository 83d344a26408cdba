"""Timed text: what an annotation row is, its times, and the parts a table falls into."""

from __future__ import annotations

import datetime
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

from giblet.errors import AnnotationError
from giblet.timing import Exact, as_fraction

CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")


@dataclass(frozen=True)
class Row:
    """One text and when it holds, in seconds; `end_s` None stands for "until the next".

    `speech` is whether something is said during it; None where the annotation does not tell.
    """

    start_s: Fraction
    end_s: Fraction | None
    text: str
    number: int
    part: str = ""
    speech: bool | None = None


def clock_seconds(text: str) -> Fraction | None:
    """Seconds of ``h:mm:ss.fff`` or ``mm:ss,fff``; None if it is no such time."""
    match = CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds = match.groups()
    exact = Fraction(Decimal(seconds.replace(",", ".")))
    if exact >= 60 or (hours is not None and int(minutes) >= 60):
        return None
    return int(hours or 0) * 3600 + int(minutes) * 60 + exact


def seconds(where: str, cell: Any, unit: str, tr_s: Exact) -> Fraction:
    """Time of a cell in seconds, exactly as written.

    Parameters
    ----------
    where
        File, row and column, for the error message.
    unit
        ``seconds``, ``milliseconds``, ``clock`` or ``trs``.
    """
    if unit == "clock":
        found = _clock_cell(cell)
        if found is None:
            raise AnnotationError(
                f"{where} is {cell!r}, not a time such as 0:01:02.5: set stimulus/text/unit to "
                "'seconds' if the column holds numbers"
            )
        return found
    number = _number(cell)
    if number is None:
        hint = ": set it to 'clock'" if _clock_cell(cell) is not None else ""
        raise AnnotationError(
            f"{where} is {_shown(cell)}, not a number of {unit} (stimulus/text/unit){hint}"
        )
    if unit == "milliseconds":
        return number / 1000
    return number * as_fraction(tr_s, "tr_s") if unit == "trs" else number


def _shown(cell: Any) -> str:
    timed = isinstance(cell, datetime.time | datetime.timedelta)
    return f"the time {cell}" if timed else repr(cell)


def _clock_cell(cell: Any) -> Fraction | None:
    if isinstance(cell, datetime.datetime):
        cell = cell.time()
    if isinstance(cell, datetime.time):
        whole = cell.hour * 3600 + cell.minute * 60 + cell.second
        return whole + Fraction(cell.microsecond, 10**6)
    if isinstance(cell, datetime.timedelta):
        return Fraction(cell // datetime.timedelta(microseconds=1), 10**6)
    return clock_seconds(str(cell))


def _number(cell: Any) -> Fraction | None:
    """Number of a cell; a decimal comma is read as a point."""
    if isinstance(cell, bool | datetime.datetime | datetime.time | datetime.timedelta):
        return None
    text = str(cell).strip()
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        text = text.replace(",", ".")
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return Fraction(value) if value.is_finite() else None


def split_parts(rows: Sequence[Row], restart_s: Exact | None) -> list[list[Row]]:
    """Runs that a table holds one after the other.

    With a part column, one part per value, in the order in which the values first appear.
    Otherwise a new part begins where the time starts again: at a row that starts at or
    before its part's first one, or at least `restart_s` before the latest one, while later
    ones came before it. Smaller steps back are rows out of order and stay in their part.

    Parameters
    ----------
    restart_s
        None for a table whose times never start again, however disordered.
    """
    if any(row.part for row in rows):
        named: dict[str, list[Row]] = {}
        for row in rows:
            named.setdefault(row.part, []).append(row)
        return list(named.values())
    if restart_s is None:
        return [list(rows)]
    step = as_fraction(restart_s, "stimulus/text/restart_s")
    parts: list[list[Row]] = []
    latest = Fraction(0)
    for row in rows:
        back = latest - row.start_s
        if not parts or (back > 0 and (row.start_s <= parts[-1][0].start_s or back >= step)):
            parts.append([])
            latest = row.start_s
        parts[-1].append(row)
        latest = max(latest, row.start_s)
    return parts


def choose_part(path: str | Path, parts: list[list[Row]], text_part: int) -> list[Row]:
    """Rows of one part, counted from 1."""
    if not 1 <= text_part <= len(parts):
        raise AnnotationError(
            f"{path}: text_part is {text_part}, the table has {len(parts)} part(s): "
            f"{describe_parts(parts)}; correct the runs table, or set stimulus/text/part_column "
            "or stimulus/text/restart_s"
        )
    return parts[text_part - 1]


def describe_parts(parts: list[list[Row]]) -> str:
    """Rows and times of each part, for messages."""
    return ", ".join(
        f"part {number} rows {part[0].number}-{part[-1].number} from "
        f"{float(min(row.start_s for row in part)):g} s to "
        f"{float(max(row.start_s for row in part)):g} s"
        for number, part in enumerate(parts, 1)
    )


def with_ends(path: str | Path, rows: Sequence[Row], last_s: Exact, gap_s: Exact = 0) -> list[Row]:
    """Rows in order of time, each with an end.

    A row without one lasts until the next row starts; the last row, `last_s`.

    Parameters
    ----------
    gap_s
        Where no row runs for at most this long, the one that ended last goes on until the
        next one starts.

    Raises
    ------
    AnnotationError
        If a row ends before it starts.
    """
    ordered = sorted(rows, key=lambda row: row.start_s)
    starts = [row.start_s for row in ordered]
    out: list[Row] = []
    for row in ordered:
        end = row.end_s
        if end is None:
            later = bisect_right(starts, row.start_s)
            end = starts[later] if later < len(starts) else row.start_s + as_fraction(last_s)
        if end < row.start_s:
            raise AnnotationError(
                f"{path} row {row.number}: ends at {float(end):g} s, before it starts at "
                f"{float(row.start_s):g} s: correct the row"
            )
        out.append(replace(row, end_s=end))
    return _without_gaps(out, as_fraction(gap_s, "stimulus/text/gap_s"))


def _without_gaps(rows: list[Row], gap_s: Fraction) -> list[Row]:
    out: list[Row] = []
    ends = [row.end_s or row.start_s for row in rows]
    until = ends[0] if ends else Fraction(0)
    for index, row in enumerate(rows):
        until = max(until, ends[index])
        coming = rows[index + 1].start_s if index + 1 < len(rows) else until
        fills = ends[index] == until and until < coming <= until + gap_s
        out.append(replace(row, end_s=coming) if fills else row)
    return out
