"""Films: opening them, their time axis, and decoding them as a stream.

Film time
---------
*Film time zero* is the moment a player starts at: the earliest start time of the film's
picture and sound. Both keep their true offset from it, so a film whose sound starts 0.2 s
after the picture is heard 0.2 s late here too. Every time comes from presentation time
stamps; nothing is counted. Edit lists, B-frames and codec delay have been accounted for by
libavformat in those stamps, and breaks of the stamps by one :class:`~giblet.stimulus.clock.Clock`
for picture, sound and length.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from giblet.errors import MediaError
from giblet.stimulus.container import opened, streams_of
from giblet.stimulus.timeline import Timeline, read_timeline
from giblet.stimulus.tracks import MEDIA_FAULTS, decoding_times, fault_text, usual_length
from giblet.timing import Exact, as_fraction, covered_trs

# Containers such as Matroska round times to a millisecond: a film 1 ms short of its last TR
# covers it.
ROUNDING_S = Fraction(1, 200)


@dataclass(frozen=True)
class Film:
    """An open film: its streams and its timeline."""

    path: Path
    container: Any
    video: Any | None
    audio: Any | None
    timeline: Timeline

    @property
    def zero_s(self) -> Fraction:
        """Time on the container's clock that is film time zero."""
        return self.timeline.clock.zero_s


@contextmanager
def open_film(path: str | Path, until_s: Fraction | None = None) -> Iterator[Film]:
    """Open a film for one pass of decoding.

    Its time stamps are read first, to the end or somewhat beyond `until_s` of film time; what
    is wrong with them until then is said.

    Raises
    ------
    MediaError
        If the file is missing, is not a film, holds neither picture nor sound, or has time
        stamps that no one clock explains.
    """
    path = Path(path)
    timeline = read_timeline(path, until_s)
    with opened(path) as container:
        video, audio = streams_of(path, container)
        if video is not None:
            video.thread_type = "AUTO"
            # A job's share of the machine (see giblet.jobs); 0 lets libavcodec choose.
            video.codec_context.thread_count = int(os.environ.get("OMP_NUM_THREADS", "0"))
        yield Film(path, container, video, audio, timeline)


def decoded(film: Film, stream: Any, damaged: str = "error") -> Iterator[tuple[Fraction, Any]]:
    """Decode one stream from its start.

    Parameters
    ----------
    damaged
        ``error``: refuse a film that is cut short or cannot be decoded somewhere.
        ``partial``: warn, leave out what cannot be decoded and go on.

    Yields
    ------
    (film time in seconds, PyAV frame)
        In the order of presentation; a frame without a time stamp follows the one before it.

    Raises
    ------
    MediaError
        With the film time at which it breaks, when `damaged` is ``error``.
    """
    warned = False
    index, zero_s = stream.index, film.zero_s
    last: tuple[Fraction, Any] | None = None
    due = _Due() if decoding_times(stream) else None
    for packet in packets(film, stream, damaged):
        # The last, empty packets carry another stream's number where a stream has no decoder.
        if packet.stream_index != index or packet.stream is not stream:
            continue
        if due is not None:
            due.sent(packet)
        try:
            frames = packet.decode()
        except MEDIA_FAULTS as error:
            if not warned:
                film.timeline.complain(packet_end(film, packet), fault_text(error), damaged)
            warned = True
            continue
        for frame in frames:
            pts = frame.pts if due is None else due.stamp(frame)
            tick = frame.time_base
            if tick is None or (pts is None and last is None):
                continue
            if pts is not None:
                # pts * tick - zero_s, reduced once.
                above = pts * tick.numerator * zero_s.denominator
                above -= zero_s.numerator * tick.denominator
                time_s = Fraction(above, tick.denominator * zero_s.denominator)
            elif last is not None:
                time_s = last[0] + _frame_length(last[1], usual_length(stream))
            last = (time_s, frame)
            yield last


class _Due:
    """Stamps in order, for pictures that carry those of their decoding.

    Pictures leave the decoder in the order in which they are shown, each after its own packet:
    the earliest stamp sent so far is the next one's.
    """

    # Pictures that a decoder holds back at most, H.264's 16 and some threads'.
    MOST = 64

    def __init__(self) -> None:
        self._stamps: list[int] = []

    def sent(self, packet: Any) -> None:
        if packet.dts is not None:
            heapq.heappush(self._stamps, packet.dts)

    def stamp(self, frame: Any) -> int | None:
        # Packets without a picture leave theirs behind.
        while len(self._stamps) > self.MOST:
            heapq.heappop(self._stamps)
        return heapq.heappop(self._stamps) if self._stamps else frame.pts


def _frame_length(frame: Any, usual_s: Fraction) -> Fraction:
    if frame.duration:
        return frame.duration * frame.time_base
    samples = getattr(frame, "samples", 0)
    return Fraction(samples, frame.sample_rate) if samples and frame.sample_rate else usual_s


def packets(film: Film, stream: Any, damaged: str) -> Iterator[Any]:
    """Packets of a stream as the clock plays them, then check whether the film was cut short."""
    last: Any = None
    incoming = film.timeline.clock.restamped(film.container.demux(stream))
    while True:
        try:
            packet = next(incoming)
        except StopIteration:
            break
        except MEDIA_FAULTS as error:
            reached = None if last is None else packet_end(film, last)
            film.timeline.complain(reached, fault_text(error), damaged)
            return
        if packet.pts is not None:
            last = packet
        yield packet
    film.timeline.complain_if_cut(damaged)


def packet_end(film: Film, packet: Any) -> Fraction | None:
    """Film time at which a packet's content ends; None for packets without a time."""
    if packet.pts is None or packet.time_base is None:
        return None
    return (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base) - film.zero_s


def film_duration(timeline: Timeline, damaged: str = "error") -> Fraction:
    """Length of a film in seconds, from the time stamps of its packets (not decoded).

    From film time zero to the end of the picture or of the sound, whichever ends last.
    """
    timeline.complain_if_cut(damaged)
    return timeline.clock.end_s


def run_length(
    movie: str | Path,
    tr_s: Exact,
    movie_onset_s: Exact = 0,
    n_trs: int = 0,
    damaged: str = "error",
) -> int:
    """Number of TRs of a run.

    Parameters
    ----------
    n_trs
        Length given in the runs table; 0 stands for as many whole TRs as the film covers.
        The film is opened only then.

    Raises
    ------
    MediaError
        If the film cannot be read, or covers no whole TR.
    """
    if n_trs:
        return int(n_trs)
    duration = film_duration(read_timeline(Path(movie)), damaged)
    length = covered_trs(duration + ROUNDING_S, tr_s, movie_onset_s)
    if length == 0:
        raise MediaError(
            f"{movie}: lasts {float(duration):.3f} s and starts at {movie_onset_s} s, which "
            f"covers no whole TR of {tr_s} s: correct movie_onset_s or n_trs in the runs table"
        )
    return length


def run_end(n_trs: int, tr_s: Exact, movie_onset_s: Exact) -> Fraction:
    """Film time at which a run ends."""
    return n_trs * as_fraction(tr_s) - as_fraction(movie_onset_s)
