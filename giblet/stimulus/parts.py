"""Parts of a table or subtitle file that holds several runs, one after the other.

Times that start again are the mark of a part, and just as well of rows that are out of order: a
table sorted by speaker, signs before the dialogue, -1 for a row without a time. Parts are made
where the runs table asks for them. Where it does not, they are made only if times restart for
good: both sides of a restart are in order of time by themselves, cover the same stretch of it
about as densely, and would run at the same time if they were laid over each other.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from giblet import notices
from giblet.errors import AnnotationError
from giblet.stimulus.rows import Row
from giblet.timing import Exact, as_fraction

# A restart has this many rows on both sides of it: fewer are rows out of order.
FEWEST = 3
SHORT_PARTS = 12
# What restarts for good look like when nobody asked for parts.
LEAST_ORDERED = 0.9
LEAST_DENSITY = 0.25
LEAST_COMMON = 0.5
LEAST_OVERLAP = 0.2


def split_parts(rows: Sequence[Row], restart_s: Exact | None, asked: int = 1) -> list[list[Row]]:
    """Runs that a table holds one after the other, each in the order of the table.

    With a part column, one part per value, in the order in which the values first appear.
    Otherwise a new part begins where the time starts again: at a row that starts at or
    before its part's first one, or at least `restart_s` before the latest one. At least
    `FEWEST` rows have to lie ahead of it and behind it; in a table of up to `SHORT_PARTS` rows
    for each part asked for, one row where those are too few parts.

    Parameters
    ----------
    restart_s
        None for a table whose times never start again, however disordered.
    asked
        Largest part that the runs table names for the file. With 1 nobody asked for parts, and
        they are made only where times restart for good (see the module).
    """
    if any(row.part for row in rows):
        named: dict[str, list[Row]] = {}
        for row in rows:
            named.setdefault(row.part, []).append(row)
        return list(named.values())
    if restart_s is None:
        return [list(rows)]
    step = as_fraction(restart_s, "stimulus/text/restart_s")
    parts = _restarts(rows, step, FEWEST)
    if asked <= 1:
        return parts if _for_good(parts) else [list(rows)]
    if len(parts) >= asked or len(rows) > SHORT_PARTS * asked:
        return parts
    return _restarts(rows, step, 1)


def _restarts(rows: Sequence[Row], step: Fraction, fewest: int) -> list[list[Row]]:
    """Split where the time steps back, with `fewest` rows ahead of and behind the step."""
    starts = [float(row.start_s) for row in rows]
    borders = [0]
    # The latest starts of the part as it grows, the earliest of them first.
    ahead: list[float] = []
    latest = float("-inf")
    for index, start in enumerate(starts):
        back = latest - start
        if (
            back > 0
            and len(ahead) == fewest
            and ahead[0] > start
            and (start <= starts[borders[-1]] or back >= step)
            and _stays_behind(starts, index, latest, fewest)
        ):
            borders.append(index)
            ahead, latest = [], start
        if len(ahead) < fewest:
            heapq.heappush(ahead, start)
        elif start > ahead[0]:
            heapq.heapreplace(ahead, start)
        latest = max(latest, start)
    return [list(rows[a:b]) for a, b in pairwise([*borders, len(rows)])]


def _stays_behind(starts: Sequence[float], index: int, latest: float, fewest: int) -> bool:
    """Whether the rows from `index` on go on behind the latest time."""
    coming = starts[index : index + fewest]
    return len(coming) == fewest and max(coming) <= latest


def _for_good(parts: Sequence[Sequence[Row]]) -> bool:
    if len(parts) < 2:
        return False
    return all(_in_order(part) for part in parts) and all(
        _alike(one, other) for one, other in pairwise(parts)
    )


def _in_order(part: Sequence[Row]) -> bool:
    forward = sum(a.start_s <= b.start_s for a, b in pairwise(part))
    return forward >= LEAST_ORDERED * (len(part) - 1)


def _alike(one: Sequence[Row], other: Sequence[Row]) -> bool:
    """Whether two parts tell of one stretch of time, each for itself."""
    spans = [_spans(one), _spans(other)]
    low = max(part[0][0] for part in spans)
    high = min(part[-1][0] for part in spans)
    shorter = min(part[-1][0] - part[0][0] for part in spans)
    if high - low < LEAST_COMMON * shorter or shorter == 0:
        return False
    counts = [sum(low <= start <= high for start, _ in part) for part in spans]
    if min(counts) < LEAST_DENSITY * max(counts):
        return False
    covered = [_union(part) for part in spans]
    common = sum(covered) - _union(sorted(spans[0] + spans[1]))
    return common >= LEAST_OVERLAP * min(covered) > 0


def _spans(part: Sequence[Row]) -> list[tuple[float, float]]:
    """Start and end of each row, in order of time; without an end, until the next one."""
    ordered = sorted(part, key=lambda row: row.start_s)
    starts = [float(row.start_s) for row in ordered]
    return [
        (start, coming if row.end_s is None else float(row.end_s))
        for row, start, coming in zip(ordered, starts, [*starts[1:], starts[-1]], strict=True)
    ]


def _union(spans: Sequence[tuple[float, float]]) -> float:
    """Length of time that spans, in order of time, cover."""
    length, until = 0.0, float("-inf")
    for start, end in spans:
        length += max(0.0, end - max(start, until))
        until = max(until, end)
    return length


def furthest_back(rows: Sequence[Row]) -> tuple[Row, float] | None:
    """The row that starts furthest before an earlier row of the table, and how far (s)."""
    found, furthest, latest = None, 0.0, float("-inf")
    for row in rows:
        start = float(row.start_s)
        if latest - start > furthest and latest > start:
            found, furthest = row, latest - start
        latest = max(latest, start)
    return None if found is None else (found, furthest)


def choose_part(path: str | Path, parts: list[list[Row]], text_part: int) -> list[Row]:
    """Rows of one part, counted from 1."""
    if not 1 <= text_part <= len(parts):
        raise AnnotationError(
            f"{path}: text_part is {text_part}, the table has {len(parts)} part(s): "
            f"{describe_parts(parts)}; correct the runs table, or set stimulus/text/part_column "
            "or stimulus/text/restart_s"
        )
    return parts[text_part - 1]


def describe_parts(parts: Sequence[Sequence[Row]], most: int = 8) -> str:
    """Rows and times of each part, for messages."""
    shown = ", ".join(
        f"part {number} rows {part[0].number}-{part[-1].number} from "
        f"{float(min(row.start_s for row in part)):g} s to "
        f"{float(max(row.start_s for row in part)):g} s"
        for number, part in enumerate(parts[:most], 1)
    )
    return shown + (", ..." if len(parts) > most else "")


def say_of_parts(
    path: str | Path,
    rows: list[Row],
    parts: list[list[Row]],
    text_part: int,
    asked: int,
    restart_s: Exact | None,
    called: str,
) -> None:
    """Say which parts there are; warn where the runs table does not speak of them."""
    found = f"{path}: {len(parts)} parts ({describe_parts(parts)}); part {text_part} is used"
    mend = (
        "if they are one run's, set stimulus/text/restart_s to null; if not, name them in text_part"
    )
    if len(parts) > asked:
        left_out = sum(bool(row.text) for row in rows) - sum(
            bool(row.text) for row in parts[text_part - 1]
        )
        about = f"the runs table names {asked}" if asked > 1 else "times start again"
        notices.warn(f"{found} and {left_out} {called}s are left out, as {about}: {mend}")
    elif len(parts) > 1:
        print(found)
    elif restart_s is not None and (back := furthest_back(rows)) is not None:
        row, step = back
        if step >= as_fraction(restart_s):
            notices.warn(
                f"{path} {called} {row.number}: starts {step:g} s before an earlier one; all "
                f"{len(rows)} {called}s are taken for one run's, in order of time; if the file "
                "holds several runs, name them in text_part of the runs table"
            )
