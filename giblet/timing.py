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

import re
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ConfigError

Exact: TypeAlias = Fraction | int | str | float


# What is read as a number: below LARGEST, with MOST_DIGITS digits and MOST_DECIMALS decimals at
# most, which no float exceeds. Arithmetic on "1e999999999" would never end.
LARGEST = 10**12
PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
MOST_DIGITS = 100
MOST_DECIMALS = 400
# Shortest and longest repetition times of scanners in use, with room on both sides: inverse imaging
# takes a volume in 0.1 s, sparse sampling one in 20 s.
SHORTEST_TR_S = Fraction(1, 100)
LONGEST_TR_S = Fraction(60)


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
        If `value` is not a finite number below `LARGEST`.
    """
    if isinstance(value, Fraction):
        return value
    try:
        # Python writes integers of up to 4300 digits only; longer ones are ValueErrors.
        return bounded_fraction(str(value))
    except OverflowError as error:
        raise ConfigError(
            f"{name} is {shortened(value)}, which is beyond what is read as a number (below "
            f"{float(LARGEST):g}, with at most {MOST_DIGITS} digits): correct it"
        ) from error
    except (ArithmeticError, ValueError) as error:
        raise ConfigError(
            f"{name} is {shortened(value)}, not a number: write it as 1.5 or as 3/2"
        ) from error


def bounded_fraction(text: str, largest: int = LARGEST) -> Fraction:
    """The rational that a decimal or a ratio stands for, in bounded time.

    Raises
    ------
    OverflowError
        If it is not below `largest`, or has more digits than `MOST_DIGITS`.
    ValueError, ArithmeticError
        If it is no finite number.
    """
    text = text.strip()
    if len(text) < 30 and PLAIN.fullmatch(text):
        value = Fraction(Decimal(text))
        if abs(value.numerator) >= largest * value.denominator:
            raise OverflowError
        return value
    if len(text) > MOST_DIGITS + MOST_DECIMALS:
        raise OverflowError
    if "/" in text:
        value = Fraction(text)
    else:
        decimal = Decimal(text)
        if not decimal.is_finite():
            raise ValueError(text)
        digits, exponent = decimal.as_tuple().digits, int(decimal.as_tuple().exponent)
        too_long = len(digits) > MOST_DIGITS or exponent < -MOST_DECIMALS
        if decimal and (too_long or decimal.adjusted() > MOST_DIGITS):
            raise OverflowError
        value = Fraction(decimal) if decimal else Fraction(0)
    if abs(value) >= largest:
        raise OverflowError
    return value


def shortened(value: object, length: int = 60) -> str:
    """A value as messages quote it, cut where it would fill the screen."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "an integer of thousands of digits"
    return text if len(text) <= length else f"{text[:length]}..."


def tr_length(tr_s: Exact, name: str = "tr_s") -> Fraction:
    """Read a repetition time, in seconds.

    Raises
    ------
    ConfigError
        If it is no number, or none of seconds that a scanner takes for a volume.
    """
    value = as_fraction(tr_s, name)
    if not SHORTEST_TR_S <= value <= LONGEST_TR_S:
        meant = value / 1000
        milliseconds = SHORTEST_TR_S * 10 <= meant <= LONGEST_TR_S
        hint = f"; {shortened(tr_s)} ms are {float(meant):g} s" if milliseconds else ""
        raise ConfigError(
            f"{name} is {shortened(tr_s)}: the repetition time of the scans in seconds lies from "
            f"{float(SHORTEST_TR_S):g} to {float(LONGEST_TR_S):g}{hint}: correct it"
        )
    return value


def first_item_at(time_s: Exact, rate_hz: Exact) -> int:
    """Index of the first item of a stream at or after a scanner time."""
    return ceil(as_fraction(time_s) * as_fraction(rate_hz))


def n_items(n_trs: int, tr_s: Exact, rate_hz: Exact) -> int:
    """Number of items of a stream whose times fall within the first `n_trs` TRs."""
    return first_item_at(n_trs * tr_length(tr_s), rate_hz)


def tr_ranges(n_trs: int, tr_s: Exact, rate_hz: Exact) -> NDArray[np.int64]:
    """Half-open index range of a stream for each TR.

    Returns
    -------
    array of shape (n_trs, 2), int64
        ``[start, stop)`` of each TR; ``stop[k] == start[k + 1]``.
    """
    step = tr_length(tr_s) * as_fraction(rate_hz)
    edges = [ceil(k * step) for k in range(n_trs + 1)]
    return np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int64).reshape(n_trs, 2)


def max_items_per_tr(tr_s: Exact, rate_hz: Exact) -> int:
    """Largest number of items any TR can hold, for rectangular batches."""
    return ceil(tr_length(tr_s) * as_fraction(rate_hz))


def tr_of(time_s: Exact, tr_s: Exact) -> int:
    """TR that a scanner time falls in (negative before the first volume)."""
    return floor(as_fraction(time_s) / tr_length(tr_s))


def trs_overlapping(start_s: Exact, stop_s: Exact, tr_s: Exact, n_trs: int) -> range:
    """TRs of ``[0, n_trs)`` that the half-open interval ``[start_s, stop_s)`` overlaps."""
    tr = tr_length(tr_s)
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
    step = tr_length(tr_s) / frames_per_tr
    onset = as_fraction(movie_onset_s)
    return [(2 * i + 1) * step / 2 - onset for i in range(n_trs * frames_per_tr)]


def covered_trs(duration_s: Exact, tr_s: Exact, movie_onset_s: Exact = 0) -> int:
    """Number of whole TRs from the first volume until the film ends.

    A last TR that the film covers only in part does not count: truncate, never stretch.
    """
    end = as_fraction(duration_s) + as_fraction(movie_onset_s)
    return max(0, floor(end / tr_length(tr_s)))


def seconds_to_trs(seconds: Exact, tr_s: Exact) -> int:
    """Smallest number of TRs that last at least `seconds`."""
    return ceil(as_fraction(seconds) / tr_length(tr_s))
