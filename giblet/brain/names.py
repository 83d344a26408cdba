"""Names of regions and parcels, which end up in tables and figures."""

from __future__ import annotations

from collections.abc import Sequence

from giblet.errors import BrainError

# What spreadsheets take for the start of a formula, and run when a result is opened.
FORMULA = ("=", "+", "-", "@")


def refuse_unusable_name(where: str, name: str) -> None:
    """Refuse a name that is empty, or that a spreadsheet would run as a formula.

    Parameters
    ----------
    where : what is named, for the message

    Raises
    ------
    BrainError
        If it cannot be a name.
    """
    if not name.strip():
        raise BrainError(f"{where} is empty: give it a name")
    if name.startswith(FORMULA) and not is_number(name):
        raise BrainError(
            f"{where} is {name[:60]!r}, which a spreadsheet runs as a formula when it opens a "
            f"table of results: let it start with something else than {name[0]!r}"
        )


def refuse_repeated(path: str, labels: Sequence[str]) -> None:
    """Refuse labels of which two are the same.

    Raises
    ------
    BrainError
        Naming the first such label.
    """
    if len(set(labels)) == len(labels):
        return
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            raise BrainError(f"{path}: label {label!r} stands for two parcels: make labels unique")
        seen.add(label)


def is_number(text: str) -> bool:
    """Whether a text is a number, as Python reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return True
