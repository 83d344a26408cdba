"""The two tables that describe a study: its runs and its scans.

Runs table: ``run, movie, movie_onset_s, text, text_part, n_trs, split``.
Scans table: ``subject, run, bold, first_volume, n_volumes, confounds``.
Workbooks or texts (:mod:`giblet.cells`). ``config/schemas/{runs,scans}.schema.yaml`` say what
each column holds, which ones are required and what stands in for an empty cell. Both tables are
checked before any job is planned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from giblet import paths
from giblet.cells import Purpose, Sheet, as_text, read_sheet, whole_number
from giblet.config import Schema, defaults, read_schema
from giblet.copies import alike, refuse_shared_scans
from giblet.errors import ConfigError, TableError
from giblet.numerals import decimal_text
from giblet.sheets import MISSING
from giblet.timing import as_fraction, shortened

MODALITIES = ("video", "audio", "text")
LONGEST_ONSET_S = 86_400
RUNS = read_schema("runs")
SCANS = read_schema("scans")
PURPOSE = Purpose(
    TableError,
    named_in="correct the path in the configuration",
    holds="a row for each run, or for each scan",
    comments=True,
)
# Longer than any run: a day of 100 TRs a second.
MOST_TRS = 10_000_000


def load_runs(path: str | Path) -> pd.DataFrame:
    """Read the runs table.

    Returns
    -------
    DataFrame indexed by position with the columns of the module's docstring;
    ``n_trs`` 0 stands for "as long as the film", ``movie`` "" for "no film" and ``text`` "" for
    "no text".
    """
    table, numbers = _read(path, RUNS)
    _refuse_duplicates(path, table, numbers, ["run"])
    for row, onset in zip(numbers, table["movie_onset_s"], strict=True):
        _refuse_bad_onset(f"{path} row {row}", onset)
    for row, split in zip(numbers, table["split"], strict=True):
        if split not in RUNS["properties"]["split"]["enum"]:
            raise TableError(
                f"{path} row {row}: split is {split!r}: use train, val or test, or leave it empty"
            )
    endless = table.loc[(table["movie"] == "") & (table["n_trs"] == 0), "run"]
    if len(endless):
        raise TableError(
            f"{path}: run {endless.iloc[0]!r} has neither a movie nor n_trs, so that its length is "
            "not known: name a film, or its length in TRs in the column 'n_trs'"
        )
    return table


def _refuse_bad_onset(where: str, onset: str) -> None:
    try:
        seconds = as_fraction(onset)
    except ConfigError as error:
        raise TableError(
            f"{where}: movie_onset_s is {shortened(onset)}, expected seconds such as 12.5"
        ) from error
    if abs(seconds) > LONGEST_ONSET_S:
        raise TableError(
            f"{where}: movie_onset_s is {shortened(onset)}: a film starts within a day "
            f"({LONGEST_ONSET_S} s) of the first volume: write seconds"
        )


def study_modalities(configured: list[str] | None, runs: pd.DataFrame) -> list[str]:
    """Which of `MODALITIES` a study has, in that order.

    Parameters
    ----------
    configured
        Config key ``modalities``; None for all that the runs table names.

    Raises
    ------
    TableError
        If the runs table lacks what is configured, names films for some runs only, or names
        neither films nor texts.
    """
    silent = runs.loc[runs["movie"] == "", "run"]
    has_text = bool((runs["text"] != "").any())
    if configured is None:
        found = ["text"] if has_text else []
        configured = found if len(silent) == len(runs) else ["video", "audio", *found]
    if not configured:
        raise TableError(
            "the runs table names neither films nor texts: fill in its column 'movie' or 'text'"
        )
    wanted = [name for name in MODALITIES if name in configured]
    if len(silent) and wanted != ["text"]:
        raise TableError(
            f"run {silent.iloc[0]!r} has no movie in the runs table, but the study has "
            f"{', '.join(wanted)}: name its film, or set config key 'modalities' to [text]"
        )
    if "text" in wanted and not has_text:
        raise TableError(
            f"config key 'modalities' is {wanted}, but no run has a text in the runs table: name "
            "one in the column 'text', or leave text out of 'modalities'"
        )
    return wanted


def load_scans(path: str | Path, runs: pd.DataFrame) -> pd.DataFrame:
    """Read the scans table and check that its runs exist."""
    table, numbers = _read(path, SCANS)
    _refuse_duplicates(path, table, numbers, ["subject", "run"])
    unknown = sorted(set(table["run"]) - set(runs["run"]))
    if unknown:
        raise TableError(
            f"{path}: run {unknown[0]!r} is not in the runs table, which has "
            f"{', '.join(runs['run'])}: add it there or correct the scans table"
        )
    refuse_shared_scans(path, table)
    return table


def check_unseen(unseen: list[str], scans: pd.DataFrame) -> None:
    """Refuse subjects to train without that were never scanned, or nobody to train on.

    Raises
    ------
    TableError
        Naming the subjects that there are.
    """
    subjects = list(dict.fromkeys(scans["subject"]))
    unknown = [name for name in unseen if name not in subjects]
    if unknown:
        raise TableError(
            f"config key 'train/unseen_subjects' names {unknown[0]!r}, the scans table has "
            f"{', '.join(subjects)}: correct the name"
        )
    if subjects and not set(subjects) - set(unseen):
        raise TableError(
            f"config key 'train/unseen_subjects' names all subjects ({', '.join(subjects)}), so "
            "there is nobody to train on: take one out"
        )


def shown_again(runs: pd.DataFrame) -> dict[str, str]:
    """Runs that show what an earlier run showed, and which that was.

    Two runs show the same when their film, its onset, their text and its part are the same. Files
    are the same if their content is, whatever they are called.
    """
    names = alike([*runs["movie"], *runs["text"]])
    first: dict[tuple[object, ...], str] = {}
    again = {}
    for row in runs.to_dict("records"):
        if not (row["movie"] or row["text"]):
            continue
        onset = as_fraction(row["movie_onset_s"], "movie_onset_s")
        film, text = (names.get(row[name], "") for name in ("movie", "text"))
        shown = (film, onset, text, row["text_part"])
        if shown in first:
            again[row["run"]] = first[shown]
        else:
            first[shown] = row["run"]
    return again


def pieces_of_texts(runs: pd.DataFrame) -> dict[str, tuple[int, bool]]:
    """What the runs table says of each text as a whole.

    Returns
    -------
    ``{text: (largest text_part, whether several runs show different pieces of it)}``
    """
    found = {}
    for text, rows in runs[runs["text"] != ""].groupby("text"):
        pieces = rows[["movie", "movie_onset_s", "text_part"]].drop_duplicates()
        found[str(text)] = int(rows["text_part"].max()), len(pieces) > 1
    return found


def simulated_runs(dataset: str, n_trs: list[int]) -> pd.DataFrame:
    """Runs table of a simulated film: one run per entry of `n_trs`."""
    folder = f"results/{dataset}/simulate"
    names = [f"run-{number}" for number in range(1, len(n_trs) + 1)]
    rows = [
        {
            **defaults(RUNS),
            "run": name,
            "movie": f"{folder}/{name}.mp4",
            "text": f"{folder}/{name}_annotations.tsv",
            "n_trs": length,
        }
        for name, length in zip(names, n_trs, strict=True)
    ]
    return pd.DataFrame(rows)[list(RUNS["properties"])]


def simulated_scans(dataset: str, runs: pd.DataFrame, n_subjects: int) -> pd.DataFrame:
    """Scans table of simulated subjects watching `runs`."""
    folder = f"results/{dataset}/simulate"
    rows = [
        {
            **defaults(SCANS),
            "subject": f"sub-{number:02d}",
            "run": run,
            "bold": f"{folder}/sub-{number:02d}_{run}_bold.nii.gz",
            "confounds": f"{folder}/sub-{number:02d}_{run}_confounds.tsv",
        }
        for number in range(1, n_subjects + 1)
        for run in runs["run"]
    ]
    return pd.DataFrame(rows)[list(SCANS["properties"])]


def load_study(config: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs and scans of the configured study, read or derived from the simulation.

    Raises
    ------
    TableError
        If a table is needed but not named, or cannot be used.
    """
    simulate = config["simulate"]
    dataset = config["dataset"]
    if simulate["film"]["make"]:
        runs = simulated_runs(dataset, simulate["film"]["n_trs"])
    elif config["runs"]:
        runs = load_runs(config["runs"])
    else:
        raise TableError(
            "config key 'runs' is empty: name a runs table (see config/datasets/), or set "
            "simulate/film/make to true for a made-up film"
        )
    if simulate["bold"]["make"]:
        scans = simulated_scans(dataset, runs, simulate["bold"]["n_subjects"])
    elif config["scans"]:
        scans = load_scans(config["scans"], runs)
    else:
        raise TableError(
            "config key 'scans' is empty: name a scans table (see config/datasets/), or set "
            "simulate/bold/make to true for made-up subjects"
        )
    return runs, scans


