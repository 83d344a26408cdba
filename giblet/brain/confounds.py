"""Nuisance regressors of one run: chosen columns of its confounds table."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.errors import BrainError


def load_confounds(
    path: str | Path,
    columns: Sequence[str],
    *,
    first_volume: int,
    n_volumes: int,
    n_in_file: int,
) -> NDArray[np.float64]:
    """Confounds of a run.

    Parameters
    ----------
    path : table with one row per volume, tab- or (``.csv``) comma-separated
    columns : names or patterns (``rot_*``) of the columns to take
    first_volume, n_volumes : the run within its scan
    n_in_file : volumes in the scan's file; a table this long is cut to the run

    Returns
    -------
    array of shape (n_volumes, n_columns), float64. A missing first value (derivatives have
    none) is taken from the second row, as nilearn.interfaces.fmriprep does.

    Raises
    ------
    BrainError
        If a pattern matches no column, the table has neither the run's length nor the
        file's, or a value is missing after the first row.
    """
    if not Path(path).exists():
        raise BrainError(f"{path}: no such confounds table: correct the scans table")
    separator = "," if str(path).endswith(".csv") else "\t"
    table = pd.read_csv(path, sep=separator, na_values=["n/a"], skipinitialspace=True)
    table.columns = [str(name).strip() for name in table.columns]
    chosen = _matching(path, [str(name) for name in table.columns], columns)
    if len(table) not in (n_volumes, n_in_file):
        raise BrainError(
            f"{path}: has {len(table)} rows, the run {n_volumes} volumes"
            + (f" of {n_in_file} in its file" if n_in_file != n_volumes else "")
            + ": a confounds table needs one row per volume of the run or of its file"
        )
    if len(table) != n_volumes:
        table = table.iloc[first_volume : first_volume + n_volumes]
    return _filled(path, table[chosen])


def _matching(path: str | Path, names: list[str], columns: Sequence[str]) -> list[str]:
    """Columns that any pattern names, in the table's order; each pattern must name one."""
    for pattern in columns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = difflib.get_close_matches(pattern, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise BrainError(
                f"{path}: no column matches {pattern!r} of brain/confound_columns: {hint}the table "
                f"has {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
            )
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in columns)]


def _filled(path: str | Path, table: pd.DataFrame) -> NDArray[np.float64]:
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise BrainError(
                f"{path}: column {name!r} holds text ({table[name].iloc[0]!r}), expected numbers: "
                "correct the table or brain/confound_columns"
            )
    values = table.to_numpy(dtype=np.float64, copy=True)
    if len(values) > 1:
        values[0] = np.where(np.isfinite(values[0]), values[0], values[1])
    missing = np.argwhere(~np.isfinite(values))
    if len(missing):
        row, column = missing[0]
        raise BrainError(
            f"{path}: column {table.columns[column]!r} has no value for volume {row} of the run: "
            "only a first row may be empty; fill it in, or leave the column out of "
            "brain/confound_columns"
        )
    return values
