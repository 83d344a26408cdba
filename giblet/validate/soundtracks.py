"""The sound that was heard, and what is needed of a codec to hear what was decoded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.results import made_sound

Samples = NDArray[np.float32]


class Decoder(Protocol):
    """What is needed of :class:`giblet.features.codec.Codec`."""

    @property
    def hop_length(self) -> int:
        """Samples of a codec frame."""

    def dequantise(self, codes: NDArray[np.integer]) -> NDArray[np.float32]:
        """Latents (N, D) of codes (Q, N)."""

    def decode_latents(self, latents: NDArray[np.floating], requantise: bool = False) -> Samples:
        """Sound (N * hop_length,) of latents (N, D)."""


def read_original(
    originals: Mapping[str, Path], run: str, rate_hz: int, start: int, stop: int
) -> Samples:
    """Samples ``[start, stop)`` of a run's soundtrack, silence after its end.

    Raises
    ------
    ValidationError
        If the run has no soundtrack, or one at another rate.
    """
    if run not in originals:
        raise ValidationError(
            f"no soundtrack of run {run} was given (have {', '.join(originals)}): run stimulus"
        )
    with made_sound(originals[run]) as file:
        if file.samplerate != rate_hz:
            raise ValidationError(
                f"{originals[run]} has {file.samplerate} Hz, the study was made at {rate_hz} Hz: "
                "run stimulus, features and align again with one features/audio/sample_rate_hz"
            )
        # A start behind the end gives silence, as an end behind it does.
        file.seek(min(start, file.frames))
        sound = file.read(stop - start, dtype="float32")
    return np.pad(sound, (0, stop - start - len(sound)))
