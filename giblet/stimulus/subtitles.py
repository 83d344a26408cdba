"""Subtitles: SubRip (srt) and WebVTT (vtt)."""

from __future__ import annotations

import html
import re
from fractions import Fraction
from pathlib import Path

from giblet.cells import Purpose, read_text
from giblet.errors import AnnotationError
from giblet.stimulus.rows import Row, clock_seconds

ARROW = "-->"
# Comments, style sheets and regions are blocks of their own in WebVTT.
NOT_CUES = ("WEBVTT", "NOTE", "STYLE", "REGION")
# <i>, <v Speaker>, <c.loud>, <00:00:01.000> and SubStation overrides such as {\an8}.
MARKUP = re.compile(r"</?[A-Za-z0-9.:][^<>]*>|\{\\[^{}]*\}")

# "[door slams]", "(sighs)" and music are heard but not said.
SOUND = re.compile(r"(\s*(\[[^\]]*\]|\([^)]*\)|[♪♫][^♪♫]*[♪♫]?))*\s*")


def read_subtitles(path: str | Path, purpose: Purpose, encoding: str | None) -> list[Row]:
    """Cues of an srt or vtt file, in the order of the file.

    Markup, speaker tags and cue settings are left out; the lines of a cue are joined. Cues are
    speech, except those that hold only sounds in brackets or music.

    Raises
    ------
    AnnotationError
        If a time cannot be read, or there are no cues.
    """
    text = read_text(path, purpose, encoding)
    lines = text.splitlines()
    rows = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.lstrip("\ufeff").split(" ")[0] in NOT_CUES:
            number = _block_end(lines, number)
        elif ARROW in line:
            stop = _block_end(lines, number + 1)
            start_s, end_s = _times(path, number + 1, line)
            body = lines[number + 1 : stop]
            # A cue that follows without an empty line leaves its number behind.
            if stop < len(lines) and ARROW in lines[stop] and body and body[-1].strip().isdigit():
                body.pop()
            said = _plain(body)
            rows.append(Row(start_s, end_s, said, number + 1, speech=not SOUND.fullmatch(said)))
            number = stop
        else:
            number += 1
    if not rows:
        raise AnnotationError(
            f"{path}: holds no cues with times such as 00:00:01,000 {ARROW} 00:00:02,500"
        )
    return rows


def _block_end(lines: list[str], start: int) -> int:
    """Index of the first empty line, or line of times, from `start` on."""
    for index in range(start, len(lines)):
        if not lines[index].strip() or ARROW in lines[index]:
            return index
    return len(lines)


def _times(path: str | Path, number: int, line: str) -> tuple[Fraction, Fraction]:
    before, _, after = line.partition(ARROW)
    times = [clock_seconds(part) for part in (before.strip(), (after.split() or [""])[0])]
    start, end = times
    if start is None or end is None:
        raise AnnotationError(
            f"{path} line {number}: {line.strip()!r} is not a pair of times such as "
            f"00:00:01,000 {ARROW} 00:00:02,500"
        )
    return start, end


def _plain(lines: list[str]) -> str:
    return " ".join(html.unescape(MARKUP.sub("", " ".join(lines))).split())
