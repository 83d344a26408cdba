"""The files a report is made from, looked up by their name below the results folder.

Only files that the rule declares are used, never what else lies in the folder: leftovers of
an earlier configuration would otherwise slip into the page.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pandas as pd

from giblet.errors import ValidationError
from giblet.results import read_made_json, read_made_table


class Files:
    """Declared input files of one study.

    Parameters
    ----------
    root
        The study's results folder, ``results/{dataset}``.
    paths
        Files below it.
    """

    def __init__(self, root: str | Path, paths: Iterable[str | Path]) -> None:
        self.root = Path(root)
        self._paths = {Path(os.path.relpath(path, root)).as_posix(): Path(path) for path in paths}

    def __iter__(self) -> Any:
        return iter(sorted(self._paths))

    def get(self, name: str) -> Path | None:
        """Path of a file, or None when it was not declared or is not there."""
        path = self._paths.get(name)
        return path if path is not None and path.exists() else None

    def need(self, name: str) -> Path:
        """Path of a file that the report cannot do without."""
        path = self.get(name)
        if path is None:
            raise ValidationError(
                f"{self.root / name}: no such file, the report needs it: run snakemake to make it"
            )
        return path

    def matching(self, pattern: str) -> dict[str, Path]:
        """Files whose name below the results folder fits a shell pattern, sorted by name."""
        found = {name: path for name, path in self._paths.items() if fnmatch(name, pattern)}
        return {name: found[name] for name in sorted(found) if found[name].exists()}


def read_table(path: str | Path, columns: Sequence[str], text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table, checking that its columns are there.

    Parameters
    ----------
    columns
        Columns that must exist.
    text
        Columns read as text, in which empty cells are "" rather than NaN.

    Raises
    ------
    ValidationError
        Naming the file, the columns that are missing and those it has.
    """
    path = Path(path)
    # A sentence such as "null" or "NA" is a sentence.
    table = read_made_table(path, dtype=str, keep_default_na=False)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValidationError(
            f"{path}: has no column {', '.join(missing)}; its columns are "
            f"{', '.join(table.columns) or '(none)'}: delete it and run snakemake again"
        )
    for name in table.columns:
        if name not in text:
            table[name] = _numbers(path, table[name])
    return table


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as dictionaries, in order."""
    rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    return rows


def _numbers(path: Path, cells: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(cells.where(cells != "", "nan"), errors="coerce")
    wrong = cells[numbers.isna() & ~cells.str.lower().isin(["", "nan"])]
    if len(wrong):
        raise ValidationError(
            f"{path} row {wrong.index[0] + 1}: {cells.name} is {wrong.iloc[0]!r}, expected a "
            "number: delete the file and run snakemake again"
        )
    return numbers


def read_json(path: Path | None) -> dict[str, Any]:
    """Contents of a JSON file; empty when there is none."""
    if path is None:
        return {}
    return read_made_json(path)
