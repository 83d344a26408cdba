"""Films: opening them, their time axis, and decoding them as a stream.

Film time
---------
*Film time zero* is the moment a player starts at: the earliest start time of the film's
picture and sound. Both keep their true offset from it, so a film whose sound starts 0.2 s
after the picture is heard 0.2 s late here too. Every time comes from presentation time
stamps; nothing is counted. Edit lists, B-frames and codec delay have been accounted for by
libavformat in those stamps.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from giblet import notices
from giblet.errors import MediaError
from giblet.timing import Exact, covered_trs

# Containers that state their length in a header, so that a file cut short can be told. The
# others' length is worked out from what is there, or from the bit rate.
STATES_LENGTH = ("mov", "matroska", "avi")
CUT_TOLERANCE_S = Fraction(1)
# Containers such as Matroska round times to a millisecond: a film 1 ms short of its last TR
# covers it.
ROUNDING_S = Fraction(1, 200)
DAMAGED = "stimulus/damaged"


@dataclass(frozen=True)
class Film:
    """An open film: its streams, and the time on its container's clock that is zero."""

    path: Path
    container: Any
    video: Any | None
    audio: Any | None
    zero_s: Fraction

    def film_time(self, pts: int, time_base: Fraction) -> Fraction:
        """Seconds of film time of a time stamp."""
        return pts * Fraction(time_base) - self.zero_s

    @property
    def stated_end_s(self) -> Fraction | None:
        """Film time at which the header says the film ends, where a header says so."""
        container = self.container
        stated = any(name in container.format.name for name in STATES_LENGTH)
        if not stated or container.duration is None:
            return None
        # Some Matroska writers count the length from the first time stamp, some from 0.
        start = min(container.start_time or 0, 0)
        return Fraction(start + container.duration, av.time_base) - self.zero_s


@contextmanager
def open_film(path: str | Path) -> Iterator[Film]:
    """Open a film for one pass of decoding.

    Raises
    ------
    MediaError
        If the file is missing, is not a film, or holds neither picture nor sound.
    """
    path = Path(path)
    try:
        container = av.open(str(path), metadata_errors="replace")
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
    except (FFmpegError, OSError, ValueError) as error:
        size = path.stat().st_size if path.exists() else 0
        raise MediaError(
            f"{path}: not a film that can be opened ({size} bytes; {_reason(error)}): play it "
            "in a media player; if it does not play there, copy or download it again"
        ) from error
    with container:
        yield _film(path, container)


def _film(path: Path, container: Any) -> Film:
    video = _main_stream(container.streams.video)
    audio = _main_stream(container.streams.audio)
    if video is None and audio is None:
        kinds = ", ".join(stream.type for stream in container.streams) or "nothing"
        raise MediaError(
            f"{path}: holds neither picture nor sound (found: {kinds}): name a film in the "
            "column 'movie' of the runs table"
        )
    starts = [
        stream.start_time * Fraction(stream.time_base)
        for stream in (video, audio)
        if stream is not None and stream.start_time is not None
    ]
    if not starts:
        starts = [Fraction(container.start_time or 0, av.time_base)]
    if video is not None:
        video.thread_type = "AUTO"
        # A job's share of the machine (see giblet.jobs); 0 lets libavcodec choose.
        video.codec_context.thread_count = int(os.environ.get("OMP_NUM_THREADS", "0"))
    return Film(path, container, video, audio, min(starts))


def _main_stream(streams: Any) -> Any | None:
    """The stream a player would choose: the default one, else the first; no cover art."""
    disposition = av.stream.Disposition
    playable = [
        stream
        for stream in streams
        if stream.codec_context is not None and not stream.disposition & disposition.attached_pic
    ]
    default = [stream for stream in playable if stream.disposition & disposition.default]
    return (default or playable or [None])[0]


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
        In the order of presentation; frames without a time stamp are left out.

    Raises
    ------
    MediaError
        With the film time at which it breaks, when `damaged` is ``error``.
    """
    warned = False
    for packet in packets(film, damaged):
        if packet.stream.index != stream.index:
            continue
        try:
            frames = packet.decode()
        except FFmpegError as error:
            if not warned:
                _complain(film, packet_end(film, packet), _reason(error), damaged)
            warned = True
            continue
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                yield film.film_time(frame.pts, frame.time_base), frame


def packets(film: Film, damaged: str) -> Iterator[Any]:
    """Packets of all streams; at their end, whether the film was cut short is looked at."""
    reached = Fraction(0)
    incoming = film.container.demux()
    while True:
        try:
            packet = next(incoming)
        except StopIteration:
            break
        except FFmpegError as error:
            _complain(film, reached, _reason(error), damaged)
            return
        reached = max(reached, packet_end(film, packet) or reached)
        yield packet
    stated = film.stated_end_s
    if stated is not None and stated - reached > CUT_TOLERANCE_S:
        _complain(film, reached, "the file is cut short", damaged)


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


def _reason(error: BaseException) -> str:
    """What libav says, without its number and the file's name."""
    return str(getattr(error, "strerror", None) or error)


def film_duration(film: Film, damaged: str = "error") -> Fraction:
    """Length of a film in seconds, from the time stamps of its packets (not decoded).

    From film time zero to the end of the picture or of the sound, whichever ends last.
    """
    ends = [Fraction(0)]
    indices = {s.index: s for s in (film.video, film.audio) if s is not None}
    for packet in packets(film, damaged):
        end = packet_end(film, packet)
        if end is None or packet.stream.index not in indices:
            continue
        if not packet.duration and packet.stream.type == "video":
            end += frame_length(packet.stream)
        ends.append(end)
    return max(ends)


def frame_length(stream: Any) -> Fraction:
    """Usual time between the frames of a video stream, in seconds."""
    rate = stream.average_rate or stream.guessed_rate
    return Fraction(1, 1) / Fraction(rate) if rate else Fraction(0)


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
