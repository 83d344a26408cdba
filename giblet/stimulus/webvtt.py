"""WebVTT (vtt): cues as the parser of the standard collects them.

W3C, WebVTT: The Web Video Text Tracks Format, section 6.1 ("WebVTT file parsing"). It is more
patient than its grammar: hours may have any number of digits, times a comma and no milliseconds.
Times that it drops without a word are refused, and text that stands outside of any cue is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from giblet import notices
from giblet.stimulus.cues import ARROW, Cue, is_times, read_times
from giblet.stimulus.rows import listed

SIGNATURE = re.compile(r"WEBVTT(?:[ \t].*)?")
# A comment, a style sheet and a region; a style sheet and a region have nothing else on the line.
NOT_CUES = re.compile(r"NOTE(?:[ \t].*)?|(?:STYLE|REGION)[ \t]*(?:-->.*)?")
NUMBER = re.compile(r"[0-9]{1,9}")
MAP = re.compile(r"X-TIMESTAMP-MAP=(.*)")


@dataclass
class _Block:
    """Lines up to an empty one: of a cue if `cue_at` is the index of its line of times."""

    first: int
    stop: int
    cue_at: int | None = None
    body: list[int] = field(default_factory=list)


def is_webvtt(lines: Sequence[str]) -> bool:
    """Whether a text begins as the standard demands."""
    return SIGNATURE.fullmatch(lines[0]) is not None


def parse(path: str | Path, lines: Sequence[str]) -> list[Cue]:
    """Cues of a vtt file, in the order of the file.

    Raises
    ------
    AnnotationError
        If a line of times cannot be read.
    """
    at = 0
    while at < len(lines) and lines[at] and (at == 0 or ARROW not in lines[at]):
        at += 1
    _warn_of_maps(path, lines)
    cues = []
    outside = []
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        block = _collect(lines, at)
        at = block.stop
        if block.cue_at is not None:
            start_s, end_s = read_times(path, block.cue_at + 1, lines[block.cue_at])
            body = _without_number(lines, block)
            kept = tuple(lines[index] for index in body if lines[index].strip())
            cues.append(Cue(block.cue_at + 1, start_s, end_s, kept))
            _warn_of_comment(path, lines, block)
        elif not NOT_CUES.fullmatch(lines[block.first]) and not SIGNATURE.fullmatch(
            lines[block.first]
        ):
            outside += [i + 1 for i in range(block.first, block.stop) if _is_text(lines[i])]
    if outside:
        notices.warn(
            f"{path}: {len(outside)} line(s) of text stand in no cue and are left out, as WebVTT "
            f"has it (an empty line ends a cue): {listed(outside)}"
        )
    return cues


def _collect(lines: Sequence[str], at: int) -> _Block:
    """Collect a block ("collect a WebVTT block"); it takes at least one line."""
    block = _Block(at, at)
    arrows = False
    while block.stop < len(lines) and lines[block.stop]:
        line, count = lines[block.stop], block.stop - at
        if ARROW in line:
            if count > 1 or (count == 1 and arrows):
                break
            arrows = True
            if is_times(line):
                block.cue_at = block.stop
        elif count and SIGNATURE.fullmatch(line):
            break  # joined segments of a stream, each with its own header
        elif block.cue_at is not None:
            block.body.append(block.stop)
        block.stop += 1
    return block


def _without_number(lines: Sequence[str], block: _Block) -> list[int]:
    """Lines of a cue without the number of one that follows without an empty line."""
    body = block.body
    follows = block.stop < len(lines) and is_times(lines[block.stop])
    if follows and body and NUMBER.fullmatch(lines[body[-1]].strip()):
        above = lines[body[-2]].strip() if len(body) > 1 else "text"
        cue_at = block.cue_at or 0
        numbered = cue_at > block.first and NUMBER.fullmatch(lines[cue_at - 1].strip())
        if not above or (numbered and len(body) > 1):
            return body[:-1]
    return body


def _is_text(line: str) -> bool:
    return bool(line.strip()) and not NUMBER.fullmatch(line.strip())


def _warn_of_comment(path: str | Path, lines: Sequence[str], block: _Block) -> None:
    if block.cue_at != block.first and NOT_CUES.fullmatch(lines[block.first]):
        notices.warn(
            f"{path} line {block.first + 1}: a {lines[block.first][:6].strip()} block ends at the "
            f"line of times below it, which WebVTT takes for a cue: write '{ARROW}' in another way "
            "there to comment it out"
        )


def _warn_of_maps(path: str | Path, lines: Sequence[str]) -> None:
    """Say that the offsets of a stream's segments are passed over where they differ."""
    maps = {found[1].strip() for line in lines if (found := MAP.fullmatch(line))}
    if len(maps) > 1:
        notices.warn(
            f"{path}: has {len(maps)} different X-TIMESTAMP-MAP, as segments of a stream have; "
            "times are taken as the cues state them: join the segments with a program that moves "
            "their times if they start again"
        )
