"""Spectra as representations of sound: STFT with and without phase, mel bands.

What has no phase gets one by Griffin & Lim's iteration (1984, IEEE Trans. ASSP 32:236) with
the momentum of Perraudin et al. (2013, WASPAA).

Legend: F frequencies, N frames, M mel bands, n samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.features.bakeoff_packing import (
    Packed,
    dequantise_amplitude,
    dequantise_phase,
    quantise_amplitude,
    quantise_phase,
)
from giblet.features.mel import mel_filters

MOMENTUM = 0.99
MEL_STEPS = 30

Complex = NDArray[np.complexfloating]
Samples = NDArray[np.floating]


@dataclass(frozen=True)
class Stft:
    """Short-time Fourier transform with a Hann window, inverted by its dual window.

    Griffin-Lim runs it a hundred times, so all frames are transformed at once (scipy's
    ShortTimeFFT takes them one by one and is the oracle in the test).
    """

    window: int
    hop: int

    def analyse(self, samples: Samples) -> Complex:
        """Coefficients of shape (F, N); frames that only touch the sound count too."""
        from scipy.fft import rfft

        n_frames = -(-(len(samples) + self._before) // self.hop)
        after = (n_frames - 1) * self.hop + self.window - self._before - len(samples)
        padded = np.pad(samples, (self._before, after))
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.window)[:: self.hop]
        found: Complex = rfft(frames * self._hann, axis=1).T
        return found

    def synthesise(self, coefficients: Complex, n_samples: int) -> Samples:
        """Sound of coefficients: exact for those of a sound, else the nearest in least squares."""
        from scipy.fft import irfft

        frames = irfft(coefficients.T, self.window, axis=1) * self._hann  # (N, window)
        weight = np.broadcast_to(self._hann**2, frames.shape)
        kept = slice(self._before, self._before + n_samples)
        return self._overlapped(frames)[kept] / self._overlapped(weight)[kept]

    def _overlapped(self, frames: NDArray[np.floating]) -> Samples:
        """Sum of frames of shape (N, window), each a hop after the one before."""
        n_frames, parts = len(frames), -(-self.window // self.hop)
        padded = np.pad(frames, ((0, 0), (0, parts * self.hop - self.window)))
        total = np.zeros((n_frames + parts - 1, self.hop))
        for part in range(parts):
            total[part : part + n_frames] += padded[:, part * self.hop : (part + 1) * self.hop]
        return total.ravel()

    @property
    def _before(self) -> int:
        """Silence before the sound, so that its first sample is in as many frames as all."""
        return self.window - self.hop

    @cached_property
    def _hann(self) -> NDArray[np.float64]:
        return np.hanning(self.window + 1)[:-1]


def griffin_lim(
    amplitude: NDArray[np.floating],
    analyse: Callable[[Samples], Complex],
    synthesise: Callable[[Complex], Samples],
    *,
    steps: int,
    seed: int,
    momentum: float = MOMENTUM,
) -> Samples:
    """Sound whose transform has about the given amplitudes.

    Alternates between the transforms of sounds and the coefficients of these amplitudes. With
    `momentum` 0 each step brings them nearer to each other (or leaves them).

    Parameters
    ----------
    analyse, synthesise
        A transform and its (least-squares) inverse.
    steps
        Iterations, from random phases drawn with `seed`.
    """
    rng = np.random.default_rng(seed)
    guess: Complex = amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape))
    before: Complex = np.zeros_like(guess)
    for _ in range(steps):
        reached = analyse(synthesise(guess))
        ahead = reached + momentum * (reached - before)
        guess = amplitude * ahead / np.maximum(np.abs(ahead), 1e-30)
        before = reached
    return synthesise(guess)


@dataclass(frozen=True)
class Coefficients:
    """Amplitude, and phase where it is kept, of a transform's coefficients in `bits` each."""

    label: str
    family: str
    sample_rate_hz: int
    frame_rate_hz: Fraction
    transform: Any  # Stft or ConstantQ
    bits: int
    with_phase: bool
    steps: int
    seed: int

    def encode(self, samples: Samples) -> Packed:
        """Quantised amplitudes (and phases) of a sound."""
        found = self.transform.analyse(samples)
        levels, peak = quantise_amplitude(np.abs(found), self.bits)
        fields = [(levels, self.bits)]
        if self.with_phase:
            fields.append((quantise_phase(np.angle(found), self.bits), self.bits))
        return Packed(tuple(fields), (peak,))

    def decode(self, packed: Packed, n_samples: int) -> Samples:
        """Sound of the stored coefficients; missing phases are made up by Griffin-Lim."""
        amplitude = dequantise_amplitude(packed.fields[0][0], packed.header[0], self.bits)
        if self.with_phase:
            phase = dequantise_phase(packed.fields[1][0], self.bits)
            found: Samples = self.transform.synthesise(amplitude * np.exp(1j * phase), n_samples)
            return found
        return griffin_lim(
            amplitude,
            self.transform.analyse,
            lambda guess: self.transform.synthesise(guess, n_samples),
            steps=self.steps,
            seed=self.seed,
        )


@dataclass(frozen=True)
class MelBands:
    """Mel bands of an STFT, `bits` each; back through non-negative magnitudes and Griffin-Lim."""

    label: str
    family: str
    sample_rate_hz: int
    frame_rate_hz: Fraction
    transform: Stft
    n_mels: int
    bits: int
    steps: int
    seed: int

    def encode(self, samples: Samples) -> Packed:
        """Quantised RMS amplitudes of the bands, shape (M, N)."""
        power = np.abs(self.transform.analyse(samples)) ** 2  # (F, N)
        levels, peak = quantise_amplitude(np.sqrt(self._filters.T @ power), self.bits)
        return Packed(((levels, self.bits),), (peak,))

    def decode(self, packed: Packed, n_samples: int) -> Samples:
        """Sound whose mel bands are about the stored ones."""
        bands = dequantise_amplitude(packed.fields[0][0], packed.header[0], self.bits)  # (M, N)
        return griffin_lim(
            np.sqrt(power_of_bands(bands**2, self._filters)),  # (F, N)
            self.transform.analyse,
            lambda guess: self.transform.synthesise(guess, n_samples),
            steps=self.steps,
            seed=self.seed,
        )

    @cached_property
    def _filters(self) -> NDArray[np.float64]:
        return mel_filters(self.n_mels, self.transform.window, self.sample_rate_hz)  # (F, M)


def power_of_bands(
    bands: NDArray[np.floating], filters: NDArray[np.floating], steps: int = MEL_STEPS
) -> NDArray[np.float64]:
    """Non-negative power spectra whose mel bands are near the given ones in least squares.

    Lee & Seung's multiplicative update (2001, NIPS 13) from a smooth start, which spreads a
    band's power evenly where only the band is known.

    Parameters
    ----------
    bands : array of shape (M, N), power in each band
    filters : array of shape (F, M)

    Returns
    -------
    array of shape (F, N)
    """
    share = filters / np.maximum(filters.sum(axis=0), 1e-30)
    power = np.maximum(share @ bands, 1e-30)  # (F, N)
    wanted = filters @ bands
    for _ in range(steps):
        power *= wanted / np.maximum(filters @ (filters.T @ power), 1e-30)
    return power
