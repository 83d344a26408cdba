"""Constant-Q transform that can be inverted exactly.

A nonstationary Gabor frame in the frequency domain (Velasco, Holighaus, Dörfler & Grill 2011,
DAFx; Holighaus et al. 2013, IEEE TASLP 21:775): Hann windows centred on logarithmically spaced
frequencies, each reaching to its neighbours' centres, applied to the sound's spectrum. Every
band is sampled just fast enough for its width, so the frame is painless: its dual windows are
the windows over the sum of all squared windows, and the inverse is exact.

Legend: n samples, B bands, K coefficients of all bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Band:
    """Bins ``[first, first + len(window))`` of the spectrum and the window on them."""

    first: int
    window: NDArray[np.float64]

    @property
    def bins(self) -> slice:
        """Where the window stands in the spectrum."""
        return slice(self.first, self.first + len(self.window))


@dataclass(frozen=True)
class ConstantQ:
    """Constant-Q transform of sounds at `sample_rate_hz`.

    Below `lowest_hz` there is one band for all, and one at half the sample rate.
    """

    sample_rate_hz: int
    bins_per_octave: int
    lowest_hz: float = 50.0

    def analyse(self, samples: NDArray[np.floating]) -> NDArray[np.complex128]:
        """Coefficients of all bands one after the other, shape (K,)."""
        spectrum = np.fft.rfft(samples)
        bands, _ = _frame(len(samples), self)
        return np.concatenate([_ifft(spectrum[band.bins] * band.window) for band in bands])

    def synthesise(self, coefficients: NDArray, n_samples: int) -> NDArray[np.float64]:
        """Sound of coefficients of shape (K,): exact for those of a sound."""
        bands, squares = _frame(n_samples, self)
        spectrum = np.zeros(n_samples // 2 + 1, complex)
        at = 0
        for band in bands:
            part = coefficients[at : at + len(band.window)]
            spectrum[band.bins] += np.fft.fft(part, norm="ortho") * band.window
            at += len(part)
        return np.fft.irfft(spectrum / squares, n_samples)

    @property
    def highest_rate_hz(self) -> float:
        """Coefficients a second of the widest band."""
        edges = self._edges_hz()
        return float(np.max(edges[2:] - edges[:-2]))

    def _edges_hz(self) -> NDArray[np.float64]:
        """Centres of all bands, from 0 to half the sample rate."""
        nyquist = self.sample_rate_hz / 2
        octaves = np.log2(nyquist / self.lowest_hz)
        steps = np.arange(int(octaves * self.bins_per_octave))
        centres = self.lowest_hz * 2 ** (steps / self.bins_per_octave)
        return np.concatenate([[0.0], centres, [nyquist]])


def _ifft(values: NDArray) -> NDArray[np.complex128]:
    return np.asarray(np.fft.ifft(values, norm="ortho"))


@lru_cache(maxsize=2)
def _frame(n_samples: int, transform: ConstantQ) -> tuple[list[Band], NDArray[np.float64]]:
    """Bands for sounds of a length, and the sum of their squared windows per bin."""
    n_bins = n_samples // 2 + 1
    edges = np.rint(transform._edges_hz() / transform.sample_rate_hz * n_samples).astype(int)
    # In short sounds low bands would share a bin.
    edges = np.unique(np.minimum(edges, n_bins - 1))
    bands = []
    for at, centre in enumerate(edges):
        below = edges[at - 1] if at else centre
        above = edges[at + 1] if at + 1 < len(edges) else centre
        rise = np.sin(np.pi / 2 * np.arange(1, centre - below + 1) / (centre - below or 1)) ** 2
        fall = np.cos(np.pi / 2 * np.arange(0, above - centre) / (above - centre or 1)) ** 2
        # Each centre belongs to one side only.
        window = np.concatenate([rise[:-1], fall if len(fall) else [1.0]])
        bands.append(Band(below + 1 if at else centre, window))
    squares = np.zeros(n_bins)
    for band in bands:
        squares[band.bins] += band.window**2
    return bands, squares
