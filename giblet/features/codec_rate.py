"""Bits a second of a codec: bandwidth, codebooks and sample rate must agree.

    bandwidth = n_codebooks x log2(codebook_size) x sample_rate / hop_length

in exact arithmetic. (The library rounds the frame rate up to a whole number and derives the
codebooks from that, which gives 7 instead of 8 at 3.0 kbps and 37.5 frames/s.)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from giblet.errors import CodecError
from giblet.timing import Exact, as_fraction


@dataclass(frozen=True)
class CodecRate:
    """What a codec has and the rate it is run at."""

    codec: str
    sample_rate_hz: int
    hop_length: int
    codebook_size: int
    n_available: int

    @property
    def frame_rate_hz(self) -> Fraction:
        """Codec frames a second."""
        return Fraction(self.sample_rate_hz, self.hop_length)

    @property
    def bits(self) -> int:
        """Bits of one code."""
        return (self.codebook_size - 1).bit_length()

    def bandwidth_kbps(self, n_codebooks: int) -> Fraction:
        """Thousand bits a second of some codebooks."""
        return n_codebooks * self.bits * self.frame_rate_hz / 1000

    def codebooks(self, n_codebooks: int | None, bandwidth_kbps: Exact | None) -> int:
        """Number of codebooks that the settings ask for.

        Either may be None; with both None, all that the codec has.

        Raises
        ------
        CodecError
            If the two contradict each other or the codec, with the arithmetic.
        """
        if bandwidth_kbps is None:
            return self._available(self.n_available if n_codebooks is None else n_codebooks)
        bandwidth = as_fraction(bandwidth_kbps, "features/audio/bandwidth_kbps")
        exact = bandwidth / self.bandwidth_kbps(1)
        if n_codebooks is not None and exact != n_codebooks:
            raise CodecError(
                f"features/audio: n_codebooks {n_codebooks} is {n_codebooks} x "
                f"{self._arithmetic()} = {_plain(self.bandwidth_kbps(n_codebooks))} kbps, but "
                f"bandwidth_kbps is {_plain(bandwidth)}, which is {_plain(exact)} codebooks: "
                "change one of them, or leave one empty"
            )
        if exact.denominator != 1 or exact < 1:
            near = [k for k in (floor(exact), floor(exact) + 1) if 1 <= k <= self.n_available]
            choices = " or ".join(f"{_plain(self.bandwidth_kbps(k))} ({k} codebooks)" for k in near)
            raise CodecError(
                f"features/audio: bandwidth_kbps {_plain(bandwidth)} is {_plain(exact)} codebooks "
                f"of {self._arithmetic()} = {_plain(self.bandwidth_kbps(1))} kbps each, not a "
                f"whole number that {self.codec} has: use {choices or 'another codec'}"
            )
        return self._available(int(exact))

    def _available(self, n_codebooks: int) -> int:
        if not 1 <= n_codebooks <= self.n_available:
            raise CodecError(
                f"features/audio: {n_codebooks} codebooks asked for, codec {self.codec!r} has "
                f"{self.n_available}: at {self._arithmetic()} each it reaches "
                f"{_plain(self.bandwidth_kbps(self.n_available))} kbps at most"
            )
        return n_codebooks

    def _arithmetic(self) -> str:
        return (
            f"{self.bits} bits x {_plain(self.frame_rate_hz)} frames/s "
            f"({self.sample_rate_hz} Hz / {self.hop_length})"
        )


def _plain(value: Fraction) -> str:
    return f"{float(value):.6g}"
