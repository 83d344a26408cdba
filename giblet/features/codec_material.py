"""Sound to train a codec on, made by the code itself or read from a folder.

Speech is synthesised in many voices and languages, music and effects by formula; a pool of
each is built once, and training examples are random crops, equalised, reverberated, mixed
and scaled. Nothing recorded is needed, so the shipped codec carries nobody's rights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.errors import CodecError
from giblet.features import codec_augment
from giblet.features.recordings import mono_blocks

Samples = NDArray[np.float32]

LANGUAGES = (
    "en-us", "en-gb-x-rp", "en-gb-scotland", "de", "fr", "es", "it", "pt-br", "nl", "sv", "pl",
    "cs", "ro", "fi", "hu", "tr", "ru", "id", "sw", "da", "nb", "ca", "el", "hr",
)  # fmt: skip
# The breathy variants (+f2, +f3, +f5) sound different each time, so a seed would not hold.
VARIANTS = ("", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+f1", "+f4")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aiff", ".g722")
# Pitch and formants move with the speed.
SPEECH_SPEEDS = (0.8, 1.0, 1.2)


def _words(text: str) -> list[str]:
    return text.split()


CONSONANTS = _words("b c d f g h j k l m n p r s t v w z sh ch th st tr pl br gr sk kr")
VOWELS = _words("a e i o u ai ou ea ie oo")
ENGLISH = _words(
    "the a two old quiet red little their every some man woman child dog street river city "
    "house train door letter light morning storm garden music crowd walks opens sees finds "
    "carries watches remembers shouts asks falls behind under across without between into and "
    "because while slowly again never tomorrow what who where nothing everything yes no"
)


@dataclass(frozen=True)
class Pool:
    """Sound to crop from: `speech` and `other`, float32 at about 0.1 RMS where loud."""

    speech: Samples
    other: Samples


@dataclass(frozen=True)
class Material:
    """Pools, and the share of the examples that comes from each."""

    pools: tuple[Pool, ...]
    shares: tuple[float, ...]


def synthetic_pool(sample_rate_hz: int, minutes: float, seed: int) -> Pool:
    """Make a pool of speech and of music and effects, `minutes` of each.

    Parameters
    ----------
    minutes
        Length of the speech; music and effects get half of it.
    """
    rng = np.random.default_rng(seed)
    speech = _speech(rng, sample_rate_hz, round(60 * minutes * sample_rate_hz))
    other = _until(
        round(30 * minutes * sample_rate_hz),
        lambda: _music(rng, sample_rate_hz) if rng.random() < 0.6 else _effect(rng, sample_rate_hz),
    )
    return Pool(speech, other)


def gather(
    source: str | Path | None,
    *,
    sample_rate_hz: int,
    minutes: float,
    synthetic_share: float,
    seed: int,
) -> Material:
    """Material made up, read from a folder, or both.

    Parameters
    ----------
    source
        Folder of recordings, see :func:`folder_pool`; None for made-up sound only.
    minutes
        Length of made-up speech; music and effects get half of it.
    synthetic_share
        Share of the examples that is made up where there are recordings.
    """
    if not source:
        return Material((synthetic_pool(sample_rate_hz, minutes, seed),), (1.0,))
    recorded = folder_pool(source, sample_rate_hz)
    if synthetic_share == 0:
        return Material((recorded,), (1.0,))
    made = synthetic_pool(sample_rate_hz, minutes, seed)
    return Material((made, recorded), (synthetic_share, 1 - synthetic_share))


def folder_pool(folder: str | Path, sample_rate_hz: int) -> Pool:
    """Read the audio files below a folder, mixed down to mono.

    Where there is a folder ``speech`` directly below it, what is in there is speech, and is
    read at several speeds, which makes several speakers of one; all else is other sound.
    Without one, no difference is made.

    Raises
    ------
    CodecError
        If there is no folder, no audio file in it, one cannot be read, or all are silent.
    """
    folder = Path(folder)
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
    if not files:
        raise CodecError(
            f"{folder}: no audio files ({', '.join(AUDIO_SUFFIXES)}): correct "
            "features/train_codec/source, or leave it empty to train on synthesised sound"
        )
    spoken = [p for p in files if p.is_relative_to(folder / "speech")]
    others = [p for p in files if p not in set(spoken)]
    speech = [
        _levelled(part)
        for path in spoken
        for part in _recording(path, sample_rate_hz, SPEECH_SPEEDS)
        if len(part) > sample_rate_hz / 2
    ]
    other = [_levelled(part) for path in others for part in _recording(path, sample_rate_hz)]
    if not speech and not other:
        raise CodecError(
            f"{folder}: its {len(files)} audio files are silent: correct "
            "features/train_codec/source, or leave it empty to train on synthesised sound"
        )
    return Pool(np.concatenate(speech or other), np.concatenate(other or speech))


def _recording(path: Path, rate_hz: int, speeds: tuple[float, ...] = (1.0,)) -> list[Samples]:
    """A file at some speeds, mono, without the silence before and after."""
    import soxr

    samples, found_hz = _decoded(path)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max(initial=1e-9))
    if not len(loud):
        return []
    margin = found_hz // 20
    samples = samples[max(0, loud[0] - margin) : loud[-1] + margin]
    return [soxr.resample(samples, speed * found_hz, rate_hz) for speed in speeds]


def _decoded(path: Path) -> tuple[Samples, int]:
    """Mono samples and their rate: libsndfile's formats, and whatever FFmpeg reads."""
    import soundfile

    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        return samples.mean(axis=1), rate_hz
    except soundfile.LibsndfileError:
        return _decoded_by_ffmpeg(path)


