"""Making synthesised sound less alike: what rooms, microphones and throats do to it.

All functions take and return mono sound of shape (n,).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def equaliser(rng: np.random.Generator, n_bins: int) -> NDArray[np.float64]:
    """Smooth random gain over the bins of a spectrum.

    Some 5 dB up and down, about a line that falls by up to 24 dB or rises by up to 6: film
    sound and old recordings have far more bass than speech by itself.
    """
    gains_db = rng.normal(0, 5, 8) + rng.uniform(-24, 6) * np.linspace(0, 1, 8)
    return 10 ** (np.interp(np.linspace(0, 7, n_bins), np.arange(8), gains_db) / 20)


def tilt(rng: np.random.Generator, n_bins: int) -> NDArray[np.float64]:
    """Gain falling with frequency, from white to about pink and beyond, of unit RMS."""
    gain = (1 + np.arange(n_bins) / n_bins * 100) ** -rng.uniform(0, 1)
    return gain / np.sqrt(np.mean(gain**2))


def room(rng: np.random.Generator, rate_hz: int) -> NDArray[np.float64]:
    """Impulse response of a made-up room, 1 s: the sound itself, then decaying noise."""
    decay_s = rng.uniform(0.05, 0.5)
    t = np.arange(rate_hz) / rate_hz
    tail = rng.standard_normal(rate_hz) * 10 ** (-3 * t / decay_s)
    tail *= rng.uniform(0.1, 0.6) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def humanise(samples: Floats, rng: np.random.Generator, rate_hz: int) -> Floats:
    """Give synthesised speech some of the irregularity of a throat.

    A wandering pitch, a spectrum that changes over time, and now and then noise in the place
    of harmonics above some frequency, as in breathy speech and whispers.
    """
    return _wander(_texture(samples, rng, rate_hz), rng, rate_hz)


def _texture(samples: Floats, rng: np.random.Generator, rate_hz: int) -> Floats:
    """Time-varying gains over frequency, and breath above a random frequency."""
    from scipy.signal import istft, stft

    window = round(0.02 * rate_hz)
    hz, times_s, spectrum = stft(samples, rate_hz, nperseg=window)
    n_knots = (7, max(2, round(times_s[-1] / 0.15)))
    knots_db = rng.normal(0, rng.uniform(0, 5), n_knots)
    gains_db = _stretched(_stretched(knots_db, len(hz)).T, len(times_s)).T  # (bins, times)
    spectrum = spectrum * 10 ** (gains_db / 20)
    if rng.random() < 0.4:
        breathy = hz > rng.choice([0.0, rng.uniform(500, 4500)], p=[0.15, 0.85])
        angles = rng.uniform(0, 2 * np.pi, spectrum.shape)
        share = rng.uniform(0.3, 1) * breathy[:, None]
        spectrum = (1 - share) * spectrum + share * np.abs(spectrum) * np.exp(1j * angles)
    out: Floats = istft(spectrum, rate_hz, nperseg=window)[1]
    return out


def _stretched(knots: Floats, n: int) -> NDArray[np.float64]:
    """Rows of `knots` (k, m) interpolated linearly to `n` rows."""
    at = np.linspace(0, len(knots) - 1, n)
    low = np.minimum(at.astype(int), len(knots) - 2)
    share = (at - low)[:, None]
    return (1 - share) * knots[low] + share * knots[low + 1]


def _wander(samples: Floats, rng: np.random.Generator, rate_hz: int) -> Floats:
    """Play at a speed that wanders by some percent, up and down about every 0.2 s."""
    n_knots = max(2, round(len(samples) / rate_hz / 0.2))
    speed = _stretched(1 + rng.uniform(0, 0.05) * rng.standard_normal((n_knots, 1)), len(samples))
    return np.interp(np.cumsum(speed[:, 0]), np.arange(len(samples)), samples)
