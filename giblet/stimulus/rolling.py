"""Captions that roll: each cue repeats what the one before it showed.

Automatic captions (YouTube) and captions of television show two lines; the upper one is the
lower one of before, or a line grows word by word. As they stand, every word would be there two or
three times, and seconds after it was said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from giblet.stimulus.cell_times import clock_seconds

# Cues that touch: YouTube leaves 10 ms between them.
TOUCHING_S = Fraction(1, 4)
# How many neighbours have to roll for a file to be one of rolling captions.
FEWEST = 2
LEAST_SHARE, SURE_SHARE, SURELY = 0.3, 0.5, 3
WORD_TIME = re.compile(r"<([0-9]+:[0-9:.]+)>")


@dataclass(frozen=True)
class Shown:
    """What a cue shows: its lines as plain text, and the same lines with their markup."""

    line: int
    start_s: Fraction
    end_s: Fraction
    lines: tuple[str, ...]
    raw: tuple[str, ...]


def roll(cues: Sequence[Shown]) -> bool:
    """Whether the captions of a file roll."""
    pairs = [(a, b) for a, b in pairwise(cues) if _touch(a, b)]
    rolling = sum(_rolls(a, b) for a, b in pairs)
    held = sum(a.lines == b.lines for a, b in pairs)
    if not rolling or rolling + held < FEWEST:
        return False
    share = (rolling + held) / (len(cues) - 1)
    return share >= SURE_SHARE or (rolling >= SURELY and share >= LEAST_SHARE)


def unrolled(cues: Sequence[Shown]) -> list[Shown]:
    """Rolling captions with each line where it is new.

    A cue that only repeats the one before it prolongs that one's lines. The lines of the result
    are empty where a cue shows nothing new.
    """
    out: list[Shown] = []
    for index, cue in enumerate(cues):
        before = cues[index - 1] if index else None
        if before is None or not _touch(before, cue):
            out.append(cue)
            continue
        if before.lines == cue.lines and out[-1].lines:
            last = out[-1]
            out[-1] = Shown(
                last.line, last.start_s, max(last.end_s, cue.end_s), last.lines, last.raw
            )
            out.append(Shown(cue.line, cue.start_s, cue.end_s, (), ()))
            continue
        out.append(_new_part(before, cue))
    return out


def timed_words(cue: Shown) -> list[tuple[Fraction, Fraction, str]]:
    """Pieces of a cue with the times that stand in it: start and end (s), text with markup."""
    pieces = WORD_TIME.split("\n".join(cue.raw))
    if len(pieces) == 1:
        return [(cue.start_s, cue.end_s, pieces[0])]
    found = [clock_seconds(stamp) for stamp in pieces[1::2]]
    times = [cue.start_s, *(time for time in found if time is not None), cue.end_s]
    if None in found or any(a > b for a, b in pairwise(times)):
        return [(cue.start_s, cue.end_s, "".join(pieces[::2]))]
    return [(a, b, piece) for (a, b), piece in zip(pairwise(times), pieces[::2], strict=True)]


def _touch(one: Shown, other: Shown) -> bool:
    return one.start_s <= other.start_s <= one.end_s + TOUCHING_S


def _repeated(one: Shown, other: Shown) -> int:
    """How many lines a cue repeats of the end of the one before it."""
    most = min(len(one.lines), len(other.lines))
    return next((k for k in range(most, 0, -1) if one.lines[-k:] == other.lines[:k]), 0)


def _grows(one: Shown, other: Shown) -> bool:
    """Whether a cue is the one before it with further words."""
    return bool(one.lines) and " ".join(other.lines).startswith(" ".join(one.lines) + " ")


def _rolls(one: Shown, other: Shown) -> bool:
    if one.lines == other.lines:
        return False
    return _repeated(one, other) > 0 or _grows(one, other)


def _new_part(before: Shown, cue: Shown) -> Shown:
    repeated = _repeated(before, cue)
    if repeated == 0 and _grows(before, cue):
        fresh = " ".join(cue.lines)[len(" ".join(before.lines)) + 1 :]
        return Shown(cue.line, cue.start_s, cue.end_s, (fresh,), (fresh,))
    return Shown(cue.line, cue.start_s, cue.end_s, cue.lines[repeated:], cue.raw[repeated:])