def _read(path: str | Path, schema: Schema) -> tuple[pd.DataFrame, list[int]]:
    """Read a table as its schema says: columns, defaults, names and whole numbers.

    Returns
    -------
    table : one column per property of the schema
    numbers : of its rows, in the file
    """
    path = Path(path)
    required, known = set(schema["required"]), set(schema["properties"])
    sheet = read_sheet(
        path, PURPOSE, is_header=lambda names: required <= set(filter(None, names)) <= known
    )
    _refuse_bad_columns(path, sheet, schema)
    numbers = [number for number, _ in sheet.rows]
    columns: dict[str, list[Any]] = {}
    for name, column in schema["properties"].items():
        index = sheet.position(name, PURPOSE)
        texts = [""] * len(sheet.rows)
        if index is not None:
            texts = [_text(sheet, row[index], column) for _, row in sheet.rows]
        if name in required:
            if "" in texts:
                raise TableError(f"{path} row {numbers[texts.index('')]}: column {name!r} is empty")
        else:
            texts = [_or_default(text, column) for text in texts]
        if "pattern" in column:
            _refuse_bad_names(path, numbers, texts, name, column["pattern"])
        if column.get("format") == "path":
            texts = _usable_paths(path, numbers, texts, name)
        columns[name] = texts
        if column.get("type") == "integer":
            columns[name] = _whole_numbers(path, numbers, texts, name)
    return pd.DataFrame(columns), numbers


