"""One entrant on one sound: what it costs, what it keeps, how fast it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.features.bakeoff_methods import Entrant
from giblet.features.bakeoff_sounds import SPEECH
from giblet.features.codec_quality import log_mel_distance_db
from giblet.sound_scores import (
    PESQ_HZ,
    at_stoi_rate,
    is_silent,
    log_spectral_distance,
    si_sdr,
    stoi_10khz,
)

MEL_HOP_S = 0.02

Samples = NDArray[np.floating]


@dataclass(frozen=True)
class Outcome:
    """What came back of a sound: samples of the original's rate and length, and the cost.

    Attributes
    ----------
    encode_x, decode_x : seconds of sound a second of processor time, resampling not counted
    """

    samples: Samples
    kbps: float
    encode_x: float
    decode_x: float


def sent_through(entrant: Entrant, samples: Samples, sample_rate_hz: int) -> Outcome:
    """Store a sound by an entrant and take it out again, on the processor's clock."""
    fed = resampled(samples, sample_rate_hz, entrant.sample_rate_hz)
    # The first call of a library pays for its set-up.
    warm = fed[: entrant.sample_rate_hz]
    entrant.decode(entrant.encode(warm), len(warm))
    packed, encode_s = _timed(lambda: entrant.encode(fed))
    made, decode_s = _timed(lambda: entrant.decode(packed, len(fed)))
    seconds = len(samples) / sample_rate_hz
    back = resampled(made[: len(fed)], entrant.sample_rate_hz, sample_rate_hz)
    return Outcome(
        of_length(back, len(samples)),
        packed.n_bits / seconds / 1000,
        seconds / max(encode_s, 1e-9),
        seconds / max(decode_s, 1e-9),
    )


def scores(reference: Samples, made: Samples, sample_rate_hz: int, kind: str) -> dict[str, Any]:
    """How near a sound is to the original; NaN where a score is not defined.

    Returns
    -------
    dict with ``stoi``, ``estoi`` (up to 1), ``pesq`` (MOS-LQO, about 1 to 4.6, speech only),
    ``pesq_band`` (``nb`` or ``wb``), ``si_sdr_db``, ``log_mel_db``, ``log_spectral_db`` and
    ``note`` (why a score is missing)
    """
    was, is_now = (at_stoi_rate(sound, sample_rate_hz) for sound in (reference, made))
    pesq, band, note = pesq_score(reference, made, sample_rate_hz, kind)
    hop = round(MEL_HOP_S * sample_rate_hz)
    return {
        "stoi": stoi_10khz(was, is_now),
        "estoi": stoi_10khz(was, is_now, extended=True),
        "pesq": pesq,
        "pesq_band": band,
        "si_sdr_db": si_sdr(reference, made),
        "log_mel_db": log_mel_distance_db(reference, made, sample_rate_hz, hop),
        "log_spectral_db": log_spectral_distance(reference, made),
        "note": "silent" if is_silent(reference) else note,
    }


def pesq_score(
    reference: Samples, other: Samples, sample_rate_hz: int, kind: str
) -> tuple[float, str, str]:
    """PESQ (ITU-T P.862, narrowband, or P.862.2, wideband), its band, and why there is none.

    Wideband where the sound has it (16 kHz or more), narrowband otherwise.
    """
    none = float("nan")
    if kind != SPEECH:
        return none, "", "PESQ is for speech only"
    try:
        from pesq import PesqError, pesq
    except ImportError:
        return none, "", "PESQ needs the package pesq: pip install 'giblet[speech]'"
    band = "wb" if sample_rate_hz >= PESQ_HZ["wb"] else "nb"
    rate = PESQ_HZ[band]
    try:
        a, b = (resampled(sound, sample_rate_hz, rate) for sound in (reference, other))
        return float(pesq(rate, a.astype(np.float32), b.astype(np.float32), band)), band, ""
    except (PesqError, ValueError) as error:
        return none, band, f"PESQ: {_words(error)}"


def resampled(samples: Samples, rate_hz: int, new_rate_hz: int) -> Samples:
    """A whole sound at another rate; its first sample stays at time 0 (soxr)."""
    import soxr

    if rate_hz == new_rate_hz:
        return samples
    return np.asarray(soxr.resample(samples, rate_hz, new_rate_hz, quality="VHQ"))


def of_length(samples: Samples, n_samples: int) -> Samples:
    """Cut, or filled up with silence."""
    return np.pad(samples[:n_samples], (0, max(0, n_samples - len(samples))))


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Result and processor time of a call, s: all threads, and nobody else's."""
    before = time.process_time()
    found = call()
    return found, time.process_time() - before


def _words(error: Exception) -> str:
    text = error.args[0] if error.args else type(error).__name__
    return text.decode() if isinstance(text, bytes) else str(text)
