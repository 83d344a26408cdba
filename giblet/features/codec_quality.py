"""How well a codec keeps sound: the figures of its model card.

STOI: Taal et al. 2011, through pystoi. SI-SDR: Le Roux et al. 2019.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.features.codec import Codec
from giblet.features.mel import log_mel


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
        "si_sdr_db": si_sdr_db(made, samples),
        "log_mel_db": log_mel_distance_db(made, samples, codec),
        "perplexity": [perplexity(row) for row in codes],
        "codes_used": [len(np.unique(row)) for row in codes],
    }


def si_sdr_db(made: NDArray[np.floating], wanted: NDArray[np.floating]) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of two sounds of shape (n,)."""
    made, wanted = made - np.mean(made), wanted - np.mean(wanted)
    target = wanted * (np.dot(made, wanted) / max(np.dot(wanted, wanted), 1e-12))
    noise = made - target
    return float(10 * np.log10(max(np.sum(target**2), 1e-12) / max(np.sum(noise**2), 1e-12)))


def log_mel_distance_db(
    made: NDArray[np.floating],
    wanted: NDArray[np.floating],
    codec: Codec,
    below_peak_db: float = 80,
) -> float:
    """Mean absolute distance of log-mel bands in dB.

    What lies more than `below_peak_db` under the loudest band of `wanted` counts as there.
    """
    a, b = (log_mel(x, codec.sample_rate_hz, codec.hop_length) for x in (made, wanted))
    floor = b.max() - below_peak_db * np.log(10) / 20
    distance = np.abs(np.maximum(a, floor) - np.maximum(b, floor)).mean()
    return float(distance * 20 / np.log(10))


def perplexity(codes: NDArray[np.integer]) -> float:
    """Effective number of codes in use: 2 to the entropy in bits of one codebook's codes."""
    counts = np.unique(codes, return_counts=True)[1]
    share = counts / counts.sum()
    return float(np.exp(-np.sum(share * np.log(share))))
