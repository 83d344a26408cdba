"""Cells of a table as times in seconds, exactly as written."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from giblet.errors import AnnotationError
from giblet.stimulus.columns import UNIT_OF
from giblet.timing import Exact, as_fraction, bounded_fraction, shortened

SECONDS_OF = {
    "seconds": Fraction(1),
    "milliseconds": Fraction(1, 1000),
    "microseconds": Fraction(1, 10**6),
    "nanoseconds": Fraction(1, 10**9),
    "minutes": Fraction(60),
    "hours": Fraction(3600),
    "days": Fraction(86400),
}
# Nanoseconds of a film have 13 digits, those since 1970 have 19.
LARGEST_CELL = 10**24
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# A comma that can only be a decimal one; one that can be either; a point among decimal commas.
DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]*),[0-9]+")
EITHER = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
POINTED = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
# 1,234,567 and 1,234.5; 1 234,5 and 1'234.5 (spaces of all kinds).
COMMAS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?")
SPACED = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:[ \u00a0\u202f'\u2019][0-9]{3})+(?:[.,][0-9]*)?")
CLOCK = re.compile(
    r"(-)?(?:([0-9]{1,9}):)?([0-9]{1,4}):([0-9]{1,2}(?:[.,][0-9]{1,12})?)(?: ?([ap])\.?m\.?)?",
    re.IGNORECASE,
)
FRAMES = re.compile(r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}[:;][0-9]{2,3}")
WITH_UNIT = re.compile(r"([+-]?[0-9][0-9., ]*?) ?([a-z\u00b5\u03bc]+)\.?", re.IGNORECASE)
LETTERED = re.compile(
    r"(?:([0-9]{1,6}) ?h)? ?(?:([0-9]{1,6}) ?m(?:in)?)? ?"
    r"(?:([0-9]{1,6}(?:[.,][0-9]{1,12})?) ?s(?:ec)?)?",
    re.IGNORECASE,
)
# Day 0 of Excel, which counts 29 February 1900; of LibreOffice; of Excel on old Macs.
DAY_ZERO = {
    1899: datetime.datetime(1899, 12, 30),
    1900: datetime.datetime(1899, 12, 31),
    1904: datetime.datetime(1904, 1, 1),
}


def clock_seconds(text: str) -> Fraction | None:
    """Seconds of ``h:mm:ss.fff``, ``mm:ss,fff`` or ``12:00:05 AM``; None if it is no such time."""
    match = CLOCK.fullmatch(text.strip().replace("\u2212", "-"))
    if match is None:
        return None
    sign, hours, minutes, seconds, half = match.groups()
    exact = Fraction(Decimal(seconds.replace(",", ".")))
    if exact >= 60 or (hours is not None and (int(minutes) >= 60 or len(minutes) > 2)):
        return None
    whole = int(hours or 0)
    if half is not None:
        if hours is None or not 1 <= whole <= 12:
            return None
        whole = whole % 12 + (12 if half.lower() == "p" else 0)
    total = whole * 3600 + int(minutes) * 60 + exact
    return -total if sign else total


def has_decimal_commas(cells: Iterable[Any]) -> bool | None:
    """Whether commas in numbers are decimal ones; None where the cells do not tell.

    Parameters
    ----------
    cells : of all columns of times; a table is written in one way
    """
    texts = [cell.strip() for cell in cells if isinstance(cell, str)]
    decimal = any(DECIMAL.fullmatch(text) and not EITHER.fullmatch(text) for text in texts)
    # A point that ends a number with thousands, or cannot be one of thousands itself.
    points = any(
        "." in text
        and (COMMAS.fullmatch(text) or (NUMBER.fullmatch(text) and not POINTED.fullmatch(text)))
        for text in texts
    )
    many = any(COMMAS.fullmatch(text) and not EITHER.fullmatch(text) for text in texts)
    if decimal == (points or many):
        return None
    return decimal


def seconds(
    where: str, cell: Any, unit: str, tr_s: Exact, decimal_commas: bool | None = None
) -> Fraction:
    """Time of a cell in seconds.

    A cell that states its unit (``12.5 s``, ``1h02m``) is read in that one.

    Parameters
    ----------
    where
        File, row and column, for the error message.
    unit
        One of :data:`giblet.stimulus.columns.UNITS` but frames and samples.
    decimal_commas
        See :func:`has_decimal_commas`.

    Raises
    ------
    AnnotationError
        If the cell is no time of that unit, or one that can be read in two ways.
    """
    stated = _with_unit(where, cell, decimal_commas) if isinstance(cell, str) else None
    if stated is not None:
        return stated
    if unit == "clock":
        found = _clock_cell(where, cell)
        if found is None:
            raise AnnotationError(
                f"{where} is {shortened(cell)}, not a time such as 0:01:02.5{_hint(cell)}: set "
                "stimulus/text/unit to 'seconds' if the column holds numbers"
            )
        return found
    number = _number(where, cell, decimal_commas)
    if number is None:
        hint = ": set it to 'clock'" if _clock_cell(where, cell) is not None else _hint(cell)
        if isinstance(cell, datetime.datetime):
            hint = ": format the column as numbers, or as [h]:mm:ss and set it to 'clock'"
        raise AnnotationError(
            f"{where} is {_shown(cell)}, not a number of {unit} (stimulus/text/unit){hint}"
        )
    if unit == "seconds":
        return number
    return number * (as_fraction(tr_s, "tr_s") if unit == "trs" else SECONDS_OF[unit])


def _shown(cell: Any) -> str:
    if isinstance(cell, datetime.datetime):
        return f"the date {cell}"
    timed = isinstance(cell, datetime.time | datetime.timedelta)
    return f"the time {cell}" if timed else shortened(cell)


def _hint(cell: Any) -> str:
    if isinstance(cell, str) and FRAMES.fullmatch(cell.strip()):
        return " (its last number counts frames, of which no table says how many a second has)"
    return ""


def _clock_cell(where: str, cell: Any) -> Fraction | None:
    if isinstance(cell, str) and re.match(r"\s*(?:1899|190[04])-[0-9]", cell):
        try:
            cell = datetime.datetime.fromisoformat(cell.strip())
        except ValueError:
            return None
    if isinstance(cell, datetime.datetime):
        day_zero = DAY_ZERO.get(cell.year)
        if day_zero is None or cell.tzinfo is not None:
            raise AnnotationError(
                f"{where} is the date {cell}, not a time such as 0:01:02.5: format the column as "
                "[h]:mm:ss, or write seconds"
            )
        cell -= day_zero
    if isinstance(cell, datetime.time):
        whole = cell.hour * 3600 + cell.minute * 60 + cell.second
        return whole + Fraction(cell.microsecond, 10**6)
    if isinstance(cell, datetime.timedelta):
        return Fraction(cell // datetime.timedelta(microseconds=1), 10**6)
    return clock_seconds(cell) if isinstance(cell, str) else None


def _with_unit(where: str, cell: str, decimal_commas: bool | None) -> Fraction | None:
    """Seconds of a text that states its unit; None for one that does not."""
    if cell[-1:].isdigit():
        return None
    text = cell.strip()
    match = WITH_UNIT.fullmatch(text)
    if match and UNIT_OF.get(match[2].lower()) in SECONDS_OF:
        number = _number(where, match[1], decimal_commas)
        if number is not None:
            return number * SECONDS_OF[UNIT_OF[match[2].lower()]]
    parts = LETTERED.fullmatch(text)
    if parts is None or not any(parts.groups()):
        return None
    hours, minutes, rest = (Decimal((part or "0").replace(",", ".")) for part in parts.groups())
    return Fraction(hours * 3600 + minutes * 60 + rest)


def _number(where: str, cell: Any, decimal_commas: bool | None) -> Fraction | None:
    """Number of a cell; None if it is none."""
    if isinstance(cell, bool | datetime.date | datetime.time | datetime.timedelta):
        return None
    text = str(cell).strip().replace("\u2212", "-")
    if decimal_commas and isinstance(cell, str) and POINTED.fullmatch(text):
        raise AnnotationError(
            f"{where} is {text!r} among numbers with decimal commas, so that it can be "
            f"{text.replace('.', '')} or {text}: write it in one way"
        )
    if not NUMBER.fullmatch(text):
        plain = _without_commas(where, text, decimal_commas)
        if plain is None:
            return None
        text = plain
    try:
        return bounded_fraction(text, LARGEST_CELL)
    except OverflowError as error:
        raise AnnotationError(
            f"{where} is {shortened(text)}, which is beyond what is read as a time: correct it"
        ) from error


def _without_commas(where: str, text: str, decimal_commas: bool | None) -> str | None:
    """A number with separators as Python writes it; None for what is no number."""
    if SPACED.fullmatch(text):
        return re.sub("[ \u00a0\u202f'\u2019]", "", text).replace(",", ".")
    if EITHER.fullmatch(text) and decimal_commas is None:
        raise AnnotationError(
            f"{where} is {text!r}, which can be {text.replace(',', '')} or "
            f"{text.replace(',', '.')}: write it without a comma"
        )
    if DECIMAL.fullmatch(text) and not (EITHER.fullmatch(text) and not decimal_commas):
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", "") if COMMAS.fullmatch(text) else None
