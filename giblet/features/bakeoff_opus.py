"""Opus, what the world uses: through PyAV's libopus, aligned to the sample.

RFC 6716. The encoder looks ahead by a stated number of samples (RFC 7845's pre-skip), which
the decoder drops again when it is told; what is padded at the end is cut here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.features.bakeoff_packing import Packed

RATES_HZ = (8000, 12000, 16000, 24000, 48000)
# libopus decodes at this rate whatever it was fed.
DECODED_HZ = 48000
FRAME_RATE_HZ = Fraction(50)


def opus_rate_hz(sample_rate_hz: int) -> int:
    """The lowest rate Opus takes that holds all of a sound at `sample_rate_hz`."""
    return next((rate for rate in RATES_HZ if rate >= sample_rate_hz), RATES_HZ[-1])


@dataclass(frozen=True)
class Opus:
    """libopus at its defaults (variable bitrate, 20 ms frames, complexity 10, application audio).

    `kbps` is what the encoder is asked for. What it spends is counted from its packets: it
    varies with the sound, and below about 4 to 5 kbps libopus does not go.
    """

    label: str
    family: str
    sample_rate_hz: int
    kbps: float
    frame_rate_hz: Fraction = FRAME_RATE_HZ

    def encode(self, samples: NDArray[np.floating]) -> Packed:
        """Packets of a sound, one field of bytes for each."""
        packets = [np.frombuffer(packet, np.uint8) for packet in self._packets(samples)]
        return Packed(tuple((packet, 8) for packet in packets))

    def decode(self, packed: Packed, n_samples: int) -> NDArray[np.floating]:
        """Sound of the packets."""
        import av
        import soxr

        decoder: Any = av.CodecContext.create("libopus", "r")
        # The identification header, which says how many samples to drop at the start.
        decoder.extradata = bytes(self._encoder().extradata)
        packets = [av.Packet(values.tobytes()) for values, _ in packed.fields]
        frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
        sound = np.concatenate([frame.to_ndarray()[0] for frame in frames]) / np.float32(2**15)
        return np.asarray(soxr.resample(sound, DECODED_HZ, self.sample_rate_hz))[:n_samples]

    def _packets(self, samples: NDArray[np.floating]) -> Iterator[bytes]:
        from av import AudioFrame

        encoder = self._encoder()
        size = encoder.frame_size
        padded = np.pad(np.asarray(samples, np.float32), (0, -len(samples) % size))
        for start in range(0, len(padded), size):
            block = padded[None, start : start + size]
            frame = AudioFrame.from_ndarray(block, format="flt", layout="mono")
            frame.sample_rate, frame.pts = self.sample_rate_hz, start
            yield from map(bytes, encoder.encode(frame))
        yield from map(bytes, encoder.encode(None))

    def _encoder(self) -> Any:
        import av

        encoder: Any = av.CodecContext.create("libopus", "w")
        encoder.sample_rate = self.sample_rate_hz
        encoder.layout, encoder.format = "mono", "flt"
        encoder.bit_rate = round(self.kbps * 1000)
        encoder.options = {"application": "audio"}
        encoder.open()
        return encoder
