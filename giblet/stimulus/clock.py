"""One clock for a film's picture, sound and length, also where its time stamps break.

A film's packets carry time stamps. In an undamaged file they run on from the film's start to
its end, and the clock is just their zero. Otherwise the clock says when each packet is played:

* *Stamps that start again* (recordings joined into one file) and, in transport streams, stamps
  that jump ahead by `JUMP_S` or more: each recording is played when the one before it has
  ended, as media players do. Picture and sound of a recording are moved together, so they stay
  in step.
* *A single stamp out of line* with those before and after it is put where they say.

Whatever cannot be played in one way only is refused (see :mod:`giblet.stimulus.gaps`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.stimulus.tracks import Track, only_flushes

# What ffmpeg and the players built on it take for a break in a format whose stamps may break.
JUMP_S = 10.0
# Streams of one recording start, and are stored, within this of each other.
SLACK_S = 5.0
# A stream's last packets of a recording may come after the other's first of the next one.
LATE_S = 1.0
# Pictures are stored up to 16 places from where they are shown (H.264's limit). A smaller step
# back than this is rounding, an earlier start than that much no other film time zero.
REORDERED = 17
FOLLOWING = 8
BACK_S = 0.25
START_S = 1.0
MOST_PIECES = 1000
MOST_STRAYS = 0.01
# In slides, a stamp far from its neighbours is no sign of damage.
LARGEST_STEP_S = 0.5


class BrokenStamps(Exception):
    """Time stamps that no one clock explains: from when on, and why."""

    def __init__(self, at_s: float, why: str) -> None:
        super().__init__(why)
        self.at_s = at_s


@dataclass
class Piece:
    """Packets of one track, from `first` up to `stop`, whose stamps run on.

    `ticks` are their stamps, `shift_s` is added to them.
    """

    track: Track
    first: int
    stop: int
    ticks: NDArray[np.int64]
    start_s: Fraction
    end_s: Fraction
    shift_s: Fraction = Fraction(0)


@dataclass
class Clock:
    """When each packet of a film is played.

    Attributes
    ----------
    zero_s : time on the container's clock that is film time 0
    pieces : of each stream, by its index
    strays : stamps put in place, by stream and number of the packet, in ticks
    joins_s : times on the container's clock at which a further recording is played
    """

    zero_s: Fraction
    pieces: dict[int, list[Piece]]
    strays: dict[int, dict[int, int]] = field(default_factory=dict)
    joins_s: list[Fraction] = field(default_factory=list)

    @property
    def end_s(self) -> Fraction:
        """Film time at which the last of picture and sound ends."""
        ends = [piece.end_s + piece.shift_s for parts in self.pieces.values() for piece in parts]
        return max([*ends, self.zero_s]) - self.zero_s

    @property
    def as_stamped(self) -> bool:
        """Whether every packet is played when its own stamp says."""
        return not self.joins_s and not any(self.strays.values())

    def restamped(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Packets with the stamps they are played by; they come from the film's start."""
        return packets if self.as_stamped else self._moved(packets)

    def _moved(self, packets: Iterator[Any]) -> Iterator[Any]:
        count = dict.fromkeys(self.pieces, 0)
        place = dict.fromkeys(self.pieces, 0)
        for packet in packets:
            index = packet.stream_index
            if index in count and not only_flushes(packet):
                number, pieces = count[index], self.pieces[index]
                count[index] += 1
                while number >= pieces[place[index]].stop and place[index] + 1 < len(pieces):
                    place[index] += 1
                stray = self.strays.get(index, {}).get(number)
                _move(packet, pieces[place[index]].shift_s, stray)
            yield packet


def _move(packet: Any, shift_s: Fraction, stray: int | None) -> None:
    if stray is not None:
        packet.pts = packet.dts = stray
    shift = round(shift_s / packet.time_base)
    if not shift:
        return
    if packet.pts is not None:
        packet.pts += shift
    if packet.dts is not None:
        packet.dts += shift


