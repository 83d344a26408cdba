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

import av
from av.format import Flags

from giblet import notices
from giblet.errors import MediaError
from giblet.paths import for_libav
from giblet.stimulus.clock import BrokenStamps, Clock, make_clock
from giblet.stimulus.gaps import troubles
from giblet.stimulus.tracks import (
    MEDIA_FAULTS,
    Scan,
    decoding_times,
    fault_text,
    scan,
    usual_length,
)
from giblet.timing import Exact, as_fraction, covered_trs

# Containers that state their length in a header, so that a file cut short can be told. The
# others' length is worked out from what is there, or from the bit rate.
STATES_LENGTH = ("mov", "matroska", "avi")
CUT_TOLERANCE_S = Fraction(1)
# Containers such as Matroska round times to a millisecond: a film 1 ms short of its last TR
# covers it.
ROUNDING_S = Fraction(1, 200)
# 8192 x 8192: beyond, a header is damaged rather than a picture large.
MOST_PIXELS = 2**26
DAMAGED = "stimulus/damaged"
CONVERT = "convert it again from its source, or to mp4 or mkv"


@dataclass(frozen=True)
class Film:
    """An open film: its streams and its clock."""

    path: Path
    container: Any
    video: Any | None
    audio: Any | None
    clock: Clock
    scan: Scan

    @property
    def zero_s(self) -> Fraction:
        """Time on the container's clock that is film time zero."""
        return self.clock.zero_s

    def film_time(self, pts: int, time_base: Fraction) -> Fraction:
        """Seconds of film time of a time stamp."""
        return pts * Fraction(time_base) - self.clock.zero_s

    @property
    def stated_end_s(self) -> Fraction | None:
        """Film time at which the header says the film ends, where a header says so."""
        return _stated_end_s(self.container, self.clock)


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
    with _opened(path) as container:
        video, audio = _streams(path, container)
        clock, found = _scanned(path, container, video, audio, until_s)
    with _opened(path) as container:
        video, audio = _streams(path, container)
        if video is not None:
            video.thread_type = "AUTO"
            # A job's share of the machine (see giblet.jobs); 0 lets libavcodec choose.
            video.codec_context.thread_count = int(os.environ.get("OMP_NUM_THREADS", "0"))
        yield Film(path, container, video, audio, clock, found)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        container = av.open(for_libav(path), metadata_errors="replace")
    except FileNotFoundError as error:
        raise MediaError(
            f"{path}: no such film: correct the column 'movie' of the runs table"
        ) from error
    except IsADirectoryError as error:
        raise MediaError(
            f"{path}: is a folder, not a film: name the film file in the column 'movie' of "
            "the runs table"
        ) from error
    except PermissionError as error:
        raise MediaError(f"{path}: the film cannot be read: you have no permission") from error
    except MEDIA_FAULTS as error:
        size = path.stat().st_size if path.exists() else 0
        raise MediaError(
            f"{path}: not a film that can be opened ({size} bytes; {fault_text(error)}): play it "
            "in a media player; if it does not play there, copy or download it again"
        ) from error
    with container:
        yield container


def _streams(path: Path, container: Any) -> tuple[Any | None, Any | None]:
    """The picture and the sound that a player would choose."""
    video = _main_stream(path, container.streams.video, "picture")
    audio = _main_stream(path, container.streams.audio, "sound")
    if video is None and audio is None:
        kinds = ", ".join(stream.type for stream in container.streams) or "nothing"
        raise MediaError(
            f"{path}: holds neither picture nor sound (found: {kinds}): name a film in the "
            "column 'movie' of the runs table"
        )
    if video is not None:
        pixels = video.codec_context.width * video.codec_context.height
        if pixels > MOST_PIXELS:
            raise MediaError(
                f"{path}: its pictures are said to have {video.codec_context.width} x "
                f"{video.codec_context.height} pixels, more than {MOST_PIXELS} in all: the file "
                "is damaged, or scale it down"
            )
    return video, audio


def _main_stream(path: Path, streams: Any, name: str) -> Any | None:
    """The stream a player would choose: the default one, else the first; no cover art."""
    disposition = av.stream.Disposition
    playable = [
        stream
        for stream in streams
        if stream.codec_context is not None and not stream.disposition & disposition.attached_pic
    ]
    default = [stream for stream in playable if stream.disposition & disposition.default]
    if len(playable) > 1 and len(default) != 1:
        kinds = ", ".join(_described(stream) for stream in playable)
        notices.warn(
            f"{path}: has {len(playable)} streams of {name} ({kinds}), none of them marked as the "
            "only default; the first default one, or else the first, is used. Remove the others "
            "if another one was shown"
        )
    return (default or playable or [None])[0]


def _described(stream: Any) -> str:
    return f"{stream.language or 'no language'} {stream.codec_context.name}"


