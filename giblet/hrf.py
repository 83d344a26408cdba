"""Haemodynamic response functions, sampled for TR-long pieces of stimulus.

``BOLD[t] = sum_k kernel[k] * drive[t - k]``: the response is causal, ``kernel[0]`` being the
part of it that falls into the TR of the stimulus itself. Volume ``t`` is taken as the mean
of the response over TR ``t``, since it is acquired over all of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ConfigError
from giblet.timing import Exact, as_fraction, seconds_to_trs

OVERSAMPLING = 50
DURATION_S = 32.0
KINDS = ("glover", "spm", "shift", "none")
SHAPES = ("dispersion", "undershoot")


def hrf_kernel(
    kind: str, tr_s: Exact, *, shift_s: float = 0.0, duration_s: float = DURATION_S
) -> NDArray[np.float64]:
    """Response to a stimulus that lasts one TR, one value a TR.

    Parameters
    ----------
    kind
        ``glover`` (Glover 1999) or ``spm`` (double gamma of SPM12), both from nilearn;
        ``shift``: a pure delay of ``5 s + shift_s``, linearly interpolated; ``none``:
        the identity.
    tr_s
        Repetition time in seconds.
    shift_s
        Seconds by which the response is later (or, negative, earlier) than the standard
        one, whose peak is about 5 s after the stimulus. What would fall before the
        stimulus is cut off: the response stays causal.
    duration_s
        Length of the kernel in seconds.

    Returns
    -------
    array of shape (n_lags,), float64, summing to 1
    """
    tr = float(as_fraction(tr_s, "tr_s"))
    n_lags = seconds_to_trs(duration_s, tr_s)
    if kind == "none":
        return np.eye(1, n_lags)[0]
    if kind == "shift":
        lag = max(0.0, 5.0 + shift_s) / tr
        kernel = np.zeros(n_lags + 1)
        kernel[int(lag)] = 1 - (lag - int(lag))
        kernel[int(lag) + 1] = lag - int(lag)
        return kernel[:n_lags]
    if kind not in KINDS:
        raise ConfigError(f"unknown HRF {kind!r}: use one of {', '.join(KINDS)}")
    kernel = _per_tr(_impulse_response(kind, tr, duration_s, shift_s), n_lags)
    return kernel / kernel.sum()


def shape_kernels(
    tr_s: Exact, *, shift_s: float = 0.0, duration_s: float = DURATION_S
) -> NDArray[np.float64]:
    """What may be added to the Glover response to change its shape, one row each of `SHAPES`.

    ``dispersion``: the derivative by the first gamma function's dispersion (in seconds), of the
    informed basis set (Friston et al. 1998, NeuroImage 7:30), its sign such that the sum is
    wider. ``undershoot``: SPM's response less Glover's, whose undershoot is later and smaller.
    Both keep the response's sum at 1.

    Parameters
    ----------
    tr_s, shift_s, duration_s
        As for :func:`hrf_kernel`.

    Returns
    -------
    array of shape (2, n_lags), float64, each row summing to 0
    """
    tr = float(as_fraction(tr_s, "tr_s"))
    n_lags = seconds_to_trs(duration_s, tr_s)
    glover = hrf_kernel("glover", tr_s, shift_s=shift_s, duration_s=duration_s)
    spm = hrf_kernel("spm", tr_s, shift_s=shift_s, duration_s=duration_s)
    plain = _per_tr(_impulse_response("glover", tr, duration_s, shift_s), n_lags)
    narrower = _per_tr(_impulse_response("glover_dispersion", tr, duration_s, shift_s), n_lags)
    # d(k / sum k) for d k = -narrower: the sum of the result stays 1.
    wider = (glover * narrower.sum() - narrower) / plain.sum()
    return np.stack([wider, spm - glover])


def _per_tr(fine: NDArray[np.float64], n_lags: int) -> NDArray[np.float64]:
    """Response to a stimulus of one TR, from that to an impulse on the fine grid."""
    box = np.full(OVERSAMPLING, 1.0 / OVERSAMPLING)
    # Volume k is acquired over TR k, so the response is averaged over it as well: the second
    # box, read at the end of the TR.
    response = np.convolve(np.convolve(fine, box), box)
    kernel = response[OVERSAMPLING - 1 :: OVERSAMPLING][:n_lags]
    return np.pad(kernel, (0, n_lags - len(kernel)))


def _impulse_response(
    kind: str, tr: float, duration_s: float, shift_s: float
) -> NDArray[np.float64]:
    """Impulse response on a grid of tr / OVERSAMPLING seconds, zero before the impulse."""
    from nilearn.glm.first_level import hemodynamic_models as models

    make = {
        "glover": models.glover_hrf,
        "glover_dispersion": models.glover_dispersion_derivative,
        "spm": models.spm_hrf,
    }[kind]
    pad_s = max(0.0, -shift_s)
    fine = make(tr, oversampling=OVERSAMPLING, time_length=duration_s + pad_s, onset=0.0)
    step = tr / OVERSAMPLING
    n_shift = round(shift_s / step)
    if n_shift >= 0:
        return np.concatenate([np.zeros(n_shift), fine])
    return np.asarray(fine[-n_shift:])


def convolve_causal(
    drive: NDArray[np.floating], kernel: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Filter each column with a causal kernel, starting from rest.

    Parameters
    ----------
    drive : array of shape (n_trs, n_columns)
    kernel : array of shape (n_lags,)

    Returns
    -------
    array of shape (n_trs, n_columns), float64
    """
    out = np.zeros(drive.shape, dtype=np.float64)
    for lag, weight in enumerate(kernel[: len(drive)]):
        out[lag:] += weight * drive[: len(drive) - lag]
    return out


def delayed(drive: NDArray[np.floating], delays_trs: list[int]) -> NDArray[np.float32]:
    """Finite impulse response design: the columns once per delay, zeros before the run.

    Parameters
    ----------
    drive : array of shape (n_trs, n_columns)
    delays_trs
        Delays in TRs, none negative: a response does not precede its stimulus.

    Returns
    -------
    array of shape (n_trs, len(delays_trs) * n_columns), float32, delay-major
    """
    if any(delay < 0 for delay in delays_trs):
        raise ConfigError(
            f"align.delays_trs is {delays_trs}: a negative delay would let the brain "
            "answer before the stimulus; remove it"
        )
    out = np.zeros((len(drive), len(delays_trs), drive.shape[1]), dtype=np.float32)
    for place, delay in enumerate(delays_trs):
        out[delay:, place] = drive[: len(drive) - delay]
    return out.reshape(len(drive), -1)
