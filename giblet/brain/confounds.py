"""Nuisance regressors of one run: chosen columns of its confounds table."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.cells import Purpose, Sheet, numbers, read_sheet
from giblet.errors import BrainError

PURPOSE = Purpose(
    BrainError,
    named_in="correct column confounds of the scans table",
    holds="a header and one row per volume",
    complete=True,
)
# Beyond this the squares of values, which regression needs, are no longer numbers.
LARGEST = 1e100


def load_confounds(
    path: str | Path,
    columns: Sequence[str],
    *,
    first_volume: int,
    n_volumes: int,
    n_in_file: int,
    missing: NDArray[np.bool_] | None = None,
    measured: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Confounds of a run.

    Parameters
    ----------
    path : table with one row per volume, in any form that :mod:`giblet.cells` reads
    columns : names or patterns (``rot_*``) of the columns to take
    first_volume, n_volumes : the run within its scan
    n_in_file : volumes in the scan's file; a table this long is cut to the run
    missing : volumes of the file that are not there, of shape (n_in_file,), for which a table
        may have no row
    measured : volumes of the run that are measurements, of shape (n_volumes,); of the others
        nothing is asked, and their values are 0

    Returns
    -------
    array of shape (n_volumes, n_columns), float64. A missing first value of the table
    (derivatives have none) is taken from the second row, as nilearn.interfaces.fmriprep does.

    Raises
    ------
    BrainError
        If a pattern matches no column or two of one name, the table has neither the run's
        length nor the file's, or a value is no number or missing after the first row.
    """
    sheet = read_sheet(path, PURPOSE, is_header=lambda names: _names_any(names, columns))
    chosen = _matching(sheet, columns)
    n_rows = len(sheet.rows)
    if sheet.blank:
        raise BrainError(
            f"{path} row {sheet.blank[0]}: is empty ({len(sheet.blank)} such rows): a confounds "
            "table needs one row per volume; delete the empty rows, or write n/a"
        )
    # The run's volumes that have a row, and their rows.
    asked = np.arange(n_volumes)
    rows = asked if n_rows == n_volumes else asked + first_volume
    if missing is not None and missing.any() and n_rows == n_in_file - missing.sum():
        asked = np.flatnonzero(~missing[first_volume : first_volume + n_volumes])
        rows = np.cumsum(~missing)[first_volume + asked] - 1
    elif n_rows not in (n_volumes, n_in_file):
        raise BrainError(
            f"{path}: has {n_rows} rows, the run {n_volumes} volumes"
            + (f" of {n_in_file} in its file" if n_in_file != n_volumes else "")
            + ": a confounds table needs one row per volume of the run or of its file"
        )
    values = np.empty((n_rows, len(chosen)))
    for column, index in enumerate(chosen):
        values[:, column] = numbers(
            sheet, index, PURPOSE, "correct the table or brain/confound_columns"
        )
    _warn_of_constant(sheet, chosen, values)
    if n_rows > 1:
        values[0] = np.where(np.isnan(values[0]), values[1], values[0])
    if measured is not None:
        rows, asked = rows[measured[asked]], asked[measured[asked]]
    _refuse_unusable(sheet, chosen, values[rows], rows, asked)
    found = np.zeros((n_volumes, len(chosen)))
    found[asked] = values[rows]
    return found


def _names_any(names: Sequence[str], columns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in columns if name)


def _matching(sheet: Sheet, columns: Sequence[str]) -> list[int]:
    """Columns that any pattern names, in the table's order; each pattern must name one."""
    names = [name for name in sheet.header if name]
    if names and all(_is_number(name) for name in names):
        raise BrainError(
            f"{sheet.path}: the first row holds numbers ({', '.join(names[:3])}, ...), expected "
            "the names of the confounds: add a header"
        )
    for pattern in columns:
        if not _names_any(names, [pattern]):
            near = difflib.get_close_matches(pattern, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise BrainError(
                f"{sheet.path}: no column matches {pattern!r} of brain/confound_columns: {hint}the "
                f"table has {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
            )
    found = [k for k, name in enumerate(sheet.header) if name and _names_any([name], columns)]
    for index in found:
        sheet.position(sheet.header[index], PURPOSE)
    return found


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _warn_of_constant(sheet: Sheet, chosen: Sequence[int], values: NDArray[np.float64]) -> None:
    """Say which confounds have one value in the whole table, and so take nothing out."""
    same = (np.isnan(values) | (values == values[-1:])).all(axis=0) & np.isfinite(values[-1])
    names = [sheet.header[index] for index, is_same in zip(chosen, same, strict=True) if is_same]
    if names and len(values) > 1:
        some = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        notices.warn(
            f"{sheet.path}: {len(names)} of the {len(chosen)} confounds used ({some}) have the "
            "same value in every row and take nothing out: check that the table was filled in"
        )


def _refuse_unusable(
    sheet: Sheet,
    chosen: Sequence[int],
    values: NDArray[np.float64],
    rows: NDArray[np.intp],
    volumes: NDArray[np.intp],
) -> None:
    """Refuse missing and huge values of volumes of the run, which stand in some rows."""
    missing = np.isnan(values)
    for column in np.flatnonzero(missing.any(axis=0)):
        name = sheet.header[chosen[int(column)]]
        if missing[:, column].all():
            raise BrainError(
                f"{sheet.path}: column {name!r} has no value in any row of the run: leave it out "
                "of brain/confound_columns"
            )
        at = int(missing[:, column].argmax())
        raise BrainError(
            f"{sheet.path} row {sheet.rows[rows[at]][0]}: column {name!r} has no value "
            f"for volume {volumes[at]} of the run: only a first row may be empty; fill it in, or "
            "leave the column out of brain/confound_columns"
        )
    huge = np.argwhere(np.abs(values) > LARGEST)
    if len(huge):
        at, column = huge[0]
        raise BrainError(
            f"{sheet.path} row {sheet.rows[rows[at]][0]}: column "
            f"{sheet.header[chosen[int(column)]]!r} holds {values[at, column]:g}, which "
            "is no measurement: correct it"
        )
