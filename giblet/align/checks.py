"""Guards against the two classic mistakes: an anti-causal response and a stretched film.

They run on every study, on numbers that cost nothing, because both mistakes leave results
that look plausible.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from giblet.errors import AlignError
from giblet.timing import Exact, as_fraction, n_items, tr_ranges

# Largest drift of the film against the scanner's clock from one end of a run to the other.
# A held or dropped picture moves single frames, not a tenth of the run.
MAX_DRIFT_TRS = 0.5


def check_causal(
    respond: Callable[[NDArray[np.float64]], NDArray[np.floating]], n_trs: int = 60
) -> None:
    """Refuse a filter whose output answers before its input, or not at all.

    Parameters
    ----------
    respond
        Filter from an array of shape (n_trs, 1) to one of shape (n_trs, n_columns).

    Raises
    ------
    AlignError
        If an impulse at a TR changes anything before it, or changes nothing.
    """
    quiet = np.zeros((n_trs, 1))
    rest = respond(quiet)
    for tr in (0, n_trs // 3, n_trs // 2):
        impulse = quiet.copy()
        impulse[tr] = 1.0
        changed = np.flatnonzero(np.abs(respond(impulse) - rest).max(axis=1) > 0)
        if not len(changed):
            raise AlignError(f"the response to an impulse at TR {tr} is zero everywhere")
        if changed[0] < tr:
            raise AlignError(
                f"anti-causal response: an impulse at TR {tr} changes TR {changed[0]}, "
                f"{tr - changed[0]} TRs before it; check giblet/hrf.py and align/delays_trs"
            )


def check_clock(
    time_s: NDArray[np.float64], valid: NDArray[np.bool_], tr_s: Exact, name: str
) -> None:
    """Refuse a film whose clock runs faster or slower than the scanner's.

    Parameters
    ----------
    time_s : array of shape (n_trs, frames_per_tr)
        Film time of the pictures shown, seconds.
    valid : array of shape (n_trs, frames_per_tr), bool
    name
        File the times come from, for the message.

    Raises
    ------
    AlignError
        If film time drifts against scanner time by more than half a TR over the run.
    """
    tr = float(as_fraction(tr_s))
    per_tr = time_s.shape[1]
    scanner_s = (np.arange(time_s.size) + 0.5) * tr / per_tr
    offset_s = (time_s.ravel() - scanner_s)[valid.ravel()]
    tenth = len(offset_s) // 10
    if tenth == 0:
        return
    drift_s = float(np.median(offset_s[-tenth:]) - np.median(offset_s[:tenth]))
    if abs(drift_s) > MAX_DRIFT_TRS * tr:
        raise AlignError(
            f"{name}: film time drifts by {drift_s:.2f} s against scanner time over the run: "
            "the film was stretched or squeezed; it has to be cut instead (n_trs, "
            "movie_onset_s in the runs table)"
        )


def check_stream(
    index: NDArray[np.int64], n_frames: int, tr_s: Exact, rate_hz: Exact, name: str
) -> None:
    """Refuse codec frames that were stretched, cut or doubled on their way into TRs.

    Parameters
    ----------
    index : array of shape (n_trs, 2), [start, stop) of each TR in the stream
    n_frames : length of the stream
    rate_hz : codec frames a second, exact

    Raises
    ------
    AlignError
        If the ranges are not those of :func:`giblet.timing.tr_ranges`, or do not cover
        the stream exactly.
    """
    n_trs = len(index)
    expected = tr_ranges(n_trs, tr_s, rate_hz)
    wrong = np.flatnonzero((index != expected).any(axis=1))
    if len(wrong):
        tr = int(wrong[0])
        raise AlignError(
            f"{name}: TR {tr} holds codec frames {index[tr, 0]} to {index[tr, 1]}, at "
            f"{float(as_fraction(rate_hz)):g} Hz it has to hold {expected[tr, 0]} to "
            f"{expected[tr, 1]}: delete the file and run snakemake again"
        )
    needed = n_items(n_trs, tr_s, rate_hz)
    if n_frames != needed:
        raise AlignError(
            f"{name}: {n_frames} codec frames for {n_trs} TRs, expected {needed}: delete the "
            "file and run snakemake again"
        )