def make_clock(tracks: Sequence[Track], start_s: Fraction, discontinuous: bool) -> Clock:
    """The clock of a film's tracks.

    Parameters
    ----------
    start_s
        Earliest start time of the streams, by the header.
    discontinuous
        Whether the format's stamps may jump ahead (transport streams).

    Raises
    ------
    BrokenStamps
        If picture and sound break at different places, or everywhere.
    """
    strays: dict[int, dict[int, int]] = {}
    pieces: dict[int, list[Piece]] = {}
    straight = {track.index: straightened(track) for track in tracks}
    for track in tracks:
        ticks, strays[track.index] = straight[track.index]
        others = [other for other in tracks if other is not track] if discontinuous else None
        starts = [0, *breaks(track, ticks, others), len(track)]
        pieces[track.index] = [
            _piece(track, ticks, first, stop) for first, stop in pairwise(starts)
        ]
    clock = Clock(start_s, pieces, strays)
    played = [piece for parts in pieces.values() for piece in parts]
    if any(len(parts) > 1 for parts in pieces.values()):
        recordings = joined(played)
        clock.joins_s = lay(recordings)
    first_s = min((piece.start_s + piece.shift_s for piece in played), default=start_s)
    if abs(float(first_s - start_s)) > START_S:
        clock.zero_s = first_s
    return clock


def _piece(track: Track, ticks: NDArray[np.int64], first: int, stop: int) -> Piece:
    part = ticks[first:stop]
    shown = part[~track.hidden[first:stop]] if not track.hidden[first:stop].all() else part
    length = track.length_ticks[first:stop]
    end_s = int((part + length).max()) * track.time_base
    if track.kind == "video" and not length.all():
        end_s = max(end_s, int(part[length == 0].max()) * track.time_base + track.usual_s)
    return Piece(track, first, stop, part, int(shown.min()) * track.time_base, end_s)


def straightened(track: Track) -> tuple[NDArray[np.int64], dict[int, int]]:
    """Stamps with single ones out of line put in place, and those put in place, by number."""
    ticks, times, step_s = track.ticks, track.seconds(track.ticks), track.step_s
    places = REORDERED if track.kind == "video" else 1
    if len(ticks) <= 2 * places or step_s > LARGEST_STEP_S:
        return ticks, {}
    before, here, after = times[:-2], times[1:-1], times[2:]
    # Far from both of its neighbours, which are near each other.
    off = (np.abs(here - before) > JUMP_S) & (np.abs(here - after) > JUMP_S)
    off &= np.abs(after - before) < JUMP_S / 2
    found = [
        int(number) for number in np.flatnonzero(off) + 1 if _alone(times, int(number), places)
    ]
    if not found or len(found) > max(1, MOST_STRAYS * len(ticks)):
        return ticks, {}
    step = round(step_s / float(track.time_base))
    ticks = ticks.copy()
    for number in found:
        ticks[number] = ticks[number - 1] + step
    return ticks, {int(number): int(ticks[number]) for number in found}


def _alone(times: NDArray[np.float64], number: int, places: int) -> bool:
    """Whether a packet is further from where its stamp belongs than it may be stored."""
    earlier = times[max(0, number - places) : number]
    later = times[number + 1 : number + 1 + places]
    if times[number] > times[number - 1]:
        return len(later) == places and bool(times[number] > later.max())
    return len(earlier) == places and bool(times[number] < earlier.min())


def breaks(track: Track, ticks: NDArray[np.int64], others: Sequence[Track] | None) -> list[int]:
    """Numbers of the packets whose stamps do not run on from those before them.

    Parameters
    ----------
    others
        The film's other tracks, over whose content a picture may stand. None if the format's
        stamps do not jump ahead.
    """
    found: list[int] = []
    first = 0
    while len(found) < MOST_PIECES:
        broken = _broken(track, ticks, first)
        if others is not None:
            broken |= _ahead(track, ticks, first, others)
        broken &= ~track.hidden[first:]
        at = int(np.argmax(broken)) if len(broken) else 0
        if not len(broken) or not broken[at]:
            return found
        first += at
        found.append(first)
    at_s = float(track.seconds(ticks)[found[0] - 1])
    raise BrokenStamps(at_s, "its time stamps are out of order throughout")


def _broken(track: Track, ticks: NDArray[np.int64], first: int) -> NDArray[np.bool_]:
    """Which of the packets from `first` on step back; never the first one.

    A step back breaks the stamps if the packet starts a picture of its own (a key picture
    comes after all before it), or if it is further than pictures are ever stored out of order.
    """
    times = track.seconds(ticks[first:])
    broken = np.zeros(len(times), bool)
    latest = np.maximum.accumulate(times)
    back = latest[:-1] - times[1:]
    if track.kind == "audio":
        broken[1:] = back > BACK_S
    else:
        broken[1:] = track.keys[first + 1 :] & (back > max(BACK_S, 2 * track.step_s))
        late = np.flatnonzero(latest[:-REORDERED] - times[REORDERED:] > BACK_S)
        if len(late):
            # The step back itself is among the packets before.
            steps = np.diff(times[late[0] : late[0] + REORDERED + 1])
            broken[late[0] + 1 + int(np.argmin(steps))] = True
    return broken


