"""Film files as libavformat opens them: their streams, and what their headers say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.format import Flags

from giblet import notices
from giblet.errors import MediaError
from giblet.paths import for_libav
from giblet.stimulus.clock import Clock
from giblet.stimulus.tracks import MEDIA_FAULTS, Scan, fault_text

# Containers that state their length in a header, so that a file cut short can be told. The
# others' length is worked out from what is there, or from the bit rate.
STATES_LENGTH = ("mov", "matroska", "avi")
# 8192 x 8192: beyond, a header is damaged rather than a picture large.
MOST_PIXELS = 2**26


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a film file, or say in one line why it cannot be opened."""
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


def streams_of(path: Path, container: Any) -> tuple[Any | None, Any | None]:
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


def refuse_unstamped(path: Path, container: Any, streams: Sequence[Any], found: Scan) -> None:
    """Refuse pictures that no time stamp says when to show."""
    video = next((stream for stream in streams if stream.type == "video"), None)
    if video is None:
        return
    bare = Flags.no_timestamps in Flags(container.format.flags)
    if bare or any(track.kind == "video" and track.missing.all() for track in found.tracks):
        raise MediaError(
            f"{path}: its pictures have no time stamps ({container.format.name}, a bare stream of "
            f"{video.codec_context.name}), so when each is shown is not known: convert it to mp4 "
            f"or mkv at its frame rate, for instance: ffmpeg -framerate 24 -i {path.name} -c copy "
            f"{path.stem}.mp4"
        )


def stated_end_s(container: Any, clock: Clock) -> Fraction | None:
    """Film time at which the header says the film ends, where a header says so."""
    stated = any(name in container.format.name for name in STATES_LENGTH)
    # Of recordings joined into one file, the header is that of the first one.
    if not stated or container.duration is None or clock.joins_s:
        return None
    # Some Matroska writers count the length from the first time stamp, some from 0.
    start = min(container.start_time or 0, 0)
    return Fraction(start + container.duration, av.time_base) - clock.zero_s
