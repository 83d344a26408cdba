"""Numbers as they would be stored or sent: whole numbers of so many bits, counted exactly.

A representation hands its decoder nothing but a :class:`Packed`, so a bit that is not counted
cannot be used. Lengths are fixed: no entropy coder follows, which would take some 10 to 40 %
off every representation but Opus, which has one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What lies further below the largest amplitude is stored as silence.
RANGE_DB = 80.0
HEADER_BITS = 32

Levels = NDArray[np.integer]


@dataclass(frozen=True)
class Packed:
    """What a decoder is given.

    Attributes
    ----------
    fields : pairs of (array of integers, bits of each); every integer is below ``2 ** bits``
    header : single-precision numbers that hold for the whole sound
    """

    fields: tuple[tuple[NDArray[np.integer], int], ...]
    header: tuple[float, ...] = ()

    @property
    def n_bits(self) -> int:
        """Bits of all values and of the header."""
        return sum(values.size * bits for values, bits in self.fields) + (
            HEADER_BITS * len(self.header)
        )


def quantise_amplitude(amplitude: NDArray[np.floating], bits: int) -> tuple[Levels, float]:
    """Amplitudes as levels that are equally far apart in dB.

    Level 0 is silence; 1 to ``2 ** bits - 1`` go from `RANGE_DB` below the largest amplitude
    up to it, so values within the range are at most half a step, ``RANGE_DB / (2 ** bits - 2)
    / 2``, off.

    Returns
    -------
    levels : array of the shape of `amplitude`, uint16
    peak : the largest amplitude, for the header
    """
    peak = float(np.float32(np.max(amplitude, initial=0.0)))
    if peak == 0:
        return np.zeros(amplitude.shape, np.uint16), 0.0
    top = 2**bits - 1
    below_db = 20 * np.log10(np.maximum(amplitude, 1e-30) / peak)
    levels = np.rint((1 + below_db / RANGE_DB) * (top - 1)) + 1
    return np.clip(levels, 0, top).astype(np.uint16), peak


def dequantise_amplitude(levels: Levels, peak: float, bits: int) -> NDArray[np.float64]:
    """Amplitudes of levels, see :func:`quantise_amplitude`."""
    top = 2**bits - 1
    below_db = ((levels.astype(np.float64) - 1) / (top - 1) - 1) * RANGE_DB
    return np.where(levels == 0, 0.0, peak * 10 ** (below_db / 20))


def quantise_phase(phase: NDArray[np.floating], bits: int) -> Levels:
    """Angles in radians as the nearest of ``2 ** bits`` equally spaced ones."""
    return (np.rint(phase / (2 * np.pi) * 2**bits).astype(np.int64) % 2**bits).astype(np.uint16)


def dequantise_phase(levels: Levels, bits: int) -> NDArray[np.float64]:
    """Angles of levels, radians from 0 to below 2 pi."""
    return levels * (2 * np.pi / 2**bits)


def mu_law(samples: NDArray[np.floating], bits: int = 8) -> Levels:
    """Samples in -1..1 as logarithmically spaced levels (ITU-T G.711's law, mu = 2^bits - 1)."""
    mu = 2**bits - 1
    bent = np.sign(samples) * np.log1p(mu * np.minimum(np.abs(samples), 1)) / np.log1p(mu)
    return np.rint((bent + 1) / 2 * mu).astype(np.uint16)


def from_mu_law(levels: Levels, bits: int = 8) -> NDArray[np.float64]:
    """Samples of levels, see :func:`mu_law`."""
    mu = 2**bits - 1
    bent = levels / mu * 2 - 1
    return np.sign(bent) * np.expm1(np.abs(bent) * np.log1p(mu)) / mu
