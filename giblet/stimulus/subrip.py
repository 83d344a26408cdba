"""SubRip (srt): cues as players accept them.

No standard says what an srt file is. Players (FFmpeg, VLC, mpv) show all lines from one line of
times to the next, but for the number of the next cue; empty lines in between are of no meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from giblet import notices
from giblet.errors import AnnotationError
from giblet.stimulus.cues import ARROW, Cue, is_times, read_times
from giblet.stimulus.rows import listed
from giblet.timing import shortened

NUMBER = re.compile(r"[0-9]{1,9}")
# The beginning of a line of times, at which a copy broke off.
CUT = re.compile(r"[0-9]{1,3}:[0-9:., ]*(?:-{0,2}>?)")


@dataclass
class _Head:
    """The line above a line of times: `at` in the file, blank lines between the two."""

    at: int
    text: str
    blanks: int

    @property
    def number(self) -> int | None:
        return int(self.text) if NUMBER.fullmatch(self.text) else None


def parse(path: str | Path, lines: Sequence[str]) -> list[Cue]:
    """Cues of an srt file, in the order of the file; none if it has no line of times.

    Raises
    ------
    AnnotationError
        If a line of times cannot be read, or the file ends within one.
    """
    starts = [index for index, line in enumerate(lines) if ARROW in line and is_times(line)]
    if not starts:
        return []
    heads = [
        _head(lines, start, before)
        for before, start in zip([-1, *starts[:-1]], starts, strict=True)
    ]
    left_out = _numbers(lines, starts, heads)
    _warn_of_beginning(path, lines, starts[0], left_out)
    left_out |= _cut_short(path, lines, starts[-1], heads[-1])
    cues = []
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        start_s, end_s = read_times(path, start + 1, lines[start])
        body = (index for index in range(start + 1, stop) if index not in left_out)
        kept = tuple(lines[index] for index in body if lines[index].strip())
        cues.append(Cue(start + 1, start_s, end_s, kept))
    return cues


def _head(lines: Sequence[str], start: int, before: int) -> _Head | None:
    """The last line that is not blank between two lines of times."""
    for index in range(start - 1, before, -1):
        if lines[index].strip():
            return _Head(index, lines[index].strip().lstrip("\ufeff"), start - 1 - index)
    return None


def _numbers(
    lines: Sequence[str], starts: Sequence[int], heads: Sequence[_Head | None]
) -> set[int]:
    """Lines that number or name the cue below them, and are not text of the cue above."""
    named = _are_named(lines, heads)
    if not named and not _are_numbered(heads):
        return set()
    direct = sum(head is not None and head.number is not None and not head.blanks for head in heads)
    spaced = 2 * direct < sum(head is not None and head.number is not None for head in heads)
    found = set()
    last = None
    for before, head in zip([-1, *starts[:-1]], heads, strict=True):
        if head is None or (head.number is None and not (named and not head.blanks)):
            continue
        expected = last is not None and head.number == last + 1
        # Without an empty line above, a number can be the only text of the cue before.
        alone = head.at == before + 1 and before >= 0 and not expected and not named
        if alone or (head.blanks and not (spaced or expected)):
            continue
        found.add(head.at)
        last = head.number
        twice = head.at - 1
        if (
            twice > before + 1
            and lines[twice].strip() == head.text
            and not lines[twice - 1].strip()
        ):
            found.add(twice)
    return found


def _are_numbered(heads: Sequence[_Head | None]) -> bool:
    first, later = heads[0], heads[1:]
    numbers = sum(head is not None and head.number is not None for head in later)
    if first is not None and first.number is not None:
        return 2 * (numbers + 1) >= len(heads)
    direct = sum(head is not None and head.number is not None and not head.blanks for head in later)
    return direct >= 2 and 5 * direct >= 4 * len(later)


def _are_named(lines: Sequence[str], heads: Sequence[_Head | None]) -> bool:
    """Whether every cue has a line of its own above its times, the first one too."""
    return all(
        head is not None and head.blanks == 0 and (head.at == 0 or not lines[head.at - 1].strip())
        for head in heads
    )


def _warn_of_beginning(
    path: str | Path, lines: Sequence[str], first: int, left_out: set[int]
) -> None:
    """Say which lines before the first cue belong to none."""
    lost = [
        index + 1
        for index in range(first)
        if index not in left_out
        and lines[index].strip(" \t\ufeff")
        and not NUMBER.fullmatch(lines[index].strip(" \t\ufeff"))
    ]
    if lost:
        notices.warn(
            f"{path}: {len(lost)} line(s) before the first line of times are left out: "
            f"{listed(lost)}"
        )


def _cut_short(path: str | Path, lines: Sequence[str], last: int, head: _Head | None) -> set[int]:
    """The number of a cue of which nothing else is there, at the end of the file.

    Raises
    ------
    AnnotationError
        If the file ends within the times of a cue.
    """
    body = [index for index in range(last + 1, len(lines)) if lines[index].strip()]
    if len(body) < 2 or head is None or head.number is None:
        return set()
    end, above = body[-1], body[-2]
    if CUT.fullmatch(lines[end].strip()) and NUMBER.fullmatch(lines[above].strip()):
        raise AnnotationError(
            f"{path} line {end + 1}: the file ends within a line of times "
            f"({shortened(lines[end].strip(), 40)}): it is cut short; copy or download it again"
        )
    number = lines[end].strip()
    if lines[end - 1].strip() or not NUMBER.fullmatch(number) or int(number) != head.number + 1:
        return set()
    notices.warn(
        f"{path} line {end + 1}: the file ends with the number of a cue that is not there; if it "
        "is cut short, copy or download it again"
    )
    return {end}
