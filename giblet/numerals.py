"""Numbers as people and programs write them into tables."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.sheets import MISSING, Purpose, Sheet, Unreadable, as_text

POINT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eEdD][+-]?\d+)?")
# One comma that can only be a decimal one, and one that can be either.
DECIMAL = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")
EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
POINTED = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
# 1,234,567.8 and 1 234 567.8
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}((,\d{3})+(\.\d*)?|([ \u00a0\u202f']\d{3})+([.,]\d*)?)")
INFINITE = re.compile(r"[+-]?(inf|infinity|1\.#inf)", re.IGNORECASE)
# The commonest ways to say that there is no value.
PLAIN = frozenset({None, "", "n/a", "NaN", "NA"})
TRUTH = {"true": 1.0, "false": 0.0}


def numbers(sheet: Sheet, index: int, purpose: Purpose, mend: str = "") -> NDArray[np.float64]:
    """Numbers of a column; NaN where there is none (empty, ``n/a``, ``NaN``, ``#N/A``, ...).

    A comma inside a cell is a decimal one where the column or the table shows that it is no
    separator of thousands. True and false are 1 and 0.

    Parameters
    ----------
    mend : what to do about a cell that is no number, for the message

    Raises
    ------
    GibletError
        That of `purpose`, naming row and column, if a cell is no finite number.
    """
    cells = [row[index] for _, row in sheet.rows]
    # float() also takes "1_000", which no program writes for a number.
    quick = None if sheet.underscores else _quickly(cells)
    if quick is not None:
        return quick
    comma_decides = _comma_decides(sheet, cells)
    values = np.empty(len(cells))
    for k, (number, _) in enumerate(sheet.rows):
        try:
            values[k] = _value(cells[k], comma_decides)
        except ValueError as error:
            name = sheet.header[index] or sheet.column_name(index)
            raise purpose.error(
                f"{sheet.path} row {number}: column {name!r} {error}, expected a number or n/a"
                + (f": {mend}" if mend else "")
            ) from error
    return values


def _quickly(cells: Sequence[Any]) -> NDArray[np.float64] | None:
    """Numbers of cells that are all written plainly or missing; None if any is not."""
    try:
        try:
            # Derivatives have no first value.
            first = [math.nan] if cells[0] in PLAIN else []
            values = np.array([*first, *map(float, cells[len(first) :])])
        except (TypeError, ValueError):
            values = np.array([math.nan if cell in PLAIN else float(cell) for cell in cells])
    except (TypeError, ValueError, OverflowError):
        return None
    return None if np.isinf(values).any() else values


def _value(cell: Any, comma_decides: bool) -> float:
    """Number of one cell; a ValueError says what it holds instead."""
    if isinstance(cell, Unreadable):
        if cell.shown.lower() in MISSING:
            return math.nan
        raise cell.error
    if isinstance(cell, int | float):
        value = float(cell)
    else:
        value = _parsed(as_text(cell), cell, comma_decides)
    if math.isinf(value):
        raise ValueError(f"holds {as_text(cell)[:40]!r}")
    return value


def _parsed(text: str, cell: Any, comma_decides: bool) -> float:
    if text.lower() in MISSING:
        return math.nan
    if text.lower() in TRUTH:
        return TRUTH[text.lower()]
    plain = text.replace("\u2212", "-")
    if INFINITE.fullmatch(plain):
        return math.inf
    if comma_decides and POINTED.fullmatch(plain):
        raise ValueError(f"holds {text!r} among decimal commas, which can be {plain} or thousands")
    if POINT.fullmatch(plain):
        return float(plain.upper().replace("D", "E"))
    if EITHER.fullmatch(plain) and not comma_decides:
        raise ValueError(f"holds {text!r}, which can be {with_point(plain)} or {_joined(plain)}")
    if DECIMAL.fullmatch(plain):
        return float(with_point(plain))
    if GROUPED.fullmatch(plain) and not (comma_decides and "," in plain):
        return float(_joined(plain))
    shown = f"text ({text[:40]!r})" if isinstance(cell, str) else f"the time or date {text}"
    raise ValueError(f"holds {shown}")


def with_point(text: str) -> str:
    """A number with a decimal comma, with a point; its points separate thousands.

    >>> with_point("1.234,5")
    '1234.5'
    """
    return text.replace(".", "").replace(",", ".")


def _joined(text: str) -> str:
    """A number without separators of thousands; after spaces its comma is a decimal one."""
    if not text[1:].isascii() or " " in text or "'" in text:
        text = re.sub(r"[\s']", "", text).replace(",", ".")
    return text.replace(",", "")


def _comma_decides(sheet: Sheet, cells: Sequence[Any]) -> bool:
    """Whether a column, or else its table, shows that commas are decimal ones."""
    if not any(isinstance(cell, str) and "," in cell for cell in cells):
        return False
    if _has_decimal_comma(cells):
        return True
    if "decimal comma" not in sheet.known:
        every = [cell for _, row in sheet.rows for cell in row]
        sheet.known["decimal comma"] = _has_decimal_comma(every)
    return sheet.known["decimal comma"]


def _has_decimal_comma(cells: Sequence[Any]) -> bool:
    """Whether some number has a comma that cannot separate thousands, and none has a point."""
    texts = [cell.strip().replace("\u2212", "-") for cell in cells if isinstance(cell, str)]
    with_comma = [text for text in texts if "," in text]
    return any(
        DECIMAL.fullmatch(text) and not EITHER.fullmatch(text) for text in with_comma
    ) and not any(POINT.fullmatch(text) and "." in text for text in texts)


def whole_number(text: str) -> int | None:
    """Whole number that a text stands for, as ``7``, ``7.0`` (Excel, pandas) or ``7e2``.

    >>> whole_number("7.0"), whole_number("7.5"), whole_number("-1")
    (7, None, -1)
    """
    match = re.fullmatch(r"([+-]?\d{1,15})([.,]0*)?", text.strip())
    if match:
        return int(match[1])
    if POINT.fullmatch(text.strip()) and len(text) < 30:
        value = float(text.upper().replace("D", "E"))
        if value.is_integer() and abs(value) < 1e15:
            return int(value)
    return None


def decimal_text(text: str) -> str:
    """A number with a point where it has a decimal comma; any other text as it is.

    >>> decimal_text("6,5"), decimal_text("1,200")
    ('6.5', '1,200')
    """
    plain = text.replace("\u2212", "-")
    if DECIMAL.fullmatch(plain) and not EITHER.fullmatch(plain):
        return with_point(plain)
    return plain
