"""Which column of a table is which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from giblet import notices
from giblet.errors import AnnotationError

# Names by which tables call their columns, most telling first; units are told apart before.
KNOWN = {
    "start": (
        *("start", "start time", "starttime", "onset", "onset time", "begin", "begin time"),
        *("tstart", "tmin", "from", "in", "time", "timestamp", "onsettime", "begintime", "tc in"),
    ),
    "end": (
        *("end", "end time", "endtime", "offset", "offset time", "stop", "stop time", "finish"),
        *("tend", "tmax", "to", "out", "offsettime", "stoptime", "tc out"),
    ),
    "duration": ("duration", "dur", "length"),
    "text": (
        *("text", "annotation", "annotations", "description", "caption", "subtitle", "transcript"),
        *("transcription", "sentence", "utterance", "dialogue", "dialog", "speech", "content"),
        *("scene details a level", "word", "words", "trial type", "label", "name", "value"),
    ),
    "speech": ("speaking", "name speaking", "speaker", "speakers", "spoken", "narrated"),
}
TIMES = ("start", "end", "duration")
# Columns whose text is what is said rather than what is shown.
TRANSCRIPTS = (
    *("subtitle", "transcript", "transcription", "utterance", "dialogue", "dialog", "speech"),
    *("word", "words"),
)
SILENT = ("", "0", "0.0", "-", "no", "n", "false", "none", "nobody", "n/a", "na", "nan")
UNITS = {
    "seconds": ("s", "sec", "secs", "second", "seconds", "ss", "ss.ms", "ss.msec", "ss.mmm"),
    "milliseconds": (
        *("ms", "msec", "msecs", "millis", "millisec", "millisecs", "millisecond"),
        "milliseconds",
    ),
    # Both the micro sign and the Greek letter; lower case turns the first into itself.
    "microseconds": (
        *("us", "\u00b5s", "\u03bcs", "usec", "usecs", "microsec", "microsecond"),
        "microseconds",
    ),
    "nanoseconds": ("ns", "nsec", "nanosec", "nanosecond", "nanoseconds"),
    "minutes": ("min", "mins", "minute", "minutes"),
    "hours": ("h", "hr", "hrs", "hour", "hours"),
    "days": ("day", "days"),
    "trs": ("tr", "trs", "volume", "volumes"),
    "clock": (
        *("hms", "h:mm:ss", "hh:mm:ss", "mm:ss", "m:ss", "h:m:s", "timecode", "hh:mm:ss.ms"),
        *("hh:mm:ss.mmm", "hh:mm:ss,mmm", "hh:mm:ss.msec", "hhmmss"),
    ),
    # Known in order to refuse them: no table says how many a second has.
    "frames": ("frame", "frames"),
    "samples": ("sample", "samples"),
}
UNIT_OF = {word: unit for unit, words in UNITS.items() for word in words}
COUNTS = ("frames", "samples")
CAMEL_UNIT = re.compile(r"(.*[a-z])(Ms|MS|Msec|Sec|Secs|Seconds|Milliseconds|Us|Ns|TR|TRs|Frames?)")


@dataclass(frozen=True)
class Columns:
    """Positions of the columns of a table; None for those it does not have.

    Attributes
    ----------
    speech : says of each row whether, or by whom, something is said
    is_transcript : whether the text itself is what is said
    units : of the times in each of the columns `TIMES` that there are
    stated : those of them whose header states the unit
    """

    start: int
    end: int | None
    duration: int | None
    text: int
    part: int | None
    speech: int | None = None
    is_transcript: bool = False
    units: Mapping[str, str] = field(default_factory=dict)
    stated: frozenset[str] = frozenset()


def find_columns(
    path: str | Path, header: list[str], named: Mapping[str, str | None], unit: str
) -> Columns:
    """Find the columns of a table, by the configured names or by their usual ones.

    Parameters
    ----------
    named
        Configured name for each of ``start, end, duration, text, part, speech``, or None to look
        for the usual ones. Letter case and spaces around names do not matter.
    unit
        Unit of the times in a column whose header states none. Columns in this unit are taken
        before those whose header states another one.

    Raises
    ------
    AnnotationError
        If a named column is not there, none is found for the start or the text, two columns
        have the name of one that is used, or the times are frames or samples.
    """
    found: dict[str, int | None] = {}
    for role in ("start", "end", "duration", "text", "part", "speech"):
        name = named.get(role)
        if name is not None:
            found[role] = _named(path, header, role, name)
        else:
            found[role] = _usual(header, role, unit) if role in KNOWN else None
    start, text = found["start"], found["text"]
    if start is None or text is None:
        role = "start" if start is None else "text"
        raise AnnotationError(
            f"{path}: no column found for the {role}{f' in {unit}' if role == 'start' else ''}; "
            f"the columns are {', '.join(map(repr, header))}: name the one to use in "
            f"stimulus/text/{role}_column"
        )
    _refuse_twice(path, header, found)
    stated = _stated_units(path, header, found)
    _inherit_unit(path, header, found, stated)
    is_transcript = name_and_unit(header[text])[0] in TRANSCRIPTS
    return Columns(
        start,
        found["end"],
        found["duration"],
        text,
        found["part"],
        found["speech"],
        is_transcript,
        {role: stated.get(role, unit) for role in TIMES if found[role] is not None},
        frozenset(stated),
    )


def _refuse_twice(path: str | Path, header: list[str], found: Mapping[str, int | None]) -> None:
    """Refuse a column that is used and has the name of another one."""
    for index in found.values():
        name = "" if index is None else _squeezed(header[index])
        same = [k + 1 for k, other in enumerate(header) if name and _squeezed(other) == name]
        if len(same) > 1:
            raise AnnotationError(
                f"{path}: column {same[0]} and column {same[1]} are both named "
                f"{header[same[0] - 1]!r}: rename or delete one"
            )


def has_columns(header: list[str], named: Mapping[str, str | None]) -> bool:
    """Whether the cells of a row can be the header: they name a start and a text."""
    plain = [_squeezed(column) for column in header]

    def has(role: str) -> bool:
        name = named.get(role)
        return _usual(header, role, "") is not None if name is None else _squeezed(name) in plain

    return has("start") and has("text")


def _stated_units(
    path: str | Path, header: list[str], found: dict[str, int | None]
) -> dict[str, str]:
    """Units that the headers of the columns of times state; drops ends in no unit of time."""
    stated = {}
    for role in TIMES:
        index = found[role]
        unit = None if index is None else name_and_unit(header[index])[1]
        if index is None or unit is None:
            continue
        if unit not in COUNTS:
            stated[role] = unit
            continue
        what = (
            f"{path}: the column {header[index]!r} counts {unit}, of which no table says how many"
        )
        if role == "start":
            raise AnnotationError(
                f"{what} a second has: add a column of seconds, or name one in "
                "stimulus/text/start_column"
            )
        if found["end" if role == "duration" else "duration"] is None:
            notices.warn(
                f"{what} a second has: it is passed over and each row lasts until the next one "
                "starts; add a column of seconds"
            )
        found[role] = None
    return stated


def _inherit_unit(
    path: str | Path, header: list[str], found: dict[str, int | None], stated: dict[str, str]
) -> None:
    """Read an end or a duration that states no unit in the one that the start states."""
    unit = stated.get("start")
    if unit is None:
        return
    first = header[found["start"] or 0]
    for role in ("end", "duration"):
        index = found[role]
        if index is None or role in stated:
            continue
        stated[role] = unit
        if role == "duration" and unit != "seconds" and found["end"] is None:
            notices.warn(
                f"{path}: the column {header[index]!r} states no unit and is read in {unit}, as "
                f"{first!r}; name its unit in the header, as in 'duration (s)'"
            )


def says_speech(columns: Columns, cell: object) -> bool | None:
    """Whether something is said during a row; None where the table does not tell.

    Parameters
    ----------
    cell
        What the row has in the column `columns.speech`: a name or a yes, nothing or a no.
    """
    if columns.speech is None:
        return columns.is_transcript or None
    return cell is not None and _squeezed(str(cell)) not in SILENT


def _named(path: str | Path, header: list[str], role: str, name: str) -> int:
    plain = [_squeezed(column) for column in header]
    if _squeezed(name) not in plain:
        raise AnnotationError(
            f"{path}: no column {name!r}; the columns are {', '.join(map(repr, header))}: "
            f"correct stimulus/text/{role}_column"
        )
    if plain.count(_squeezed(name)) > 1:
        raise AnnotationError(f"{path}: two columns are named {name!r}: rename one of them")
    return plain.index(_squeezed(name))


def _usual(header: list[str], role: str, unit: str) -> int | None:
    """Column of a usual name: in the unit given or none stated, then in any, counts last."""
    plain = [name_and_unit(column) for column in header]
    wanted: list[tuple[str | None, ...]] = [(None, unit)]
    if role in TIMES:
        wanted += [tuple(other for other in UNITS if other not in COUNTS), COUNTS]
    for units in wanted:
        for known in KNOWN[role]:
            for index, (name, column_unit) in enumerate(plain):
                if name == known and column_unit in units:
                    return index
    return None


def _squeezed(name: str) -> str:
    return " ".join(name.lower().split())


def name_and_unit(header: str) -> tuple[str, str | None]:
    """Split a header into its plain name and the unit it states.

    >>> name_and_unit("Start Time (TRs, 1.5s)")
    ('start time', 'trs')
    >>> name_and_unit("end_s"), name_and_unit("Begin Time - msec"), name_and_unit("onset in ms")
    (('end', 'seconds'), ('begin time', 'milliseconds'), ('onset', 'milliseconds'))
    """
    bracket = re.fullmatch(r"([^(\[{]*)[(\[{]([^)\]}]*)[)\]}]\s*", header)
    if bracket:
        unit = _unit(bracket[2])
        if unit:
            return _words(bracket[1]), unit
    parts = re.split(r"[\s,/|]+", header.strip())
    last = parts[-1]
    if any(parts[:-1]) and _unit(last):
        name = header.strip().removesuffix(last).rstrip(" \t-,/|:")
        return _words(re.sub(r"(?i)\s(in)$", "", name)), _unit(last)
    camel = CAMEL_UNIT.fullmatch(header.strip())
    if camel:
        return _words(camel[1]), UNIT_OF[camel[2].lower()]
    words = _words(header).split()
    if len(words) > 1 and words[-1] in UNIT_OF:
        before = words[:-2] if words[-2] == "in" and len(words) > 2 else words[:-1]
        return " ".join(before), UNIT_OF[words[-1]]
    return " ".join(words), None


def _unit(text: str) -> str | None:
    """Unit that the words in a header's brackets name: ``s``, ``in ms``, ``TRs, 1.5s``."""
    words = [word for word in re.split(r"[\s,;]+", text.strip().lower()) if word != "in"]
    return UNIT_OF.get(words[0].rstrip(".")) if words else None


def _words(name: str) -> str:
    return " ".join(re.split(r"[\s_\-.]+", name.strip().lower())).strip()
