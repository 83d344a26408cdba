"""The waveform as it is, as little of it as fits, and a noise that only has its spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from giblet.features.bakeoff_packing import Packed, from_mu_law, mu_law

MU_LAW_BITS = 8
PCM_BITS = 16
NOISE_WINDOW = 512

Samples = NDArray[np.floating]


@dataclass(frozen=True)
class Pcm:
    """16-bit samples: the ceiling of every score."""

    sample_rate_hz: int
    label: str = "original, 16-bit PCM"
    family: str = "ceiling"

    @property
    def frame_rate_hz(self) -> Fraction:
        """Samples a second."""
        return Fraction(self.sample_rate_hz)

    def encode(self, samples: Samples) -> Packed:
        """Offset binary."""
        levels = np.rint(samples * np.float64(2**15)) + 2**15
        return Packed(((np.clip(levels, 0, 2**16 - 1).astype(np.uint16), PCM_BITS),))

    def decode(self, packed: Packed, n_samples: int) -> Samples:
        """The samples back."""
        found: Samples = (packed.fields[0][0].astype(np.float64) - 2**15) / 2**15
        return found[:n_samples]


@dataclass(frozen=True)
class MuLaw:
    """The waveform at a low rate, in 8-bit mu-law."""

    label: str
    sample_rate_hz: int
    family: str = "mulaw"

    @property
    def frame_rate_hz(self) -> Fraction:
        """Samples a second."""
        return Fraction(self.sample_rate_hz)

    def encode(self, samples: Samples) -> Packed:
        """One level a sample."""
        return Packed(((mu_law(samples, MU_LAW_BITS), MU_LAW_BITS),))

    def decode(self, packed: Packed, n_samples: int) -> Samples:
        """The samples back."""
        return from_mu_law(packed.fields[0][0], MU_LAW_BITS)[:n_samples]


@dataclass(frozen=True)
class SpectrumNoise:
    """Stationary noise of the sound's mean spectrum and level: the floor of every score.

    What it scores is owed to the long-term spectrum alone; it tells nothing about any moment.
    """

    sample_rate_hz: int
    seed: int
    label: str = "noise of the sound's mean spectrum"
    family: str = "floor"

    @property
    def frame_rate_hz(self) -> Fraction:
        """It has none: one spectrum for the whole sound."""
        return Fraction(0)

    def encode(self, samples: Samples) -> Packed:
        """Root-mean-square amplitude at each of 257 frequencies, in the header."""
        from scipy.signal import welch

        size = min(NOISE_WINDOW, len(samples))
        density = welch(samples, fs=1, nperseg=size)[1]
        return Packed((), tuple(map(float, np.sqrt(density))))

    def decode(self, packed: Packed, n_samples: int) -> Samples:
        """White noise with that spectrum."""
        white = np.random.default_rng(self.seed).standard_normal(n_samples)
        known = np.linspace(0, 0.5, len(packed.header))
        gain = np.interp(np.fft.rfftfreq(n_samples), known, packed.header)
        # One-sided density: white noise of unit variance has 2 at every frequency.
        return np.fft.irfft(np.fft.rfft(white) * gain / np.sqrt(2), n_samples)
