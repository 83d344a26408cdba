"""Small films with known contents, made with PyAV."""

from __future__ import annotations

import wave
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import h5py
import hdf5plugin  # noqa: F401
import numpy as np

BARS = 8
WIDTH, HEIGHT = 160, 90
AUDIO_BLOCK = 1024


def numbered(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Picture whose vertical bars, black or white, spell `number` in binary."""
    bits = [(number >> bit) & 1 for bit in range(BARS)]
    columns = np.repeat(np.array(bits, np.uint8) * 219 + 16, -(-width // BARS))[:width]
    return np.broadcast_to(columns[None, :, None], (height, width, 3)).copy()


def read_number(picture: np.ndarray) -> int:
    """Number that a `numbered` picture, of any size and without bars around it, spells."""
    height, width = picture.shape[:2]
    centres = [int((bar + 0.5) * width / BARS) for bar in range(BARS)]
    return sum(int(picture[height // 2, x].mean() > 128) << bit for bit, x in enumerate(centres))


def make_film(
    path: Path,
    times_s: Sequence[float | Fraction] | None = None,
    pictures: Sequence[np.ndarray] | None = None,
    sound: np.ndarray | None = None,
    sound_start_s: float = 0,
    rate_hz: int = 44100,
    codec: str = "libx264",
    audio_codec: str = "aac",
    options: dict | None = None,
    ticks: int = 24000,
) -> Path:
    """Write a film with pictures at `times_s` (numbered by default) and a mono or stereo sound.

    `sound` is [samples] or [channels, samples], float32 in -1..1.
    """
    with av.open(str(path), "w", options=options or {}) as out:
        video = audio = None
        if times_s is not None:
            pictures = pictures or [numbered(n % 2**BARS) for n in range(len(times_s))]
            video = out.add_stream(codec, rate=24)
            video.height, video.width = pictures[0].shape[:2]
            if codec.startswith("libx264"):
                video.pix_fmt = "yuv444p" if video.width % 2 or video.height % 2 else "yuv420p"
                video.options = {"preset": "ultrafast", "crf": "12", "bf": "2", "g": "12"}
            video.codec_context.time_base = Fraction(1, ticks)
        if sound is not None:
            sound = np.atleast_2d(sound).astype(np.float32)
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
            audio = out.add_stream(audio_codec, rate=rate_hz, layout=layout)
        if video is not None and times_s is not None and pictures is not None:
            for time, picture in zip(times_s, pictures, strict=True):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = round(time * ticks)
                frame.time_base = Fraction(1, ticks)
                out.mux(video.encode(frame))
        if audio is not None and sound is not None:
            start = round(sound_start_s * rate_hz)
            for first in range(0, sound.shape[1], AUDIO_BLOCK):
                part = np.ascontiguousarray(sound[:, first : first + AUDIO_BLOCK])
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
                frame.sample_rate = rate_hz
                frame.time_base = Fraction(1, rate_hz)
                frame.pts = start + first
                out.mux(audio.encode(frame))
            out.mux(audio.encode(None))
        if video is not None:
            out.mux(video.encode(None))
    return path


def even_times(seconds: float, rate: int = 24, start_s: float = 0) -> list[Fraction]:
    """Times of frames at a constant rate."""
    first = Fraction(start_s).limit_denominator(24000)
    return [first + Fraction(n, rate) for n in range(round(seconds * rate))]


def tone(seconds: float, hz: float = 440.0, rate_hz: int = 44100) -> np.ndarray:
    """Sine of amplitude 0.5."""
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def burst(seconds: float, at_s: Sequence[float], rate_hz: int = 44100) -> np.ndarray:
    """Silence with 50 ms of a loud 1 kHz tone at each given time."""
    sound = np.zeros(round(seconds * rate_hz))
    for time in at_s:
        start = round(time * rate_hz)
        sound[start : start + rate_hz // 20] = 0.9 * tone(0.05, 1000, rate_hz) / 0.5
    return sound


def onsets(sound: np.ndarray, rate_hz: int, threshold: float = 0.2) -> list[float]:
    """Times at which a sound gets loud after at least 0.2 s of quiet."""
    loud = np.flatnonzero(np.abs(sound) > threshold)
    first = np.r_[True, np.diff(loud) > 0.2 * rate_hz]
    return [float(sample) / rate_hz for sample in loud[first]]


def read_wav(path: Path) -> tuple[int, np.ndarray]:
    """Rate and samples in -1..1 of a mono 16-bit file."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return file.getframerate(), data / 32768


def read_frames(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Datasets frames, valid and time_s."""
    with h5py.File(path) as file:
        return file["frames"][:], file["valid"][:], file["time_s"][:]


def last_before(times: Sequence[Fraction], time: Fraction) -> int:
    """Index of the last of the sorted `times` at or before `time`; -1 if there is none."""
    return bisect_right(times, time) - 1
