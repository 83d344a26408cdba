"""Tables and JSON files that jobs write, and that later jobs read again.

Spreadsheets run a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and names of
regions and sentences of a film come from anywhere. Such a text is written with an apostrophe
in front, by which spreadsheets know a text; readers take it off again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from giblet.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd
    import soundfile

MEND = "delete it and run snakemake again"
MOST_COLUMNS = 2000
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_SHOWN = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)


def as_text(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; numbers and plain texts as they are."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def from_text(cell: Any) -> Any:
    """The cell that :func:`as_text` was given."""
    return cell[1:] if isinstance(cell, str) and _SHOWN.match(cell) else cell


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """A table to write, in which no text is a formula."""
    return _each_text(table, as_text)


def separator_of(path: str | Path) -> str:
    """Tab for ``.tsv``, comma otherwise."""
    return "\t" if Path(path).suffix == ".tsv" else ","


def read_made_table(
    path: str | Path,
    columns: Sequence[str] = (),
    *,
    numbers: Sequence[str] = (),
    texts: Sequence[str] | None = None,
    plain: bool = False,
    **named: Any,
) -> pd.DataFrame:
    """Read a table that an earlier job wrote.

    Parameters
    ----------
    columns : columns that must be there
    numbers : columns that must be there and hold numbers, or nothing
    texts : columns that may hold text, all others holding numbers; None for any
    plain : it was written without :func:`without_formulas`
    **named : arguments of :func:`pandas.read_csv`

    Raises
    ------
    StoreError
        If it is missing, empty, damaged, lacks a column, or holds text among numbers.
    """
    import pandas as pd

    try:
        with Path(path).open(encoding="utf-8", newline="") as handle:
            table = pd.read_csv(handle, sep=separator_of(path), **named)
    except FileNotFoundError as error:
        raise StoreError(f"{path}: no such file: run snakemake to make it") from error
    except (OSError, ValueError, OverflowError) as error:
        said = " ".join(str(error).split())
        raise StoreError(f"{path}: not the table that was written ({said}): {MEND}") from error
    if len(table.columns) > MOST_COLUMNS:
        raise StoreError(f"{path}: has {len(table.columns)} columns, which no job writes: {MEND}")
    missing = [name for name in (*columns, *numbers) if name not in table.columns]
    if missing:
        raise StoreError(
            f"{path}: has no column {missing[0]!r}; found "
            f"{', '.join(map(str, table.columns))}: {MEND}"
        )
    others = [] if texts is None else [name for name in table.columns if name not in texts]
    require_numbers(path, table[[*numbers, *others]])
    return table if plain else _each_text(table, from_text)


def require_numbers(path: str | Path, table: pd.DataFrame) -> None:
    """Refuse a table with a cell that holds something and is no number.

    Raises
    ------
    StoreError
        Naming the row and the column.
    """
    import pandas as pd

    for name in table.columns:
        wrong = table[name][
            pd.to_numeric(table[name], errors="coerce").isna() & table[name].notna()
        ]
        if len(wrong) or pd.api.types.is_bool_dtype(table[name]):
            row = wrong.index[0] if len(wrong) else table.index[0]
            raise StoreError(
                f"{path} row {row + 2}: {name} is {table[name][row]!r}, expected a number: {MEND}"
            )


def read_made_json(path: str | Path, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Read a JSON file of named values that an earlier job wrote.

    Parameters
    ----------
    keys : names that must be there

    Raises
    ------
    StoreError
        If it is missing, damaged, holds no named values, or lacks one.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(f"{path}: no such file: run snakemake to make it") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not readable JSON ({error}): {MEND}") from error
    if not isinstance(found, dict):
        raise StoreError(f"{path}: holds {type(found).__name__}, expected named values: {MEND}")
    missing = [name for name in keys if name not in found]
    if missing:
        raise StoreError(
            f"{path}: has no {missing[0]!r}; found {', '.join(found) or 'nothing'}: {MEND}"
        )
    return found


@contextmanager
def made_sound(path: str | Path) -> Iterator[soundfile.SoundFile]:
    """Open a sound file that an earlier job wrote.

    Raises
    ------
    StoreError
        If it is missing, damaged, or ends before its header says.
    """
    import soundfile

    if not Path(path).exists():
        raise StoreError(f"{path}: no such file: run snakemake to make it")
    try:
        with soundfile.SoundFile(path) as file:
            yield file
    except (soundfile.LibsndfileError, OSError) as error:
        raise StoreError(f"{path}: cannot be read as sound ({error}): {MEND}") from error


def first_line(error: BaseException) -> str:
    """First line of what an exception says, its type if it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _each_text(table: pd.DataFrame, change: Any) -> pd.DataFrame:
    import pandas as pd

    changed = {
        name: table[name].map(change)
        for name in table.columns
        if pd.api.types.is_object_dtype(table[name]) or pd.api.types.is_string_dtype(table[name])
    }
    return table.assign(**{str(name): cells for name, cells in changed.items()})
