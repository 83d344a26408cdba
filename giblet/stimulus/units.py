"""Units that numbers show though no header states them.

A plain table ``start, end, text`` can hold seconds (as :mod:`giblet.stimulus.text` takes it),
milliseconds (Whisper), or anything else. The run's length tells: in a run of 150 s, rows that
start at 2,500 s on the median are milliseconds. A film far longer than its run, of whose
annotation the run shows a part, must not be mistaken for it, so that another unit is taken only
where the times are impossible in the configured one and fit the run in the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median

from giblet import notices
from giblet.errors import AnnotationError
from giblet.stimulus.rows import LONGEST_S

FINER = {1000: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
COARSER = {60: ("minutes", "min"), 3600: ("hours", "h"), 86400: ("days, as in Excel", "days")}
# Excel takes 1:30 for an hour and a half.
CLOCK = {60: "minutes and seconds that Excel took for hours and minutes"}
USUAL_FILM_S, LONGEST_FILM_S = 4 * 3600, 86_400
# In its own unit an annotation reaches from a tenth of the run to a hundred times its length.
SHORTEST_REACH, LONGEST_REACH = 0.1, 100
# With fewer rows nothing is decided, only said.
FEWEST = 3
# Rows that overlap this many others on the median are durations in another unit.
CROWD = 20
# A word or an event lasts longer.
SHORTEST_ROW_S = 0.005


@dataclass(frozen=True)
class Times:
    """Times of a row of a table, in seconds; None where the row has none."""

    number: int
    start: Fraction
    end: Fraction | None
    duration: Fraction | None


@dataclass(frozen=True)
class Run:
    """Interval that a run takes on the clock of the file, and its number of TRs."""

    start_s: Fraction
    stop_s: Fraction
    n_trs: int


@dataclass(frozen=True)
class Table:
    """What is known of a table before its numbers are looked at.

    Attributes
    ----------
    columns : header of each column of times: start, end, duration
    units : unit of each
    stated : those whose header states it, which numbers do not overrule
    """

    path: Path
    columns: dict[str, str]
    units: dict[str, str]
    stated: frozenset[str]


def in_seconds(table: Table, times: Sequence[Times], run: Run | None) -> list[Times]:
    """Times in the unit that they show, with a warning where it is not the configured one.

    Raises
    ------
    AnnotationError
        If a time lies beyond any film.
    """
    out = list(times)
    if run is not None and out:
        out = _with_scale(out, _scale_of_starts(table, out, run), table)
        out = _with_scale(out, _scale_of_durations(table, out, run), table, ("duration",))
        _warn_of_coarser(table, out, run)
    _refuse_beyond(table, out)
    return out


def _with_scale(
    times: list[Times],
    scale: int,
    table: Table,
    roles: Sequence[str] = ("start", "end", "duration"),
) -> list[Times]:
    """Times divided by a scale, but for those of columns whose header states the unit."""
    if scale == 1:
        return times
    factors = {role: Fraction(1, scale) for role in roles if role not in table.stated}

    def scaled(role: str, value: Fraction | None) -> Fraction | None:
        return None if value is None else value * factors.get(role, 1)

    return [
        Times(
            one.number,
            one.start * factors.get("start", 1),
            scaled("end", one.end),
            scaled("duration", one.duration),
        )
        for one in times
    ]


def _spans(times: Sequence[Times]) -> list[tuple[float, float]]:
    """Start and end of each row; one without an end, which a duration is not, is a moment."""
    starts = [float(one.start) for one in times]
    return [
        (start, start if one.end is None else float(one.end))
        for one, start in zip(times, starts, strict=True)
    ]


def _step(starts: Sequence[float]) -> float | None:
    """Median time from one row to the next; None for fewer than two times."""
    later = [b - a for a, b in pairwise(sorted(starts)) if b > a]
    return median(later) if later else None


def _scale_of_starts(table: Table, times: Sequence[Times], run: Run) -> int:
    """By how much starts and ends are to be divided; 1 where nothing speaks against their unit."""
    unit = table.units["start"]
    if "start" in table.stated or unit not in ("seconds", "clock"):
        return 1
    spans = _spans(times)
    length = float(run.stop_s - run.start_s)
    reach = max(length, float(run.stop_s))
    slack = max(0.05 * length, length / max(run.n_trs, 1))

    low, high = float(run.start_s) - slack, float(run.stop_s) + slack
    # Ends alone say nothing about starts: they may be in a unit of their own.
    if 2 * sum(low <= start <= high for start, _ in spans) > len(spans):
        return 1
    ends = sorted(max(abs(start), end) for start, end in spans)
    last = ends[min(int(0.95 * len(ends)), len(ends) - 1)]
    lengths = [end - start for start, end in spans if end > start]
    typical = median(lengths) if lengths else _step([start for start, _ in spans]) or 0.0
    possible = last <= LONGEST_FILM_S and last <= max(LONGEST_REACH * reach, USUAL_FILM_S)
    # Rows of a film far longer than its run may each outlast it, but not on Excel's clock.
    short = typical <= length or (unit == "seconds" and last <= LONGEST_REACH * reach)
    if possible and short:
        return 1
    scales = FINER if unit == "seconds" else CLOCK
    if unit == "clock" and any(one.start % 60 or (one.end or 0) % 60 for one in times):
        return 1
    for scale, name in scales.items():
        reaches = SHORTEST_REACH * reach <= last / scale < LONGEST_REACH * reach
        if reaches and SHORTEST_ROW_S * scale <= typical < length * scale:
            return scale if _decided(table, name, scale, last, length, len(times)) else 1
    return 1


def _decided(table: Table, name: str, scale: int, last: float, length: float, n_rows: int) -> bool:
    """Say which unit the starts and ends show; False if the rows are too few to tell."""
    column = table.columns["start"]
    what = (
        f"{table.path}: the column {column!r} and its end reach {last:g} s in a run of {length:g} s"
    )
    mend = (
        f"name the unit in the header, as in '{column} (s)', or set stimulus/text/unit, if that is "
        "not so"
    )
    if n_rows < FEWEST:
        notices.warn(f"{what}, and are taken for seconds; {name} would fit: {mend}")
        return False
    notices.warn(f"{what}: they are read as {name} (up to {last / scale:g} s); {mend}")
    return True


def _scale_of_durations(table: Table, times: Sequence[Times], run: Run) -> int:
    """By how much durations are to be divided, where they decide how long rows last."""
    role, used = _lasting(table, times)
    durations = [length for _, length in used if length > 0]
    if not durations or role in table.stated or table.units[role] != "seconds":
        return 1
    typical = median(durations)
    step = _step([float(one.start) for one in times])
    length = float(run.stop_s - run.start_s)
    stop = float(run.stop_s) + 0.05 * length
    starting = [one for one in used if float(run.start_s) <= one[0] < float(run.stop_s)]
    beyond = sum(start + lasts > stop for start, lasts in starting)
    crowded = step is not None and typical >= CROWD * step
    overlapping = step is None or role == "duration" or typical > 2 * step
    if not (crowded or (typical > length and starting and overlapping)):
        return 1
    longest = 2 * step if step is not None else length
    fitting = [
        (scale, name)
        for scale, name in FINER.items()
        if SHORTEST_ROW_S <= typical / scale <= longest
    ]
    if role == "end" and 2 * beyond <= len(starting):
        return 1  # rows that go on to the end of a scene or of the film
    what = f"{table.path}: the column {table.columns[role]!r} has {typical:g} on the median"
    if role == "end":
        what += " after the start"
    about = f"in a run of {length:g} s" + (f" with a row every {step:g} s" if step else "")
    mend = f"name the unit in the header, as in '{role}_ms' or '{role} (s)'"
    if (
        role == "duration"
        and fitting
        and len(used) >= FEWEST
        and (typical > length or 2 * beyond > len(starting))
    ):
        scale, name = fitting[0]
        notices.warn(f"{what}, {about}: it is read as {name}; {mend}, if that is not so")
        return scale
    notices.warn(f"{what}, {about}, and is taken for seconds; if it holds another unit, {mend}")
    return 1


def _lasting(table: Table, times: Sequence[Times]) -> tuple[str, list[tuple[float, float]]]:
    """Column that says how long rows last, and the start and length that it gives each."""
    ends = [
        (float(one.start), float(one.end) - float(one.start))
        for one in times
        if one.end is not None
    ]
    if ends:
        return "end", ends
    return "duration", [
        (float(one.start), float(one.duration)) for one in times if one.duration is not None
    ]


def _warn_of_coarser(table: Table, times: Sequence[Times], run: Run) -> None:
    """Say it where all rows crowd into the beginning of the run as minutes, hours or days would."""
    if "start" in table.stated or table.units["start"] != "seconds" or len(times) < FEWEST + 2:
        return
    last = max(max(span) for span in _spans(times))
    stop = float(run.stop_s)
    for scale, (name, short) in COARSER.items():
        if 0.5 * stop <= last * scale <= 1.1 * stop:
            notices.warn(
                f"{table.path}: all {len(times)} rows lie in the first {last:g} s of the run of "
                f"{stop:g} s; if their times are {name}, name the unit in the header, as in "
                f"'start ({short})', or write seconds"
            )
    whole = all(one.start.denominator == 1 for one in times)
    if whole and last == run.n_trs and not 0.9 * last <= stop <= 1.1 * last:
        notices.warn(
            f"{table.path}: its rows end at {last:g}, which is the number of TRs of the run of "
            f"{stop:g} s; if its times are TRs, set stimulus/text/unit to 'trs'"
        )


def _refuse_beyond(table: Table, times: Sequence[Times]) -> None:
    for one in times:
        for role in ("start", "end", "duration"):
            value = getattr(one, role)
            if value is not None and abs(float(value)) > LONGEST_S:
                raise AnnotationError(
                    f"{table.path} row {one.number}: {table.columns[role]!r} is "
                    f"{float(value):g} s; no time of a film is beyond {LONGEST_S:,} s: correct "
                    "the row, or stimulus/text/unit"
                )
