"""The measures of a decoded clip: of speech where it is speech, of sound always."""

from __future__ import annotations

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

    def of(self, original: Sound, other: Sound, is_speech: bool) -> dict[str, float]:
        """Scores of a decoded clip, NaN where there is nothing to score."""
        mels = [log_mel(sound, self.rate_hz, self.hop, self.n_mels) for sound in (original, other)]
        distance = float("nan") if is_silent(original) else float(np.abs(mels[1] - mels[0]).mean())
        unsaid = dict.fromkeys(self.speech, float("nan"))
        return {
            **(self._of_speech(original, other) if is_speech else unsaid),
            "si_sdr": si_sdr(original, other),
            "log_spectral_distance": log_spectral_distance(original, other),
            "log_mel_distance": distance,
        }

    def _of_speech(self, original: Sound, other: Sound) -> dict[str, float]:
        reference, heard = (at_stoi_rate(sound, self.rate_hz) for sound in (original, other))
        found = {
            "stoi": stoi_10khz(reference, heard),
            "estoi": stoi_10khz(reference, heard, extended=True),
        }
        if "pesq" in self.speech:
            found["pesq"] = pesq_wideband(original, other, self.rate_hz)
        return found
