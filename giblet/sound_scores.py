"""How alike two sounds are: intelligibility, waveform, spectrum.

All take mono sounds of shape (n,) at the same rate and return one number; NaN where the
reference is silent, because nothing can be reconstructed of silence.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

STOI_HZ = 10_000
# P.862 is defined at two rates; the wide one needs sound up to 7 kHz.
PESQ_HZ = {"wb": 16_000, "nb": 8_000}
SILENT_RMS = 1e-4
N_FFT = 512
HOP = 128
SPECTRUM_FLOOR = 1e-8

Sound = NDArray[np.floating]


def is_silent(sound: Sound) -> bool:
    """Whether a sound is below -80 dB of full scale."""
    return (
        len(sound) == 0 or float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) < SILENT_RMS
    )


def at_rate(sound: Sound, rate_hz: int, wanted_hz: int) -> NDArray[np.float64]:
    """Resample with soxr (much faster than pystoi's own)."""
    import soxr

    if rate_hz == wanted_hz:
        return np.asarray(sound, np.float64)
    return np.asarray(soxr.resample(np.asarray(sound, np.float64), rate_hz, wanted_hz))


def at_stoi_rate(sound: Sound, rate_hz: int) -> NDArray[np.float64]:
    """Resample to the 10 kHz that STOI is defined at."""
    return at_rate(sound, rate_hz, STOI_HZ)


def stoi_10khz(reference: Sound, other: Sound, extended: bool = False) -> float:
    """Short-time objective intelligibility of sounds at 10 kHz, up to 1.

    Taal et al. (2011), IEEE Trans. Audio 19:2125; `extended`, Jensen & Taal (2016), IEEE/ACM
    Trans. Audio 24:2009, which also counts gaps that fluctuate. As implemented by pystoi.
    """
    from pystoi import stoi

    if is_silent(reference):
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        if extended:
            # pystoi adds noise from numpy's global generator to its bands.
            np.random.seed(0)  # noqa: NPY002
        try:
            return float(stoi(reference, other, STOI_HZ, extended=extended))
        except RuntimeWarning:
            # pystoi warns when fewer than 30 of its frames are not silent.
            return float("nan")


def has_pesq() -> bool:
    """Whether the optional package pesq is installed."""
    return find_spec("pesq") is not None


def pesq_wideband(reference: Sound, other: Sound, rate_hz: int) -> float:
    """Perceptual evaluation of speech quality, wide band (ITU-T P.862.2), 1 to 4.6.

    NaN where the package finds no utterance.
    """
    from pesq import PesqError, pesq

    if is_silent(reference):
        return float("nan")
    wide_hz = PESQ_HZ["wb"]
    sounds = [at_rate(sound, rate_hz, wide_hz).astype(np.float32) for sound in (reference, other)]
    found = pesq(wide_hz, *sounds, "wb", on_error=PesqError.RETURN_VALUES)
    return float(found) if found > 0 else float("nan")


def si_sdr(reference: Sound, other: Sound) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, at least -100.

    ``10 log10(|a s|^2 / |a s - x|^2)``, ``a = <x, s> / |s|^2``, both without their means.
    Le Roux et al. (2019), ICASSP.
    """
    if is_silent(reference):
        return float("nan")
    s = np.asarray(reference, np.float64) - np.mean(reference, dtype=np.float64)
    x = np.asarray(other, np.float64) - np.mean(other, dtype=np.float64)
    target = (x @ s) / (s @ s) * s
    signal, noise = float(target @ target), float(np.sum((x - target) ** 2))
    if signal == 0:
        return -100.0
    return float(np.clip(10 * np.log10(signal / max(noise, 1e-30)), -100, 200))


def log_spectral_distance(reference: Sound, other: Sound) -> float:
    """Root-mean-square over frequency of the log power spectra's difference, mean over time; dB.

    Gray & Markel (1976), IEEE Trans. ASSP 24:380. Hann windows of 512 samples, hop 128;
    power below 1e-8 of full scale counts as that.
    """
    if is_silent(reference) or len(reference) < N_FFT:
        return float("nan")
    difference = _log_power(reference) - _log_power(other)
    return float(np.sqrt((difference**2).mean(1)).mean())


def _log_power(sound: Sound) -> NDArray[np.float64]:
    from scipy.fft import rfft

    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(sound, np.float32), N_FFT)[::HOP]
    hann = np.hanning(N_FFT).astype(np.float32)
    power = np.abs(rfft(windows * hann, axis=1)) ** 2 / np.sum(hann**2)
    return np.asarray(10 * np.log10(np.maximum(power, SPECTRUM_FLOOR)))
