"""Timed text: what an annotation row is, and how long it lasts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from giblet.errors import AnnotationError
from giblet.timing import Exact, as_fraction

# Eleven days. No film has a time beyond it, so that a number is in another unit or a slip.
LONGEST_S = 10**6
CONTROLS = re.compile("[\0-\x08\x0e-\x1f\x7f]+")


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


def one_line(text: str) -> str:
    """A text without control characters, with single spaces between its words."""
    return " ".join(CONTROLS.sub(" ", text).split())


def listed(numbers: Iterable[int], most: int = 10) -> str:
    """Numbers of rows for a message: neighbours as a range, cut after `most` of them.

    >>> listed([7, 2, 3, 4, 9])
    '2-4, 7, 9'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [f"{a}-{b}" if b > a + 1 else f"{a}, {b}" if b > a else str(a) for a, b in runs[:most]]
    return ", ".join(shown) + (", ..." if len(runs) > most else "")


def with_ends(
    path: str | Path, rows: Sequence[Row], last_s: Exact, gap_s: Exact = 0, called: str = "row"
) -> list[Row]:
    """Rows in order of time, each with an end.

    A row without one lasts until the next row starts; the last row, `last_s`.

    Parameters
    ----------
    gap_s
        Where no row runs for at most this long, the one that ended last goes on until the
        next one starts.
    called
        What messages call a row: ``row`` of a table, ``line`` of subtitles.

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
                f"{path} {called} {row.number}: ends at {float(end):g} s, before it starts at "
                f"{float(row.start_s):g} s: {_remedy(ordered, called)}"
            )
        out.append(replace(row, end_s=end))
    return _without_gaps(out, as_fraction(gap_s, "stimulus/text/gap_s"))


def _remedy(rows: Sequence[Row], called: str) -> str:
    """What to do about rows that end before they start: one, or all of a table."""
    backwards = sum(row.end_s is not None and row.end_s < row.start_s for row in rows)
    # A row that starts at 0 looks right whatever its end is.
    later = sum(row.start_s > 0 for row in rows)
    usual = called == "row" and backwards > 1 and 2 * backwards >= later
    if not usual:
        return f"correct the {called}"
    return (
        f"so do {backwards} of {len(rows)} rows; correct them, or, where the column of ends holds "
        "durations, name it in stimulus/text/duration_column, and where start and end are swapped, "
        "set stimulus/text/start_column and end_column"
    )


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
