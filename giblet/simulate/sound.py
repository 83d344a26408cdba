"""The sound of a simulated film: a place's ambience, music, and a voice that describes.

Music changes on its own times with its own mood and loudness, so that what is heard is not
told by what is seen. Sounds are rendered when the mixer comes to them, so a long film needs
no more memory than a short one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from giblet.simulate.scenes import Scene
from giblet.simulate.seeds import generator

Samples = NDArray[np.float32]
FADE_S = 0.05
MUSIC_RANGE_S = (5.0, 16.0)
MUSIC_RANGE_DB = (-34.0, -12.0)
SILENT_SHARE = 0.25
VOICE_DB = -4.0


@dataclass(frozen=True)
class Ambience:
    """Noise in a band that swells, and calls: short decaying tones that glide."""

    band_hz: tuple[float, float]
    swell_hz: float
    call_hz: tuple[float, float]
    call_s: float
    calls_per_s: float
    noise: float


AMBIENCES = {
    "harbour": Ambience((150, 1200), 0.25, (600, 450), 0.5, 0.15, 1.0),
    "forest": Ambience((1500, 4000), 0.5, (2600, 4200), 0.12, 2.5, 0.25),
    "street": Ambience((40, 300), 0.8, (420, 400), 0.6, 0.3, 1.2),
    "desert": Ambience((400, 1000), 0.15, (300, 300), 0.3, 0.0, 1.0),
    "kitchen": Ambience((800, 5000), 1.5, (3300, 3200), 0.15, 1.5, 0.12),
    "cave": Ambience((60, 180), 0.1, (1300, 700), 0.25, 0.7, 0.4),
}


@dataclass(frozen=True)
class Mood:
    """A way of playing: notes of a scale over a root, their length and their brightness."""

    root_hz: tuple[float, float]
    scale: tuple[float, ...]
    note_s: float
    n_harmonics: int
    decay_s: float


MOODS = (
    Mood((196, 262), (1, 5 / 4, 3 / 2, 5 / 3, 2), 0.25, 3, 0.25),
    Mood((98, 131), (1, 6 / 5, 3 / 2, 9 / 5), 1.0, 5, 1.2),
    Mood((55, 73), (1, 16 / 15, 7 / 5), 0.5, 9, 0.5),
    Mood((523, 784), (1, 9 / 8, 5 / 4, 3 / 2), 0.4, 1, 0.7),
)


@dataclass(frozen=True)
class Sound:
    """Something heard from `start` on (a sample index), rendered when its time has come."""

    start: int
    render: Callable[[], Samples]


def sounds_of(scenes: list[Scene], *, run: str, sample_rate_hz: int, seed: int) -> list[Sound]:
    """All sounds of a film, in order of their start."""
    rate = sample_rate_hz
    sounds = _music(run, scenes[-1].stop_s, rate, seed)
    for scene in scenes:
        start = round(scene.start_s * rate)
        sounds.append(Sound(start, _later(_ambience, scene, run, rate, seed)))
        if scene.narrated:
            after_s = generator(seed, "voice", run, str(scene.number)).uniform(0.1, 0.7)
            sounds.append(Sound(start + round(after_s * rate), _later(_voice, scene, rate)))
    return sorted(sounds, key=lambda sound: sound.start)


def _later(render: Callable[..., Samples], *arguments: object) -> Callable[[], Samples]:
    return lambda: render(*arguments)


def mix(sounds: list[Sound], n_samples: int, block: int) -> Iterator[Samples]:
    """Add sounds up, block by block.

    Parameters
    ----------
    sounds
        In order of their start.
    n_samples
        Length of the film; what sounds longer is cut off.
    block
        Samples a block.

    Yields
    ------
    array of shape (block,) or, the last one, shorter; float32 in (-1, 1)
    """
    waiting = list(reversed(sounds))
    playing: list[tuple[int, Samples]] = []
    for first in range(0, n_samples, block):
        last = min(first + block, n_samples)
        while waiting and waiting[-1].start < last:
            sound = waiting.pop()
            playing.append((sound.start, sound.render()))
        out = np.zeros(last - first, dtype=np.float32)
        for start, samples in playing:
            begin, end = max(first, start), min(last, start + len(samples))
            if begin < end:
                out[begin - first : end - first] += samples[begin - start : end - start]
        playing = [(start, samples) for start, samples in playing if start + len(samples) > last]
        # A soft limit, so that loud moments are not torn.
        yield np.tanh(out)


def _voice(scene: Scene, rate: int) -> Samples:
    """The scene's description, spoken."""
    import soxr

    from giblet.speech import synthesise

    samples, spoken_hz = synthesise(scene.description, scene.voice, scene.rate_wpm, scene.pitch)
    return _gain(VOICE_DB) * soxr.resample(samples, spoken_hz, rate).astype(np.float32)


