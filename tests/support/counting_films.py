"""Films whose seconds are numbered, in the picture and in the sound, and what is read of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import h5py
import hdf5plugin  # noqa: F401
import numpy as np

from giblet.stimulus.audio import extract_audio
from giblet.stimulus.media import run_length
from giblet.stimulus.video import extract_frames
from tests.unit.stimulus.made_films import numbered, read_number, read_wav

RATE_HZ = 12000
BLOCK = 1000
LOWEST_HZ, STEP_HZ = 400, 50
WIDTH, HEIGHT = 64, 36


def pitch(second: int) -> float:
    """Frequency of the tone of a second of the film."""
    return LOWEST_HZ + STEP_HZ * (second % 64)


def counting_film(
    path: Path,
    seconds: int,
    *,
    first: int = 0,
    start_s: float = 0,
    rate: int = 8,
    codec: str = "libx264",
    audio_codec: str | None = "aac",
    picture: bool = True,
    b_frames: int = 2,
    **options: object,
) -> Path:
    """Write a film whose second k shows and sounds the number ``first + k``."""
    with av.open(str(path), "w", **options) as out:
        video = sound = None
        if picture:
            video = out.add_stream(codec, rate=rate)
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            video.codec_context.time_base = Fraction(1, rate)
            if codec == "libx264":
                video.options = {"preset": "ultrafast", "bf": str(b_frames), "g": str(rate)}
        if audio_codec:
            sound = out.add_stream(audio_codec, rate=RATE_HZ, layout="mono")
        for second in range(seconds):
            if video is not None:
                shown = numbered((first + second) % 256, WIDTH, HEIGHT)
                for part in range(rate):
                    frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
                    frame.pts = round(start_s * rate) + second * rate + part
                    frame.time_base = Fraction(1, rate)
                    out.mux(video.encode(frame))
            if sound is not None:
                _sing(out, sound, first + second, round((start_s + second) * RATE_HZ))
        for stream in (video, sound):
            if stream is not None:
                out.mux(stream.encode(None))
    return path


def _sing(out: av.container.OutputContainer, sound, number: int, start: int) -> None:
    times = np.arange(RATE_HZ) / RATE_HZ
    tone = (0.5 * np.sin(2 * np.pi * pitch(number) * times)).astype(np.float32)
    for first in range(0, RATE_HZ, BLOCK):
        part = tone[None, first : first + BLOCK]
        kind = sound.codec_context.format.name
        if not kind.startswith("flt"):
            part = (part * 32767).astype(np.int16)
            kind = "s16"
        frame = av.AudioFrame.from_ndarray(part, format=kind, layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, start + first
        frame.time_base = Fraction(1, RATE_HZ)
        out.mux(sound.encode(frame))


def remuxed(
    source: Path, target: Path, moved: Callable[[str, float], float | None], **options: object
) -> Path:
    """Copy a film's packets with other time stamps.

    `moved` gets ``video`` or ``audio`` and a packet's decoding time in seconds, and gives what
    is added to its stamps; None leaves the packet out.
    """
    with av.open(str(source)) as old, av.open(str(target), "w", **options) as new:
        streams = {
            stream.index: new.add_stream_from_template(stream)
            for stream in old.streams
            if stream.type in ("video", "audio")
        }
        for packet in old.demux():
            if packet.dts is None:
                continue
            kind = packet.stream.type
            shift = moved(kind, float(packet.dts * packet.time_base))
            if shift is None:
                continue
            ticks = round(shift / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            packet.stream = streams[packet.stream_index]
            new.mux(packet)
    return target


def seen(path: Path, n_trs: int = 0, **settings: object) -> list[int | None]:
    """The number shown at the centre of each TR of 1 s; None where nothing is."""
    frames = path.parent / "frames.h5"
    extract_frames(
        path, frames, tr_s=1, n_trs=n_trs, frames_per_tr=1, width=WIDTH, height=HEIGHT, **settings
    )
    with h5py.File(frames) as file:
        pairs = zip(file["frames"], file["valid"], strict=True)
        return [read_number(picture[0]) if valid[0] else None for picture, valid in pairs]


def heard(path: Path, n_trs: int = 0, **settings: object) -> list[int | None]:
    """The number sounding in the middle of each TR of 1 s; None in silence."""
    sound = path.parent / "sound.wav"
    extract_audio(path, sound, tr_s=1, n_trs=n_trs, sample_rate_hz=RATE_HZ, **settings)
    samples = read_wav(sound)[1].reshape(-1, RATE_HZ)[:, RATE_HZ // 3 : 2 * RATE_HZ // 3]
    found: list[int | None] = []
    for part in samples:
        power = np.abs(np.fft.rfft(part))
        hz = float(power.argmax()) * RATE_HZ / len(part)
        found.append(round((hz - LOWEST_HZ) / STEP_HZ) if np.abs(part).max() > 0.02 else None)
    return found


def read_all(path: Path, **settings: object) -> tuple[int, list[int | None], list[int | None]]:
    """Length in TRs of 1 s, numbers seen and numbers heard, each as its stage finds them."""
    return run_length(path, 1, **settings), seen(path, **settings), heard(path, **settings)
