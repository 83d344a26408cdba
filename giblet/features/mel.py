"""Mel filters and the log-mel description of sound, one row per codec frame.

The mel scale is O'Shaughnessy's (HTK): ``mel = 2595 log10(1 + f / 700)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# 1e-5 of full scale is -100 dB, below what 16-bit sound holds.
FLOOR = 1e-5


def mel_filters(n_mels: int, n_fft: int, sample_rate_hz: float) -> NDArray[np.float64]:
    """Triangular filters with equally spaced centres on the mel scale.

    Filters narrower than the spacing of the spectrum's bins are widened to it, so that none
    is empty.

    Returns
    -------
    array of shape (n_fft // 2 + 1, n_mels), peak 1
    """
    nyquist_hz = sample_rate_hz / 2
    top_mel = 2595 * np.log10(1 + nyquist_hz / 700)
    edges_hz = 700 * (10 ** (np.linspace(0, top_mel, n_mels + 2) / 2595) - 1)
    centre = edges_hz[1:-1]
    bin_hz = sample_rate_hz / n_fft
    lower = np.minimum(edges_hz[:-2], centre - bin_hz)
    upper = np.maximum(edges_hz[2:], centre + bin_hz)
    hz = np.arange(n_fft // 2 + 1)[:, None] * bin_hz
    return np.clip(
        np.minimum((hz - lower) / (centre - lower), (upper - hz) / (upper - centre)), 0, 1
    )


def log_mel(
    samples: NDArray[np.floating], sample_rate_hz: int, hop_length: int, n_mels: int = 64
) -> NDArray[np.float32]:
    """Log amplitude per mel band and codec frame.

    Frame j stands for samples ``[j * hop, (j + 1) * hop)`` and is described by a Hann window
    of two hops centred on them; before the first and after the last sample is silence.

    Parameters
    ----------
    samples
        Mono sound of shape (n,), full scale 1.

    Returns
    -------
    array of shape (ceil(n / hop_length), n_mels), float32
        Natural log of each band's RMS amplitude, at least ``log(1e-5)``. The squares of the
        bands' amplitudes add up to about the mean square of the windowed sound.
    """
    n_frames = -(-len(samples) // hop_length)
    before = hop_length // 2
    after = n_frames * hop_length + hop_length - before - len(samples)
    return log_mel_of_padded(
        np.pad(samples, (before, after)), n_frames, sample_rate_hz, hop_length, n_mels
    )


def log_mel_of_padded(
    padded: NDArray[np.floating], n_frames: int, sample_rate_hz: int, hop_length: int, n_mels: int
) -> NDArray[np.float32]:
    """Log-mel of frames whose surroundings are given.

    `padded` begins ``hop_length // 2`` samples before the first frame and holds at least
    ``(n_frames + 1) * hop_length`` samples.
    """
    size = 2 * hop_length
    if n_frames == 0:
        return np.zeros((0, n_mels), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop_length][:n_frames]
    hann = np.hanning(size + 1)[:-1]
    power = np.abs(np.fft.rfft(windows * hann)) ** 2  # (n_frames, bins)
    # One-sided spectrum of a windowed sound: Parseval, per unit of the window's energy.
    power *= 2 / (size * np.sum(hann**2))
    filters = mel_filters(n_mels, size, sample_rate_hz)
    # Neighbouring triangles sum to 1; widened ones overlap more and are scaled back.
    filters = filters / np.maximum(filters.sum(axis=1, keepdims=True), 1)
    return np.log(np.maximum(np.sqrt(power @ filters), FLOOR)).astype(np.float32)
