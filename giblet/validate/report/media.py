"""Pictures, sounds and films as data addresses inside the page, within a size budget.

Sounds are embedded without loss (FLAC): a second codec must not blur what is compared. Films
are cut by copying packets, never re-encoded.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from giblet.errors import ValidationError

MIME = {
    ".png": "image/png",
    ".mp4": "video/mp4",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
}
FORMATS = {"flac": ("FLAC", "PCM_16", ".flac"), "opus": ("OGG", "OPUS", ".ogg")}


@dataclass(frozen=True)
class Media:
    """One picture, sound or film of the page.

    Parameters
    ----------
    name
        File name, for the reader who wants the original.
    uri
        Data address; empty when it was left out.
    duration_s, of_s
        Seconds embedded and seconds in the file; 0 for pictures.
    reason
        Why it was left out.
    """

    name: str
    uri: str = ""
    duration_s: float = 0.0
    of_s: float = 0.0
    reason: str = ""

    @property
    def cut(self) -> bool:
        """Whether only the beginning is embedded."""
        return self.of_s - self.duration_s > 0.5


class Budget:
    """Room left in the page, in bytes of base64 text."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0

    def embed(self, data: bytes, suffix: str) -> str:
        """Data address of a file's content, or "" when it would not fit."""
        if not self.take(4 * ((len(data) + 2) // 3)):
            return ""
        return f"data:{MIME[suffix]};base64,{base64.b64encode(data).decode('ascii')}"

    def take(self, size: int) -> bool:
        """Take room for `size` bytes; False, taking none, when they would not fit."""
        if self.used + size > self.total:
            return False
        self.used += size
        return True

    @contextmanager
    def all_or_nothing(self, items: list[Media]) -> Iterator[None]:
        """Take back the room of media of the block, and their data, unless all of them fit.

        Parameters
        ----------
        items
            Filled within the block.
        """
        before = self.used
        yield
        if any(media.reason == TOO_LARGE for media in items):
            self.used = before
            items[:] = [replace(media, uri="", reason=TOO_LARGE) for media in items]


TOO_LARGE = "left out to keep the page small (config key validate/report/max_mb)"
ABSENT = "this file was not made"


def picture(path: Path | None, budget: Budget, name: str = "") -> Media:
    """Embed a PNG file; `name` is what a file that is not there is called."""
    if path is None:
        return Media(name, reason=ABSENT)
    uri = budget.embed(path.read_bytes(), ".png")
    return Media(path.name, uri, reason="" if uri else TOO_LARGE)


def sound(path: Path | None, budget: Budget, clip_s: float, audio_format: str) -> Media:
    """Embed the beginning of a WAV file.

    Parameters
    ----------
    clip_s
        Seconds to keep.
    audio_format
        ``flac`` (without loss) or ``opus`` (a tenth of the size).
    """
    if path is None:
        return Media("", reason=ABSENT)
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate, length = file.samplerate, file.frames
            samples = file.read(round(clip_s * rate), dtype="int16")
    except soundfile.LibsndfileError as error:
        raise ValidationError(
            f"{path}: not a readable sound file ({error}): delete it and run snakemake again"
        ) from error
    container, subtype, suffix = FORMATS[audio_format]
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=container, subtype=subtype)
    uri = budget.embed(buffer.getvalue(), suffix)
    reason = "" if uri else TOO_LARGE
    return Media(path.name, uri, len(samples) / rate, length / rate, reason)


def film(path: Path | None, budget: Budget, clip_s: float) -> Media:
    """Embed the beginning of an MP4 file."""
    if path is None:
        return Media("", reason=ABSENT)
    data, duration_s, of_s = _beginning(path, clip_s)
    uri = budget.embed(data, ".mp4")
    return Media(path.name, uri, duration_s, of_s, "" if uri else TOO_LARGE)


def _beginning(path: Path, clip_s: float) -> tuple[bytes, float, float]:
    """The first `clip_s` seconds of a film as MP4, the seconds kept and those in the file."""
    import av

    try:
        with av.open(str(path)) as source:
            of_s = float(source.duration or 0) / av.time_base
            if of_s <= clip_s + 0.5:
                return path.read_bytes(), of_s, of_s
            buffer, kept_s = io.BytesIO(), 0.0
            with av.open(buffer, "w", format="mp4") as target:
                streams = {
                    stream.index: target.add_stream_from_template(stream)
                    for stream in (*source.streams.video, *source.streams.audio)
                }
                for packet in source.demux(*(source.streams[index] for index in streams)):
                    # Cut by decoding time: what a kept frame refers to is then kept too.
                    if packet.dts is None or packet.dts * packet.time_base >= clip_s:
                        continue
                    # Frames are stored out of order, so the last one kept may end a little later.
                    if packet.pts is not None:
                        ends = packet.pts + (packet.duration or 0)
                        kept_s = max(kept_s, float(ends * packet.time_base))
                    packet.stream = streams[packet.stream_index]
                    target.mux(packet)
    except av.FFmpegError as error:
        raise ValidationError(
            f"{path}: not a readable film ({error}): delete it and run snakemake again"
        ) from error
    return buffer.getvalue(), kept_s, of_s