def _decoded_by_ffmpeg(path: Path) -> tuple[Samples, int]:
    import av

    try:
        blocks = list(mono_blocks(path))
    except av.error.FFmpegError as error:
        raise _unreadable(path, str(error)) from error
    if not blocks:  # an empty prompt among thousands is no reason to stop
        return np.zeros(0, np.float32), 1
    return np.concatenate([samples for _, samples in blocks]), blocks[0][0]


def _unreadable(path: Path, why: str) -> CodecError:
    return CodecError(
        f"{path}: cannot be read as sound ({why}): take it out of features/train_codec/source"
    )


def batch(
    material: Material, rng: np.random.Generator, size: int, length: int, rate_hz: int
) -> Samples:
    """Random augmented examples.

    Returns
    -------
    array of shape (size, length), float32, peaks below 1
    """
    which = rng.choice(len(material.pools), size, p=material.shares)
    return np.stack([_example(material.pools[k], rng, length, rate_hz) for k in which])


def _example(pool: Pool, rng: np.random.Generator, length: int, rate_hz: int) -> Samples:
    kind = rng.random()
    # More than is kept is cropped so that reverberation has a past.
    margin = rate_hz // 4
    n = length + margin
    if kind < 0.4:
        x = _crop(pool.speech, rng, n)
    elif kind < 0.65:
        x = _crop(pool.other, rng, n)
    else:
        level = 10 ** (rng.uniform(-20, 10) / 20)
        behind = _crop(pool.other, rng, n)
        if rng.random() < 0.5:  # as in films: effects over music, and someone speaks
            behind = behind + 10 ** (rng.uniform(-15, 5) / 20) * _crop(pool.other, rng, n)
        x = _crop(pool.speech, rng, n) + level * behind
    spectrum = np.fft.rfft(x, 2 * n) * codec_augment.equaliser(rng, n + 1)
    if rng.random() < 0.4:
        spectrum *= np.fft.rfft(codec_augment.room(rng, rate_hz)[:n], 2 * n)
    x = np.fft.irfft(spectrum)[margin:n].astype(np.float32)
    rms = float(np.sqrt(np.mean(x**2))) + 1e-4
    if rng.random() < 0.5:
        noise = np.fft.irfft(
            np.fft.rfft(rng.standard_normal(length)) * codec_augment.tilt(rng, length // 2 + 1),
            length,
        )
        x += rms * 10 ** (rng.uniform(-50, -15) / 20) * noise.astype(np.float32)
    x *= min(10 ** (rng.uniform(-34, -12) / 20) / rms, 10.0)
    if rng.random() < 0.02:
        x *= 0.0
    return np.clip(x, -1, 1)


def _crop(pool: Samples, rng: np.random.Generator, length: int) -> Samples:
    start = int(rng.integers(0, max(1, len(pool) - length)))
    crop = pool[start : start + length]
    return np.pad(crop, (0, length - len(crop)))


def _speech(rng: np.random.Generator, rate_hz: int, n_samples: int) -> Samples:
    import soxr

    from giblet.speech import synthesise

    def utterance() -> Samples:
        english = rng.random() < 0.4
        language = LANGUAGES[rng.integers(3)] if english else str(rng.choice(LANGUAGES))
        text = _english_sentence(rng) if english else _made_up_sentence(rng)
        samples, found_hz = synthesise(
            text,
            voice=language + str(rng.choice(VARIANTS)),
            rate_wpm=int(rng.integers(110, 230)),
            pitch=int(rng.integers(15, 85)),
        )
        # Resampling as if recorded at another rate moves pitch and formants together.
        shifted_hz = round(found_hz * float(rng.uniform(0.85, 1.18)))
        spoken = soxr.resample(samples, shifted_hz, rate_hz)
        human = rng.random() < 0.8
        return _levelled(codec_augment.humanise(spoken, rng, rate_hz) if human else spoken)

    return _until(n_samples, utterance)


def _english_sentence(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(ENGLISH, int(rng.integers(5, 14)))) + "."


def _made_up_sentence(rng: np.random.Generator) -> str:
    def word() -> str:
        n = int(rng.integers(1, 4))
        syllables = zip(rng.choice(CONSONANTS, n), rng.choice(VOWELS, n), strict=True)
        return "".join(c + v for c, v in syllables) + str(rng.choice(["", "n", "s", "r", "t"]))

    return " ".join(word() for _ in range(rng.integers(5, 12))) + "."


def _music(rng: np.random.Generator, rate_hz: int) -> Samples:
    """Some seconds of chords of decaying harmonic notes, with a beat now and then."""
    n = int(rng.uniform(4, 10) * rate_hz)
    out = np.zeros(n)
    beat = int(rng.uniform(0.15, 0.6) * rate_hz)
    scale = 110 * 2 ** (rng.uniform(0, 1) + np.array([0, 2, 4, 5, 7, 9, 11, 12, 16, 19]) / 12)
    brightness, decay_s = rng.uniform(0.5, 2.5), rng.uniform(0.1, 1.5)
    drums = rng.random() < 0.5
    for start in range(0, n, beat):
        length = min(n - start, 3 * beat)
        t = np.arange(length) / rate_hz
        attack = 1 - np.exp(-t / rng.uniform(0.002, 0.05))
        for f0 in rng.choice(scale, int(rng.integers(1, 5))) * rng.choice([0.5, 1, 2]):
            vibrato = 0.003 * f0 * np.sin(2 * np.pi * 5 * t) / 5
            harmonics = np.arange(1, min(16, int(0.47 * rate_hz / f0)) + 1)
            phase = 2 * np.pi * (f0 * t + vibrato)
            amplitudes = harmonics**-brightness * rng.uniform(0.3, 1, len(harmonics))
            tone = amplitudes @ np.sin(harmonics[:, None] * phase)
            out[start : start + length] += tone * attack * np.exp(-t / decay_s)
        if drums:
            hit = rng.standard_normal(length) * np.exp(-t / rng.uniform(0.01, 0.08))
            out[start : start + length] += rng.uniform(0.2, 1.5) * hit
    return _levelled(out)


def _effect(rng: np.random.Generator, rate_hz: int) -> Samples:
    """Some seconds of coloured, modulated noise, sweeps, clicks or a hum."""
    n = int(rng.uniform(2, 5) * rate_hz)
    t = np.arange(n) / rate_hz
    colour = np.fft.rfft(rng.standard_normal(n)) * codec_augment.tilt(rng, n // 2 + 1)
    centre, width = rng.uniform(0, 1), rng.uniform(0.05, 0.6)
    colour *= np.exp(-(((np.linspace(0, 1, n // 2 + 1) - centre) / width) ** 2))
    noise = np.fft.irfft(colour, n)
    kind = rng.integers(4)
    if kind == 0:
        noise *= 1 + np.sin(2 * np.pi * rng.uniform(0.3, 12) * t)
    elif kind == 1:
        sweep = np.cumsum(np.geomspace(rng.uniform(60, 900), rng.uniform(200, 5000), n)) / rate_hz
        noise = 0.2 * noise / (np.std(noise) + 1e-9) + np.sin(2 * np.pi * sweep)
    elif kind == 2:
        envelope = (rng.random(n) < 4 / rate_hz).astype(float)
        decay = np.exp(-t[: rate_hz // 2] / rng.uniform(0.005, 0.15))
        length = 2 * n
        envelope = np.fft.irfft(np.fft.rfft(envelope, length) * np.fft.rfft(decay, length))[:n]
        noise *= envelope
    else:
        f0 = rng.uniform(45, 250)
        noise = 0.3 * noise / (np.std(noise) + 1e-9)
        noise += sum(np.sin(2 * np.pi * f0 * k * t) / k for k in range(1, 8))
    return _levelled(noise)


def _levelled(samples: NDArray[np.floating]) -> Samples:
    """Scaled to 0.1 RMS."""
    rms = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    return (samples * (0.1 / max(rms, 1e-6))).astype(np.float32)


def _until(n_samples: int, make: Callable[[], Samples]) -> Samples:
    parts: list[Samples] = []
    total = 0
    while total < n_samples:
        parts.append(make())
        total += len(parts[-1])
    return np.concatenate(parts)[:n_samples]
