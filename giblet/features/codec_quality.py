"""How well a codec keeps sound: the figures of its model card.

STOI: Taal et al. 2011, through pystoi. Waveform: :func:`giblet.sound_scores.si_sdr`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.features.codec import Codec
from giblet.features.mel import log_mel
from giblet.sound_scores import is_silent, si_sdr


def quality(codec: Codec, samples: NDArray[np.floating]) -> dict[str, Any]:
    """Figures of sound sent through a codec and back.

    Parameters
    ----------
    samples
        Mono sound at the codec's rate, shape (n,), full scale 1, of a second or more.

    Returns
    -------
    dict with ``stoi`` (0 to 1), ``si_sdr_db``, ``log_mel_db`` (mean absolute distance of
    the mel bands in dB), ``perplexity`` (effective number of codes in use of each codebook)
    and ``codes_used`` (number of distinct codes of each)
    """
    from pystoi import stoi

    codes, _ = codec.encode(samples)
    made = codec.decode_codes(codes)[: len(samples)]
    return {
        "stoi": float(stoi(samples, made, codec.sample_rate_hz)),
        "si_sdr_db": si_sdr(samples, made),
        "log_mel_db": log_mel_distance_db(samples, made, codec.sample_rate_hz, codec.hop_length),
        "perplexity": [perplexity(row) for row in codes],
        "codes_used": [len(np.unique(row)) for row in codes],
    }


def log_mel_distance_db(
    reference: NDArray[np.floating],
    other: NDArray[np.floating],
    sample_rate_hz: int,
    hop_length: int,
    below_peak_db: float = 80,
) -> float:
    """Mean absolute distance of 64 log-mel bands in dB; NaN where `reference` is silent.

    What lies more than `below_peak_db` under the loudest band of `reference` counts as there.
    """
    if is_silent(reference):
        return float("nan")
    a, b = (log_mel(sound, sample_rate_hz, hop_length) for sound in (reference, other))
    floor = a.max() - below_peak_db * np.log(10) / 20
    distance = np.abs(np.maximum(a, floor) - np.maximum(b, floor)).mean()
    return float(distance * 20 / np.log(10))


def perplexity(codes: NDArray[np.integer]) -> float:
    """Effective number of codes in use: 2 to the entropy in bits of one codebook's codes."""
    counts = np.unique(codes, return_counts=True)[1]
    share = counts / counts.sum()
    return float(np.exp(-np.sum(share * np.log(share))))