def _ahead(
    track: Track, ticks: NDArray[np.int64], first: int, others: Sequence[Track]
) -> NDArray[np.bool_]:
    """Which of the packets from `first` on jump ahead, over nothing of the other tracks."""
    times, lengths = track.seconds(ticks[first:]), track.seconds(track.length_ticks[first:])
    ends = np.maximum.accumulate(times + np.minimum(lengths, JUMP_S))
    broken = np.zeros(len(times), bool)
    # A picture stored before others that are shown earlier is no jump.
    padded = np.append(times, [np.inf] * (FOLLOWING - 1))
    soonest = np.lib.stride_tricks.sliding_window_view(padded, FOLLOWING).min(axis=1)
    for number in np.flatnonzero(soonest[1:] - ends[:-1] >= JUMP_S):
        start, stop = ends[number], soonest[number + 1]
        places = track.order[first + number], track.order[first + number + 1]
        filled: set[float] = set()
        for other in others:
            between = slice(*np.searchsorted(other.order, places))
            stamps = other.seconds(other.ticks[between])
            filled.update(np.floor(stamps[(stamps > start) & (stamps < stop)]).tolist())
        broken[number + 1] = len(filled) < (stop - start) / 2
    return broken


def joined(pieces: Sequence[Piece]) -> list[dict[int, Piece]]:
    """Pieces of picture and sound that belong together: recordings, in the order of the file.

    Raises
    ------
    BrokenStamps
        If one stream's stamps break where another's run on.
    """
    in_order = sorted(pieces, key=lambda piece: int(piece.track.order[piece.first]))
    recordings: list[dict[int, Piece]] = []
    for piece in in_order:
        if recordings and _belongs(piece, recordings[-1]):
            recordings[-1][piece.track.index] = piece
        else:
            recordings.append({piece.track.index: piece})
    for earlier, later in pairwise(recordings):
        begin = min(int(piece.track.order[piece.first]) for piece in later.values())
        for piece in earlier.values():
            _refuse_running_on(piece, begin, later)
        if not set(earlier) & set(later):
            end = max(float(piece.end_s) for piece in earlier.values())
            raise BrokenStamps(end, "the time stamps of its picture and sound break differently")
    return recordings


def _belongs(piece: Piece, recording: dict[int, Piece]) -> bool:
    if piece.track.index in recording:
        return False
    others = recording.values()
    start = min(other.start_s for other in others) - Fraction(SLACK_S)
    return start <= piece.start_s <= max(other.end_s for other in others) + Fraction(SLACK_S)


def _refuse_running_on(piece: Piece, begin: int, later: dict[int, Piece]) -> None:
    """Refuse a stream that goes on over a break of another one."""
    order = piece.track.order[piece.first : piece.stop]
    after = piece.first + int(np.searchsorted(order, begin))
    if after >= piece.stop:
        return
    rest = piece.track.seconds(piece.ticks[after - piece.first :])
    if float(rest.max() - rest.min()) > LATE_S:
        names = {"video": "picture", "audio": "sound"}
        other = next(iter(later.values())).track.kind
        raise BrokenStamps(
            float(rest.min()),
            f"the time stamps of its {names[other]} break there, those of its "
            f"{names[piece.track.kind]} run on",
        )


def lay(recordings: Sequence[dict[int, Piece]]) -> list[Fraction]:
    """Play recordings one after the other; the times at which the later ones start."""
    starts: list[Fraction] = []
    end: Fraction | None = None
    for recording in recordings:
        pieces = recording.values()
        begin = min(piece.start_s for piece in pieces)
        shift = Fraction(0) if end is None else end - begin
        for piece in pieces:
            # In whole ticks, as the packets are moved.
            piece.shift_s = round(shift / piece.track.time_base) * piece.track.time_base
        if end is not None:
            starts.append(end)
        end = max(piece.end_s + piece.shift_s for piece in pieces)
    return starts