def _text(sheet: Sheet, cell: Any, column: Schema) -> str:
    """Text of a cell, with a decimal point in a number."""
    text = as_text(cell)
    return decimal_text(text) if column.get("type") == "number" else text


def _or_default(text: str, column: Schema) -> str:
    """Text of a cell that may be empty, or what stands in for it.

    Numbers count as missing only where that is plain: an onset of ``nan`` is a mistake.
    """
    is_number = column.get("type") in ("number", "integer")
    missing = text.lower() in (("", "n/a") if is_number else MISSING)
    return str(column.get("default", "")) if missing else text


def _refuse_bad_columns(path: Path, sheet: Sheet, schema: Schema) -> None:
    names = [name for name in sheet.header if name]
    missing = [name for name in schema["required"] if name not in names]
    if missing:
        raise TableError(
            f"{path}: no column {missing[0]!r}; found {', '.join(names)}; "
            f"needed are {', '.join(schema['required'])}"
        )
    unknown = [name for name in names if name not in schema["properties"]]
    if unknown:
        raise TableError(
            f"{path}: unknown column {unknown[0]!r}: known are {', '.join(schema['properties'])}"
        )
    # The first column without a name is that of pandas' and R's row names.
    for index, name in enumerate(sheet.header[1:], 1):
        for number, row in sheet.rows:
            if not name and as_text(row[index]):
                raise TableError(
                    f"{path} row {number}: {sheet.column_name(index)} holds "
                    f"{as_text(row[index])[:40]!r}, but has no name in the header: name it, or "
                    "delete the column"
                )


def _usable_paths(path: Path, numbers: list[int], texts: list[str], column: str) -> list[str]:
    """Paths as rules can use them; scans may be folders and patterns."""
    several = column == "bold"
    return [
        text
        and paths.checked(
            text, f"{path} row {row}: {column}", TableError, folder=several, glob=several
        )
        for row, text in zip(numbers, texts, strict=True)
    ]


def _refuse_bad_names(
    path: Path, numbers: list[int], names: list[str], column: str, pattern: str
) -> None:
    for row, name in zip(numbers, names, strict=True):
        if not re.fullmatch(pattern, name):
            raise TableError(
                f"{path} row {row}: {column} {name!r} becomes part of file names: use "
                "letters, digits and hyphens only"
            )


def _refuse_duplicates(
    path: str | Path, table: pd.DataFrame, numbers: list[int], columns: list[str]
) -> None:
    first: dict[tuple[str, ...], int] = {}
    for row, *names in zip(numbers, *(table[name] for name in columns), strict=True):
        if (before := first.setdefault(tuple(names), row)) != row:
            raise TableError(
                f"{path} row {row}: {' '.join(names)!r} is listed twice, first in row {before}: "
                "remove one of the rows"
            )


def _whole_numbers(path: Path, numbers: list[int], texts: list[str], column: str) -> list[int]:
    out = []
    values = {text: whole_number(text) for text in set(texts)}
    for row, text in zip(numbers, texts, strict=True):
        value = values[text]
        if value is None or value < 0:
            raise TableError(
                f"{path} row {row}: {column} is {shortened(text)}, expected a whole number"
            )
        if value > MOST_TRS:
            raise TableError(
                f"{path} row {row}: {column} is {shortened(text)}, more than the {MOST_TRS:,} TRs "
                "that a run can have: correct it"
            )
        out.append(value)
    return out


Rows = dict[str, dict[str, Any]]


def lookups(runs: pd.DataFrame, scans: pd.DataFrame) -> tuple[Rows, dict[str, Rows]]:
    """Both tables as nested mappings, for rules to look values up by wildcard.

    Returns
    -------
    runs
        ``{run: {column: value}}``.
    scans
        ``{subject: {run: {column: value}}}``.

    An empty cell becomes an empty list, which Snakemake reads as "no such input".
    """
    by_run: Rows = {}
    for row in runs.to_dict("records"):
        by_run[row["run"]] = {str(k): [] if v == "" else v for k, v in row.items()}
    by_scan: dict[str, Rows] = {}
    for row in scans.to_dict("records"):
        values = {str(k): [] if v == "" else v for k, v in row.items()}
        by_scan.setdefault(row["subject"], {})[row["run"]] = values
    return by_run, by_scan
