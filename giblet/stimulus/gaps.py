"""What is missing or contradictory on a film's clock: holes, and streams that end apart.

Stamps may leave holes. Some are meant (a still picture in a film of varying frame rate, sound
that starts late), some tell of a stream that was interrupted, and some are damage: a film of
12 s one of whose stamps makes it last a day and a half.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from giblet.stimulus.clock import Clock, Piece

# Shortest time that is worth a word: without anything, and without sound under pictures.
HOLE_S = 2.0
SILENT_S = 1.0
# A picture may stand this long in a film without sound, and a stream end this much earlier.
STILL_S = 10.0
APART_SHARE = 0.1
# A stream that jumps ends later than the other by as much as it jumps.
ALIKE_SHARE = 0.1
# Pictures that each stand so long are slides: how long the next one stands tells nothing.
SLIDE_S = 0.5
# Many long stills in a silent film are its way: a recording of a screen.
MEANT = 4
# A hole this long, and longer than all the rest of the film, is damage.
IMPOSSIBLE_S = 600.0
LONGEST_S = 24 * 3600.0
NAMES = {"video": "picture", "audio": "sound"}

Spans: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Trouble:
    """Something the user should know of: when in film time, what, and whether it is fatal."""

    at_s: float
    text: str
    fatal: bool = False


def troubles(clock: Clock, stated_end_s: Fraction | None, complete: bool) -> list[Trouble]:
    """What is missing or contradictory, in order of time.

    Parameters
    ----------
    stated_end_s
        Film time at which the header says the film ends.
    complete
        Whether the pieces are those of the whole film, so that their ends tell something.
    """
    spans = {
        parts[0].track.kind: covered(parts, float(clock.zero_s))
        for parts in clock.pieces.values()
        if parts
    }
    found = list(_told_by_clock(clock))
    if spans:
        end_s = float(clock.end_s)
        stated_s = None if stated_end_s is None or not complete else float(stated_end_s)
        found += _holes(spans, end_s, stated_s)
        if complete:
            found += _ends(spans)
        if end_s > LONGEST_S and not any(trouble.fatal for trouble in found):
            text = f"by its time stamps it would last {end_s:.0f} s, more than a day"
            found.append(Trouble(0.0, text, True))
    return sorted(found, key=lambda trouble: trouble.at_s)


def _told_by_clock(clock: Clock) -> Iterator[Trouble]:
    if clock.joins_s:
        at = [float(time - clock.zero_s) for time in clock.joins_s]
        yield Trouble(
            at[0],
            f"its time stamps start anew at {_seconds(at)}: {len(at) + 1} recordings in one file, "
            "played one after the other as media players do",
        )
    for index, moved in clock.strays.items():
        if moved:
            track = clock.pieces[index][0].track
            ends = [float(stamp * track.time_base - clock.zero_s) for stamp in moved.values()]
            what = NAMES[track.kind]
            yield Trouble(
                min(ends),
                f"{len(moved)} time stamp(s) of its {what} are out of line at {_seconds(ends)}; "
                "put where their neighbours say",
            )


def _seconds(times: list[float]) -> str:
    shown = ", ".join(f"{time:.3f} s" for time in times[:5])
    return shown + (", …" if len(times) > 5 else "")


def covered(parts: list[Piece], zero_s: float) -> Spans:
    """Spans of film time (n, 2) that a stream fills, longest pauses left open.

    A picture fills the time until the next one, but for steps far beyond the usual.
    """
    track = parts[0].track
    starts = np.concatenate([_played(piece) for piece in parts]) - zero_s
    lengths = track.seconds(track.length_ticks)
    order = np.argsort(starts, kind="stable")
    starts, lengths = starts[order], np.maximum(lengths[order], 0)
    if track.kind == "video":
        until = np.append(starts[1:], starts[-1] + max(lengths[-1], track.step_s))
        stand = until - starts
        usual = float(np.median(stand))
        if usual >= SLIDE_S:
            ends = until
        else:
            ends = np.where(stand > max(HOLE_S, 5 * usual), starts + usual, until)
    else:
        # In mp4, the block before an interruption is said to last until its end.
        usual = float(np.median(lengths))
        lengths = np.where(lengths > max(SILENT_S, 4 * usual), usual, lengths)
        ends = starts + lengths
        # A block without a length lasts until the next one.
        unknown = lengths == 0
        ends[:-1][unknown[:-1]] = starts[1:][unknown[:-1]]
    return merged(starts, ends, SILENT_S)


def _played(piece: Piece) -> NDArray[np.float64]:
    return piece.track.seconds(piece.ticks) + float(piece.shift_s)


def merged(starts: NDArray[np.float64], ends: NDArray[np.float64], bridge_s: float) -> Spans:
    """Spans in order of their starts, those less than `bridge_s` apart made one."""
    reach = np.maximum.accumulate(ends)
    new = np.flatnonzero(starts[1:] - reach[:-1] >= bridge_s) + 1
    first = np.concatenate([[0], new])
    last = np.concatenate([new - 1, [len(starts) - 1]])
    return np.stack([starts[first], reach[last]], axis=1)


def _pauses(span: Spans) -> Spans:
    return np.stack([span[:-1, 1], span[1:, 0]], axis=1)


def _holes(spans: dict[str, Spans], end_s: float, stated_s: float | None) -> Iterator[Trouble]:
    """Times during which there is neither picture nor sound, and interruptions of the sound."""
    both = np.concatenate(list(spans.values()))
    both = both[np.argsort(both[:, 0], kind="stable")]
    whole = merged(both[:, 0], both[:, 1], HOLE_S)
    filled = float((whole[:, 1] - whole[:, 0]).sum())
    holes = _pauses(whole)
    # The last picture may be stamped to stand for long.
    holes = np.append(holes, [[whole[-1, 1], max(end_s, whole[-1, 1])]], axis=0)
    still = "audio" not in spans
    for start, end in holes:
        impossible = end - start > max(IMPOSSIBLE_S, filled)
        beyond = stated_s is not None and end > stated_s + HOLE_S and end - start > HOLE_S
        if impossible or beyond:
            why = f", beyond the {stated_s:.3f} s its header states" if beyond else ""
            yield Trouble(
                start, f"its time stamps jump from {start:.3f} s to {end:.3f} s{why}", True
            )
        elif end - start >= (STILL_S if still or end == end_s else HOLE_S):
            if still and len(holes) > MEANT:
                continue
            yield Trouble(
                start,
                f"nothing is in it from {start:.3f} s to {end:.3f} s; the picture stands still "
                "and there is no sound for so long",
            )
    if len(spans) == 2:
        yield from _interruptions(_pauses(spans["audio"]), holes)


def _interruptions(pauses: Spans, holes: Spans) -> Iterator[Trouble]:
    for start, end in pauses:
        if not any(abs(start - hole[0]) < HOLE_S for hole in holes[:-1]):
            yield Trouble(
                start,
                f"its sound is interrupted from {start:.3f} s to {end:.3f} s; silence is used "
                "there",
            )


def _ends(spans: dict[str, Spans]) -> Iterator[Trouble]:
    """Streams that end apart, and jumps of one stream that make it end later than the other."""
    if len(spans) < 2:
        return
    ends = {kind: float(span[-1, 1]) for kind, span in spans.items()}
    short, long = sorted(ends, key=lambda kind: ends[kind])
    apart = ends[long] - ends[short]
    much = apart >= STILL_S and apart >= APART_SHARE * ends[long]
    for start, end in _pauses(spans[long]):
        step = end - start
        same = abs(step - apart) < SILENT_S / 2 + ALIKE_SHARE * apart
        if (
            start < ends[short] - SILENT_S
            and apart >= HOLE_S
            and (same or (much and 2 * step > apart))
        ):
            text = (
                f"the time stamps of its {NAMES[long]} jump from {start:.3f} s to {end:.3f} s, "
                f"those of its {NAMES[short]} do not"
            )
            yield Trouble(float(start), text, True)
            return
    if much:
        rest = "silence" if short == "audio" else "no picture"
        yield Trouble(
            ends[short],
            f"its {NAMES[short]} ends at {ends[short]:.3f} s, its {NAMES[long]} at "
            f"{ends[long]:.3f} s; {rest} in between",
        )
