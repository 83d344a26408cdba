"""The time stamps of a film's picture and sound, read from its packets without decoding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

# What PyAV raises on damaged files: its own errors, and what Python's own code in it does.
MEDIA_FAULTS = (
    FFmpegError,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    RuntimeError,
)
# A film is scanned somewhat beyond a run's end, so that a break near it is seen.
MARGIN_S = 30
LOOK_EVERY = 256
# Stamps beyond are no stamps; sums of two of them still fit 64 bits.
LARGEST = 2**61


@dataclass(frozen=True)
class Track:
    """Packets of one stream, in the order of the file.

    Attributes
    ----------
    kind : ``video`` or ``audio``
    ticks : int64 (n,), presentation time stamps in units of `time_base`
    length_ticks : int64 (n,), duration of each packet's content; 0 if unknown
    keys : bool (n,), packets from which decoding can start
    missing : bool (n,), packets without a stamp, which stand where the one before them ends
    hidden : bool (n,), packets that are decoded but not shown (before an edit list's start)
    order : int64 (n,), position among the packets of all tracks
    usual_s : usual time between pictures, by the header; 0 if unknown
    """

    index: int
    kind: str
    time_base: Fraction
    usual_s: Fraction
    ticks: NDArray[np.int64]
    length_ticks: NDArray[np.int64]
    keys: NDArray[np.bool_]
    missing: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    order: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ticks)

    def seconds(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Stamps or durations in seconds."""
        return np.asarray(ticks * float(self.time_base), np.float64)

    @property
    def step_s(self) -> float:
        """Median time between neighbouring packets, in order of time."""
        steps = np.diff(np.sort(self.seconds(self.ticks)))
        return float(np.median(steps)) if len(steps) else float(self.usual_s)


@dataclass(frozen=True)
class Scan:
    """What one pass over a film's packets finds.

    Attributes
    ----------
    tracks : of picture and sound, those that hold packets
    reached_s : latest end of a packet of any stream, on the container's clock
    fault : what broke off the pass; "" if nothing did
    complete : whether the pass reached the film's end
    """

    tracks: tuple[Track, ...]
    reached_s: Fraction | None
    fault: str
    complete: bool


class _Rows:
    """Packets of one stream as they come."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.usual_s = stream, usual_length(stream)
        self.time_base = Fraction(stream.time_base)
        self.decoding_times = decoding_times(stream)
        self.rows: list[tuple[int, int, bool, bool, bool, int]] = []
        self.content = self.last = 0

    def add(self, packet: Any, order: int) -> None:
        """Keep a packet."""
        stamp, length = packet.pts, max(packet.duration or 0, 0)
        if stamp is None or self.decoding_times:
            stamp = packet.dts
        missing = stamp is None or abs(stamp) + length > LARGEST
        if missing:
            stamp, length = self.last, 0
        self.last = stamp + length
        self.content += length
        self.rows.append((stamp, length, packet.is_keyframe, missing, packet.is_discard, order))

    @property
    def content_s(self) -> Fraction:
        """Seconds of content so far, whatever the stamps say."""
        return max(self.content * self.time_base, len(self.rows) * self.usual_s)

    def track(self) -> Track:
        """The columns as arrays."""
        kinds = (np.int64, np.int64, bool, bool, bool, np.int64)
        columns = zip(zip(*self.rows, strict=True), kinds, strict=True)
        arrays = [np.array(column, kind) for column, kind in columns]
        return Track(self.stream.index, self.stream.type, self.time_base, self.usual_s, *arrays)


def decoding_times(stream: Any) -> bool:
    """Whether a stream's stamps count pictures in the order of decoding, as those of avi do."""
    return (
        stream.type == "video"
        and stream.container.format.name == "avi"
        and stream.codec_context is not None
        and bool(stream.codec_context.has_b_frames)
    )


def only_flushes(packet: Any) -> bool:
    """Whether a packet is one of the empty ones at a film's end, for the decoders."""
    return packet.pts is None and packet.dts is None and not packet.size


def usual_length(stream: Any) -> Fraction:
    """Usual time between the frames of a video stream, in seconds; 0 if unknown."""
    rate = getattr(stream, "average_rate", None) or getattr(stream, "guessed_rate", None)
    return 1 / Fraction(rate) if rate else Fraction(0)


def fault_text(error: BaseException) -> str:
    """What libav says, without its number and the file's name."""
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def scan(container: Any, streams: Sequence[Any], until_s: Fraction | None = None) -> Scan:
    """Read the stamps of all packets, or of those of the first `until_s` seconds of content."""
    rows = {stream.index: _Rows(stream) for stream in streams}
    others: dict[int, Fraction] = {}
    limit_s = None if until_s is None else max(until_s, Fraction(0)) + MARGIN_S
    incoming, order, fault, complete = container.demux(), 0, "", False
    while True:
        try:
            packet = next(incoming, None)
        except MEDIA_FAULTS as error:
            fault = fault_text(error)
            break
        if packet is None:
            complete = True
            break
        if only_flushes(packet):
            continue
        of = rows.get(packet.stream_index)
        if of is None:
            if packet.pts is not None and packet.time_base is not None:
                end_s = (packet.pts + (packet.duration or 0)) * packet.time_base
                others[packet.stream_index] = max(end_s, others.get(packet.stream_index, end_s))
            continue
        order += 1
        of.add(packet, order)
        if limit_s is not None and order % LOOK_EVERY == 0 and _all_beyond(rows, limit_s):
            break
    tracks = tuple(of.track() for of in rows.values() if of.rows)
    ends = [*others.values(), *(_end_s(track) for track in tracks)]
    return Scan(tracks, max(ends, default=None), fault, complete)


def _all_beyond(rows: dict[int, _Rows], limit_s: Fraction) -> bool:
    return all(of.content_s > limit_s for of in rows.values())


def _end_s(track: Track) -> Fraction:
    return int((track.ticks + track.length_ticks).max()) * track.time_base
