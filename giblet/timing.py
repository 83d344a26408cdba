"""Time, in one place and exact.

Every conversion between seconds, TRs, video frames, audio samples and codec frames is
made here, in rationals, so that no rounding error can grow with the length of a run.

Conventions
-----------
* *Scanner time* starts at 0 s with the first volume of a run. TR ``k`` is the half-open
  interval ``[k * tr_s, (k + 1) * tr_s)``.
* *Film time* starts at the film's first moment. ``movie_onset_s`` is the scanner time at
  which the film starts: ``film = scanner - movie_onset_s``. It may be negative when the
  film had been running before the first volume.
* A *stream* with ``rate_hz`` items a second has item ``i`` at ``i / rate_hz`` s of scanner
  time. An item belongs to the TR its time falls in, so each item belongs to exactly one TR
  and concatenating the TRs gives back the stream.

Examples
--------
37.5 codec frames a second at a TR of 1.5 s are 56.25 a TR:

>>> [int(stop - start) for start, stop in tr_ranges(4, "1.5", "37.5")]
[57, 56, 56, 56]
>>> n_items(1000, "1.5", "37.5")
56250
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ConfigError

Exact: TypeAlias = Fraction | int | str | float


def as_fraction(value: Exact, name: str = "value") -> Fraction:
    """Read a number as the rational its decimal notation stands for.

    Parameters
    ----------
    value
        An integer, a decimal (``1.5`` or ``"1.5"``) or a ratio (``"3/2"``). A float is
        taken at its shortest decimal form, so ``0.1`` is exactly one tenth.
    name
        What the number is, for the error message.

    Raises
    ------
    ConfigError
        If `value` is not a finite number.
    """
    if isinstance(value, Fraction):
        return value
    try:
        if isinstance(value, str) and "/" in value:
            return Fraction(value)
        return Fraction(Decimal(str(value)))
    except (ArithmeticError, ValueError) as error:
        raise ConfigError(
            f"{name} is {value!r}, not a number: write it as 1.5 or as 3/2"
        ) from error


def first_item_at(time_s: Exact, rate_hz: Exact) -> int:
    """Index of the first item of a stream at or after a scanner time."""
    return ceil(as_fraction(time_s) * as_fraction(rate_hz))


def n_items(n_trs: int, tr_s: Exact, rate_hz: Exact) -> int:
    """Number of items of a stream whose times fall within the first `n_trs` TRs."""
    return first_item_at(n_trs * as_fraction(tr_s), rate_hz)


def tr_ranges(n_trs: int, tr_s: Exact, rate_hz: Exact) -> NDArray[np.int64]:
    """Half-open index range of a stream for each TR.

    Returns
    -------
    array of shape (n_trs, 2), int64
        ``[start, stop)`` of each TR; ``stop[k] == start[k + 1]``.
    """
    step = as_fraction(tr_s) * as_fraction(rate_hz)
    edges = [ceil(k * step) for k in range(n_trs + 1)]
    return np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int64).reshape(n_trs, 2)


def max_items_per_tr(tr_s: Exact, rate_hz: Exact) -> int:
    """Largest number of items any TR can hold, for rectangular batches."""
    return ceil(as_fraction(tr_s) * as_fraction(rate_hz))


def tr_of(time_s: Exact, tr_s: Exact) -> int:
    """TR that a scanner time falls in (negative before the first volume)."""
    return floor(as_fraction(time_s) / as_fraction(tr_s))


def trs_overlapping(start_s: Exact, stop_s: Exact, tr_s: Exact, n_trs: int) -> range:
    """TRs of ``[0, n_trs)`` that the half-open interval ``[start_s, stop_s)`` overlaps."""
    tr = as_fraction(tr_s)
    start, stop = as_fraction(start_s), as_fraction(stop_s)
    if stop <= start:
        return range(0)
    return range(max(0, floor(start / tr)), min(n_trs, ceil(stop / tr)))


def frame_times(
    n_trs: int, tr_s: Exact, frames_per_tr: int, movie_onset_s: Exact = 0
) -> list[Fraction]:
    """Film times at which the frames of a run are sampled.

    The `frames_per_tr` samples of a TR sit at the centres of its equal parts, so none
    falls on the border between two TRs.

    Returns
    -------
    list of n_trs * frames_per_tr Fractions, seconds of film time, increasing
    """
    step = as_fraction(tr_s) / frames_per_tr
    onset = as_fraction(movie_onset_s)
    return [(2 * i + 1) * step / 2 - onset for i in range(n_trs * frames_per_tr)]


def covered_trs(duration_s: Exact, tr_s: Exact, movie_onset_s: Exact = 0) -> int:
    """Number of whole TRs from the first volume until the film ends.

    A last TR that the film covers only in part does not count: truncate, never stretch.
    """
    end = as_fraction(duration_s) + as_fraction(movie_onset_s)
    return max(0, floor(end / as_fraction(tr_s)))


def seconds_to_trs(seconds: Exact, tr_s: Exact) -> int:
    """Smallest number of TRs that last at least `seconds`."""
    return ceil(as_fraction(seconds) / as_fraction(tr_s))
