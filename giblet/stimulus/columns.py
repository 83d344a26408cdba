"""Which column of a table is which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from giblet.errors import AnnotationError

# Names by which tables call their columns, most telling first; units are told apart before.
KNOWN = {
    "start": (
        *("start", "start time", "starttime", "onset", "onset time", "begin", "begin time"),
        *("tstart", "tmin", "from", "in", "time", "timestamp"),
    ),
    "end": (
        *("end", "end time", "endtime", "offset", "offset time", "stop", "stop time", "finish"),
        *("tend", "tmax", "to", "out"),
    ),
    "duration": ("duration", "dur", "length"),
    "text": (
        *("text", "annotation", "annotations", "description", "caption", "subtitle", "transcript"),
        *("transcription", "sentence", "utterance", "dialogue", "dialog", "speech", "content"),
        *("scene details a level", "word", "words", "trial type", "label", "name", "value"),
    ),
    "speech": ("speaking", "name speaking", "speaker", "speakers", "spoken", "narrated"),
}
# Columns whose text is what is said rather than what is shown.
TRANSCRIPTS = (
    *("subtitle", "transcript", "transcription", "utterance", "dialogue", "dialog", "speech"),
    *("word", "words"),
)
SILENT = ("", "0", "0.0", "-", "no", "n", "false", "none", "nobody", "n/a", "na", "nan")
UNITS = {
    "seconds": ("s", "sec", "secs", "second", "seconds"),
    "milliseconds": ("ms", "msec", "millisecond", "milliseconds"),
    "trs": ("tr", "trs", "volume", "volumes"),
    "clock": ("hms", "h:mm:ss", "hh:mm:ss", "mm:ss", "timecode"),
}
UNIT_OF = {word: unit for unit, words in UNITS.items() for word in words}


@dataclass(frozen=True)
class Columns:
    """Positions of the columns of a table; None for those it does not have.

    `speech` says of each row whether, or by whom, something is said; `is_transcript`, whether
    the text itself is what is said.
    """

    start: int
    end: int | None
    duration: int | None
    text: int
    part: int | None
    speech: int | None = None
    is_transcript: bool = False


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
        Unit of the times: a column whose header names another unit is not taken by itself.

    Raises
    ------
    AnnotationError
        If a named column is not there, or none is found for the start or the text.
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
    is_transcript = name_and_unit(header[text])[0] in TRANSCRIPTS
    return Columns(
        start, found["end"], found["duration"], text, found["part"], found["speech"], is_transcript
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
    plain = [name_and_unit(column) for column in header]
    for known in KNOWN[role]:
        for index, (name, column_unit) in enumerate(plain):
            if name == known and column_unit in (None, unit):
                return index
    return None


def _squeezed(name: str) -> str:
    return " ".join(name.lower().split())


def name_and_unit(header: str) -> tuple[str, str | None]:
    """Split a header into its plain name and the unit it states.

    >>> name_and_unit("Start Time (TRs, 1.5s)")
    ('start time', 'trs')
    >>> name_and_unit("end_s")
    ('end', 'seconds')
    """
    bracket = re.fullmatch(r"(.*?)[(\[](.*?)[)\]]\s*", header)
    if bracket:
        unit = UNIT_OF.get(re.split(r"[\s,;]", bracket[2].strip().lower())[0])
        if unit:
            return _words(bracket[1]), unit
    words = _words(header).split()
    if len(words) > 1 and words[-1] in UNIT_OF:
        return " ".join(words[:-1]), UNIT_OF[words[-1]]
    return " ".join(words), None


def _words(name: str) -> str:
    return " ".join(re.split(r"[\s_\-.]+", name.strip().lower())).strip()
