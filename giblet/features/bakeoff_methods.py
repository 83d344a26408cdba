"""The entrants of the bake-off: what each is called, at which rate it runs, how it is built."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from giblet.errors import CodecError, ConfigError, PretrainedModelError
from giblet.features.bakeoff_cqt import ConstantQ
from giblet.features.bakeoff_opus import Opus, opus_rate_hz
from giblet.features.bakeoff_packing import Packed
from giblet.features.bakeoff_spectral import Coefficients, MelBands, Stft
from giblet.features.bakeoff_waveform import MuLaw, Pcm, SpectrumNoise
from giblet.features.codec import CHUNK_S, Codec
from giblet.timing import as_fraction

HERE = "features/benchmark_codecs"

Samples = NDArray[np.floating]


class Entrant(Protocol):
    """A way to store sound."""

    @property
    def label(self) -> str:
        """Name in the table, with what distinguishes it from others of its family."""

    @property
    def family(self) -> str:
        """The configured method it comes from."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the sound that it takes and gives back."""

    @property
    def frame_rate_hz(self) -> Fraction:
        """Frames (for waveforms samples) a second; of the fastest band where bands differ."""

    def encode(self, samples: Samples) -> Packed:
        """Store a mono sound of shape (n,), full scale 1."""

    def decode(self, packed: Packed, n_samples: int) -> Samples:
        """Sound of what was stored, `n_samples` long or longer."""


@dataclass(frozen=True)
class Skipped:
    """An entrant that cannot run here, and why."""

    label: str
    family: str
    reason: str


@dataclass(frozen=True)
class Settings:
    """The block ``features/benchmark_codecs`` as far as it says what enters.

    The rates, bands and bits of the entrants; see the schema for each.
    """

    methods: Sequence[str]
    codecs: Sequence[str]
    codec_kbps: Sequence[float]
    opus_kbps: Sequence[float]
    mulaw_hz: Sequence[int]
    mel_bands: Sequence[int]
    value_bits: Sequence[int]
    window_s: float
    hop_s: float
    cqt_bins_per_octave: int
    griffin_lim_steps: int
    seed: int


@dataclass(frozen=True)
class NeuralCodec:
    """An EnCodec with its number of codebooks."""

    label: str
    codec: Codec
    family: str = "encodec"

    @property
    def sample_rate_hz(self) -> int:
        """Rate that the codec is fed."""
        return self.codec.sample_rate_hz

    @property
    def frame_rate_hz(self) -> Fraction:
        """Codec frames a second."""
        return self.codec.frame_rate_hz

    def encode(self, samples: Samples) -> Packed:
        """Codes of all codebooks, shape (Q, N)."""
        codes, _ = self.codec.encode(samples)
        return Packed(((codes, self.codec.rate.bits),))

    def decode(self, packed: Packed, n_samples: int) -> Samples:
        """Sound of the codes."""
        return self.codec.decode_codes(packed.fields[0][0])[:n_samples]


