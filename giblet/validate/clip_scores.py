"""The measures of a decoded clip: of speech where it is speech, of sound always."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from giblet.features.mel import log_mel
from giblet.sound_scores import (
    at_stoi_rate,
    has_pesq,
    is_silent,
    log_spectral_distance,
    pesq_wideband,
    si_sdr,
    stoi_10khz,
)

SPEECH_UNITS = {"stoi": "1", "estoi": "1", "pesq": "MOS"}
UNITS = {
    "si_sdr": "dB",
    "log_spectral_distance": "dB",
    "log_mel_distance": "log energy",
}
Sound = NDArray[np.float32]


class ClipScores:
    """Scores of clips at one rate.

    Attributes
    ----------
    units
        Unit of every measure; PESQ is not among them where its package is missing.
    """

    def __init__(self, rate_hz: int, hop: int, n_mels: int) -> None:
        self.rate_hz, self.hop, self.n_mels = rate_hz, hop, n_mels
        self.speech = [name for name in SPEECH_UNITS if name != "pesq" or has_pesq()]
        if "pesq" not in self.speech:
            print(
                "PESQ is left out: the package pesq is not installed (pip install 'giblet[speech]')"
            )
        self.units = {name: SPEECH_UNITS[name] for name in self.speech} | UNITS

    def reference(self, original: Sound, is_speech: bool) -> Reference:
        """What all decoded versions of a clip are held against, worked out once."""
        return Reference(
            original,
            log_mel(original, self.rate_hz, self.hop, self.n_mels),
            at_stoi_rate(original, self.rate_hz) if is_speech else None,
        )

    def of(self, reference: Reference, other: Sound) -> dict[str, float]:
        """Scores of a decoded clip, NaN where there is nothing to score."""
        original = reference.sound
        mel = log_mel(other, self.rate_hz, self.hop, self.n_mels)
        distance = float(np.abs(mel - reference.mel).mean())
        return {
            **self._of_speech(reference, other),
            "si_sdr": si_sdr(original, other),
            "log_spectral_distance": log_spectral_distance(original, other),
            "log_mel_distance": float("nan") if is_silent(original) else distance,
        }

    def _of_speech(self, reference: Reference, other: Sound) -> dict[str, float]:
        said = reference.at_stoi_rate
        if said is None:
            return dict.fromkeys(self.speech, float("nan"))
        heard = at_stoi_rate(other, self.rate_hz)
        found = {
            "stoi": stoi_10khz(said, heard),
            "estoi": stoi_10khz(said, heard, extended=True),
        }
        if "pesq" in self.speech:
            found["pesq"] = pesq_wideband(reference.sound, other, self.rate_hz)
        return found


@dataclass(frozen=True)
class Reference:
    """An original clip, its log-mel, and, where it is speech, the clip at STOI's rate."""

    sound: Sound
    mel: NDArray[np.float32]
    at_stoi_rate: NDArray[np.float64] | None