def _ambience(scene: Scene, run: str, rate: int, seed: int) -> Samples:
    """What the scene's place sounds like."""
    style = AMBIENCES[scene.place]
    rng = generator(seed, "ambience", run, str(scene.number))
    n = max(1, round((scene.stop_s - scene.start_s) * rate))
    time_s = np.arange(n) / rate
    high = min(style.band_hz[1], 0.45 * rate)
    band = butter(2, (style.band_hz[0], high), "bandpass", fs=rate, output="sos")
    noise = sosfilt(band, rng.standard_normal(n))
    noise /= noise.std() + 1e-9
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * (style.swell_hz * time_s + rng.random()))
    out = 0.35 * style.noise * swell * noise
    for _ in range(rng.poisson(style.calls_per_s * n / rate)):
        call = _tone(rng.uniform(0.9, 1.1) * np.asarray(style.call_hz), style.call_s, 1, rate)
        start = int(rng.integers(0, n))
        call = call[: n - start]
        out[start : start + len(call)] += 0.8 * call
    return _gain(scene.ambience_db) * 3 * _faded(out.astype(np.float32), rate)


def _music(run: str, length_s: float, rate: int, seed: int) -> list[Sound]:
    """Pieces of music one after the other, some of them silence."""
    rng = generator(seed, "music", run)
    sounds = []
    start_s = 0.0
    while start_s < length_s:
        piece_s = rng.uniform(*MUSIC_RANGE_S)
        mood = MOODS[rng.integers(len(MOODS))]
        loudness_db = rng.uniform(*MUSIC_RANGE_DB)
        piece_seed = int(rng.integers(2**31))
        if rng.random() >= SILENT_SHARE:
            render = _later(_piece, mood, piece_s, loudness_db, rate, piece_seed)
            sounds.append(Sound(round(start_s * rate), render))
        start_s += piece_s
    return sounds


def _piece(mood: Mood, length_s: float, loudness_db: float, rate: int, seed: int) -> Samples:
    """Notes of one mood, played for `length_s`."""
    rng = np.random.default_rng(seed)
    root_hz = rng.uniform(*mood.root_hz)
    out = np.zeros(round(length_s * rate), dtype=np.float32)
    for start_s in np.arange(0, length_s, mood.note_s):
        hz = root_hz * rng.choice(mood.scale)
        note = _tone(np.asarray([hz, hz]), mood.decay_s, mood.n_harmonics, rate)
        start = round(start_s * rate)
        note = note[: len(out) - start]
        out[start : start + len(note)] += note * np.float32(rng.uniform(0.6, 1))
    return _gain(loudness_db) * 2 * _faded(out, rate)


def _tone(hz: NDArray[np.float64], decay_s: float, n_harmonics: int, rate: int) -> Samples:
    """Decaying tone that glides from ``hz[0]`` to ``hz[1]``."""
    time_s = np.arange(round(3 * decay_s * rate), dtype=np.float32) / np.float32(rate)
    length_s = np.float32(3 * decay_s)
    glide = np.float32(hz[1] - hz[0]) / (2 * length_s)
    phase = np.float32(2 * np.pi) * (np.float32(hz[0]) * time_s + glide * time_s**2)
    wave = np.zeros_like(time_s)
    for harmonic in range(1, n_harmonics + 1):
        if harmonic * max(hz) < 0.45 * rate:
            wave += np.sin(harmonic * phase) / np.float32(harmonic)
    attack = np.minimum(time_s / np.float32(0.01), 1)
    return np.asarray(wave * attack * np.exp(-time_s / np.float32(decay_s)), dtype=np.float32)


def _faded(samples: Samples, rate: int) -> Samples:
    """Fade in and out, against clicks at the cuts."""
    n = min(len(samples) // 2, round(FADE_S * rate))
    if n:
        ramp = np.linspace(0, 1, n, dtype=np.float32)
        samples[:n] *= ramp
        samples[-n:] *= ramp[::-1]
    return samples


def _gain(decibels: float) -> np.float32:
    return np.float32(10 ** (decibels / 20))