def entrants(settings: Settings, sample_rate_hz: int) -> Iterator[Entrant | Skipped]:
    """Ceiling, floor and all that the settings ask for, for sounds at `sample_rate_hz`.

    Raises
    ------
    ConfigError
        If a method is unknown, or a codec is not written as NAME@RATE.
    """
    for method in settings.methods:
        if method not in BUILDERS:
            near = difflib.get_close_matches(method, BUILDERS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"use {', '.join(BUILDERS)}"
            raise ConfigError(f"{HERE}/methods: unknown method {method!r}: {hint}")
    yield Pcm(sample_rate_hz)
    yield SpectrumNoise(sample_rate_hz, settings.seed)
    for method in settings.methods:
        yield from BUILDERS[method](settings, sample_rate_hz)


def _neural(settings: Settings, sample_rate_hz: int) -> Iterator[Entrant | Skipped]:
    for entry in settings.codecs:
        name, at, rate = entry.rpartition("@")
        if not (at and name and rate.isdecimal()):
            raise ConfigError(
                f"{HERE}/codecs: {entry!r} is not NAME@RATE: write the codec and the rate it is "
                "fed in hertz, for example giblet-12khz@12000"
            )
        yield from _bandwidths(name, int(rate), settings.codec_kbps)


def codec_label(name: str, rate_hz: int, kbps: float) -> str:
    """Name of a neural codec in the table."""
    return f"{name} fed {rate_hz / 1000:g} kHz, {kbps:g} kbps"


def _bandwidths(name: str, rate_hz: int, ladder: Sequence[float]) -> Iterator[Entrant | Skipped]:
    """One codec at each of some bandwidths; the model is loaded once."""
    labels = [codec_label(name, rate_hz, kbps) for kbps in ladder]
    try:
        codec = Codec.load(name, rate_hz)
    except (PretrainedModelError, CodecError) as error:
        print(f"{name}: {error}")
        yield from (Skipped(label, "encodec", _reason(error)) for label in labels)
        return
    for label, kbps in zip(labels, ladder, strict=True):
        try:
            n_codebooks = codec.rate.codebooks(None, kbps)
        except CodecError as error:
            yield Skipped(label, "encodec", _reason(error))
            continue
        yield NeuralCodec(label, Codec(codec.model, codec.rate, n_codebooks, CHUNK_S))


def _reason(error: Exception) -> str:
    """A codec's error in the words of this block, without what a library said about it."""
    text = str(error)
    if "could not be fetched" in text:
        return (
            "its weights are not on this machine and could not be fetched: fetch them where "
            f"there is internet access, and name their folder in {HERE}/codecs"
        )
    return text.replace("features/audio/codec", f"{HERE}/codecs").replace("features/audio", HERE)


def _opus(settings: Settings, sample_rate_hz: int) -> Iterator[Entrant]:
    for kbps in settings.opus_kbps:
        yield Opus(f"Opus, {kbps:g} kbps asked", "opus", opus_rate_hz(sample_rate_hz), kbps)


def _mulaw(settings: Settings, sample_rate_hz: int) -> Iterator[Entrant | Skipped]:
    for rate in settings.mulaw_hz:
        label = f"µ-law waveform at {rate} Hz"
        if rate > sample_rate_hz:
            reason = f"{HERE}/mulaw_hz {rate} is above the study's {sample_rate_hz} Hz"
            yield Skipped(label, "mulaw", reason)
        else:
            yield MuLaw(label, rate)


def _stft(settings: Settings, sample_rate_hz: int) -> Stft:
    window, hop = (round(s * sample_rate_hz) for s in (settings.window_s, settings.hop_s))
    if not 1 <= hop <= window // 2:
        raise ConfigError(
            f"{HERE}: hop_s {settings.hop_s:g} is {hop} samples at {sample_rate_hz} Hz and "
            f"window_s {settings.window_s:g} is {window}: the hop must be at least a sample and "
            "at most half the window"
        )
    return Stft(window, hop)


def _mel(settings: Settings, sample_rate_hz: int) -> Iterator[Entrant]:
    stft = _stft(settings, sample_rate_hz)
    for n_mels in settings.mel_bands:
        for bits in settings.value_bits:
            yield MelBands(
                label=f"mel {n_mels} bands + Griffin-Lim, {bits} bits",
                family="mel",
                sample_rate_hz=sample_rate_hz,
                frame_rate_hz=Fraction(sample_rate_hz, stft.hop),
                transform=stft,
                n_mels=n_mels,
                bits=bits,
                steps=settings.griffin_lim_steps,
                seed=settings.seed,
            )


def _coefficients(family: str, with_phase: bool) -> Callable[..., Iterator[Entrant]]:
    def build(settings: Settings, sample_rate_hz: int) -> Iterator[Entrant]:
        transform: Stft | ConstantQ
        if family.startswith("cqt"):
            transform = ConstantQ(sample_rate_hz, settings.cqt_bins_per_octave)
            rate, name = as_fraction(round(transform.highest_rate_hz)), "constant-Q"
        else:
            transform = _stft(settings, sample_rate_hz)
            rate, name = Fraction(sample_rate_hz, transform.hop), "STFT"
        what = "with phase" if with_phase else "magnitude + Griffin-Lim"
        for bits in settings.value_bits:
            yield Coefficients(
                label=f"{name} {what}, {bits} bits",
                family=family,
                sample_rate_hz=sample_rate_hz,
                frame_rate_hz=rate,
                transform=transform,
                bits=bits,
                with_phase=with_phase,
                steps=settings.griffin_lim_steps,
                seed=settings.seed,
            )

    return build


BUILDERS: dict[str, Callable[[Settings, int], Iterator[Entrant | Skipped]]] = {
    "encodec": _neural,
    "opus": _opus,
    "mel": _mel,
    "stft_magnitude": _coefficients("stft_magnitude", with_phase=False),
    "stft": _coefficients("stft", with_phase=True),
    "cqt_magnitude": _coefficients("cqt_magnitude", with_phase=False),
    "cqt": _coefficients("cqt", with_phase=True),
    "mulaw": _mulaw,
}