def _scanned(
    path: Path, container: Any, video: Any, audio: Any, until_s: Fraction | None
) -> tuple[Clock, Scan]:
    """The film's clock; what is wrong with its stamps until `until_s` is said."""
    streams = [stream for stream in (video, audio) if stream is not None]
    flags = Flags(container.format.flags)
    found = scan(container, streams, until_s)
    unstamped = [track for track in found.tracks if track.missing.all()]
    if video is not None and (
        Flags.no_timestamps in flags or any(track.kind == "video" for track in unstamped)
    ):
        raise MediaError(
            f"{path}: its pictures have no time stamps ({container.format.name}, a bare stream of "
            f"{video.codec_context.name}), so when each is shown is not known: convert it to mp4 "
            f"or mkv at its frame rate, for instance: ffmpeg -framerate 24 -i {path.name} -c copy "
            f"{path.stem}.mp4"
        )
    starts = [
        stream.start_time * Fraction(stream.time_base)
        for stream in streams
        if stream.start_time is not None
    ]
    start_s = min(starts) if starts else Fraction(container.start_time or 0, av.time_base)
    try:
        clock = make_clock(found.tracks, start_s, Flags.ts_discont in flags)
    except BrokenStamps as broken:
        at_s = max(broken.at_s - float(start_s), 0)
        raise MediaError(f"{path}: at {at_s:.3f} s {broken}: {CONVERT}") from broken
    told = [
        trouble
        for trouble in troubles(clock, _stated_end_s(container, clock), found.complete)
        if until_s is None or trouble.at_s < until_s
    ]
    for trouble in told:
        if trouble.fatal:
            raise MediaError(f"{path}: {trouble.text}: {CONVERT}")
    for trouble in told:
        notices.warn(f"{path}: {trouble.text}; if that is not how it was shown, {CONVERT}")
    return clock, found


def _stated_end_s(container: Any, clock: Clock) -> Fraction | None:
    stated = any(name in container.format.name for name in STATES_LENGTH)
    # Of recordings joined into one file, the header is that of the first one.
    if not stated or container.duration is None or clock.joins_s:
        return None
    # Some Matroska writers count the length from the first time stamp, some from 0.
    start = min(container.start_time or 0, 0)
    return Fraction(start + container.duration, av.time_base) - clock.zero_s


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
    usual_s = usual_length(stream)
    until: Fraction | None = None
    due = _Due() if decoding_times(stream) else None
    for packet in packets(film, damaged):
        # The last, empty packets carry another stream's number where a stream has no decoder.
        if packet.stream_index != index or packet.stream is not stream:
            continue
        if due is not None:
            due.sent(packet)
        try:
            frames = packet.decode()
        except MEDIA_FAULTS as error:
            if not warned:
                _complain(film, packet_end(film, packet), fault_text(error), damaged)
            warned = True
            continue
        for frame in frames:
            pts = frame.pts if due is None else due.stamp(frame)
            if frame.time_base is None or (pts is None and until is None):
                continue
            time_s = until if pts is None else pts * frame.time_base - zero_s
            assert time_s is not None
            until = time_s + _frame_length(frame, usual_s)
            yield time_s, frame


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


def packets(film: Film, damaged: str) -> Iterator[Any]:
    """Packets of all streams as the clock plays them, then check whether the film was cut short."""
    last: Any = None
    incoming = film.clock.restamped(film.container.demux())
    while True:
        try:
            packet = next(incoming)
        except StopIteration:
            break
        except MEDIA_FAULTS as error:
            reached = None if last is None else packet_end(film, last)
            _complain(film, reached, fault_text(error), damaged)
            return
        if packet.pts is not None:
            last = packet
        yield packet
    _complain_if_cut(film, damaged)


def _complain_if_cut(film: Film, damaged: str) -> None:
    if film.scan.fault:
        _complain(film, _reached_s(film), film.scan.fault, damaged)
        return
    stated, reached = film.stated_end_s, _reached_s(film)
    if film.scan.complete and stated is not None and stated - reached > CUT_TOLERANCE_S:
        _complain(film, reached, "the file is cut short", damaged)


def _reached_s(film: Film) -> Fraction:
    reached = film.scan.reached_s
    return Fraction(0) if reached is None else max(reached - film.zero_s, Fraction(0))


def packet_end(film: Film, packet: Any) -> Fraction | None:
    """Film time at which a packet's content ends; None for packets without a time."""
    if packet.pts is None or packet.time_base is None:
        return None
    return film.film_time(packet.pts + (packet.duration or 0), packet.time_base)


def _complain(film: Film, time_s: Fraction | None, reason: str, damaged: str) -> None:
    stated = film.stated_end_s
    where = "near its start" if time_s is None else f"at {float(time_s):.3f} s"
    length = "" if stated is None else f" of {float(stated):.3f} s"
    what = f"{film.path}: the film breaks off or is damaged {where}{length} ({reason})"
    if damaged == "error":
        raise MediaError(
            f"{what}: copy it again, or set {DAMAGED} to 'partial' to go on without what is missing"
        )
    notices.warn(f"{what}; what is missing is left out")


def film_duration(film: Film, damaged: str = "error") -> Fraction:
    """Length of a film in seconds, from the time stamps of its packets (not decoded).

    From film time zero to the end of the picture or of the sound, whichever ends last.
    """
    _complain_if_cut(film, damaged)
    return film.clock.end_s


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
    with open_film(movie) as film:
        duration = film_duration(film, damaged)
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
