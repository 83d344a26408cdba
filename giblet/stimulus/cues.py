"""Cues of subtitles, and the lines of times that begin them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from giblet.errors import AnnotationError
from giblet.stimulus.cell_times import clock_seconds
from giblet.stimulus.rows import LONGEST_S
from giblet.timing import shortened

ARROW = "-->"
# All that stands before the arrow of a line of times, with blanks where translators put them.
STAMP = re.compile(r"[-\u2212]?[ \t]?[0-9][0-9:;., \t]*")
# hh:mm:ss:mmm, which some programs write for hh:mm:ss,mmm.
COLONS = re.compile(r"(.*:[0-9]{1,2}:[0-9]{1,2})[:;]([0-9]{3})")


@dataclass(frozen=True)
class Cue:
    """One cue: the number of its line of times, its times in seconds, and its lines."""

    line: int
    start_s: Fraction
    end_s: Fraction
    lines: tuple[str, ...]


def normal_lines(text: str) -> list[str]:
    """Lines of a file, whatever ends them: LF, CR LF, CR, or CR CR LF of a wrong copy."""
    text = re.sub("\r{1,9}\n", "\n", text).replace("\r", "\n")
    # A NUL would end the text elsewhere; WebVTT replaces it by this character.
    return text.replace("\0", "\ufffd").split("\n")


def is_times(line: str) -> bool:
    """Whether a line is meant to be one of times: digits and an arrow after them."""
    before, arrow, _ = line.partition(ARROW)
    return bool(arrow) and STAMP.fullmatch(before.strip()) is not None


def read_times(path: str | Path, number: int, line: str) -> tuple[Fraction, Fraction]:
    """Start and end that a line of times states; what follows the end are settings.

    Raises
    ------
    AnnotationError
        If it does not state two times, or one of them is beyond any film.
    """
    before, _, after = line.partition(ARROW)
    stop = STAMP.match(after.strip())
    found = [_seconds(before), _seconds(stop[0]) if stop else None]
    start, end = found
    if start is None or end is None:
        cut = " (the file may be cut short there)" if not after.strip() else ""
        raise AnnotationError(
            f"{path} line {number}: {shortened(line.strip(), 80)} is not a pair of times such as "
            f"00:00:01,000 {ARROW} 00:00:02,500{cut}"
        )
    if max(abs(start), abs(end)) > LONGEST_S:
        raise AnnotationError(
            f"{path} line {number}: {shortened(line.strip(), 80)} is beyond {LONGEST_S:,} s, where "
            "no film goes on: correct the cue"
        )
    return start, end


def _seconds(stamp: str) -> Fraction | None:
    text = re.sub(r"\s", "", stamp)[:64]
    colons = COLONS.fullmatch(text)
    return clock_seconds(f"{colons[1]}.{colons[2]}" if colons else text)
