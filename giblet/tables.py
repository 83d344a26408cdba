"""The two tables that describe a study: its runs and its scans.

Runs table: ``run, movie, movie_onset_s, text, text_part, n_trs, split``.
Scans table: ``subject, run, bold, first_volume, n_volumes, confounds``.
Tab- or comma-separated; only the first columns named in `RUN_REQUIRED` and
`SCAN_REQUIRED` must be there. Both are checked before any job is planned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from giblet.errors import ConfigError, TableError
from giblet.timing import as_fraction

RUN_DEFAULTS = {
    "movie_onset_s": "0",
    "text": "",
    "text_part": 1,
    "n_trs": 0,
    "split": "",
}
RUN_REQUIRED = ("run", "movie")
SCAN_DEFAULTS = {"first_volume": 0, "n_volumes": 0, "confounds": ""}
SCAN_REQUIRED = ("subject", "run", "bold")
SPLITS = ("", "train", "val", "test")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


def load_runs(path: str | Path) -> pd.DataFrame:
    """Read the runs table.

    Returns
    -------
    DataFrame indexed by position with the columns of the module's docstring;
    ``n_trs`` 0 stands for "as long as the film", ``text`` "" for "no text".
    """
    table = _read(path, RUN_REQUIRED, RUN_DEFAULTS)
    _refuse_bad_names(path, table, "run")
    _refuse_duplicates(path, table, ["run"])
    for column in ("text_part", "n_trs"):
        table[column] = _whole_numbers(path, table, column)
    for row, onset in enumerate(table["movie_onset_s"]):
        try:
            as_fraction(onset)
        except ConfigError as error:
            raise TableError(
                f"{path} row {row + 1}: movie_onset_s is {onset!r}, expected seconds"
            ) from error
    wrong = table.loc[~table["split"].isin(SPLITS), "split"]
    if len(wrong):
        raise TableError(
            f"{path}: split is {wrong.iloc[0]!r}: use train, val or test, or leave it empty"
        )
    return table


def load_scans(path: str | Path, runs: pd.DataFrame) -> pd.DataFrame:
    """Read the scans table and check that its runs exist."""
    table = _read(path, SCAN_REQUIRED, SCAN_DEFAULTS)
    _refuse_bad_names(path, table, "subject")
    _refuse_duplicates(path, table, ["subject", "run"])
    for column in ("first_volume", "n_volumes"):
        table[column] = _whole_numbers(path, table, column)
    unknown = sorted(set(table["run"]) - set(runs["run"]))
    if unknown:
        raise TableError(
            f"{path}: run {unknown[0]!r} is not in the runs table, which has "
            f"{', '.join(runs['run'])}: add it there or correct the scans table"
        )
    return table


def simulated_runs(dataset: str, n_trs: list[int]) -> pd.DataFrame:
    """Runs table of a simulated film: one run per entry of `n_trs`."""
    folder = f"results/{dataset}/simulate"
    names = [f"run-{number}" for number in range(1, len(n_trs) + 1)]
    rows = [
        {
            **RUN_DEFAULTS,
            "run": name,
            "movie": f"{folder}/{name}.mp4",
            "text": f"{folder}/{name}_annotations.tsv",
            "n_trs": length,
        }
        for name, length in zip(names, n_trs, strict=True)
    ]
    return pd.DataFrame(rows)[[*RUN_REQUIRED, *RUN_DEFAULTS]]


def simulated_scans(dataset: str, runs: pd.DataFrame, n_subjects: int) -> pd.DataFrame:
    """Scans table of simulated subjects watching `runs`."""
    folder = f"results/{dataset}/simulate"
    rows = [
        {
            **SCAN_DEFAULTS,
            "subject": f"sub-{number:02d}",
            "run": run,
            "bold": f"{folder}/sub-{number:02d}_{run}_bold.nii.gz",
            "confounds": f"{folder}/sub-{number:02d}_{run}_confounds.tsv",
        }
        for number in range(1, n_subjects + 1)
        for run in runs["run"]
    ]
    return pd.DataFrame(rows)[[*SCAN_REQUIRED, *SCAN_DEFAULTS]]


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


def _read(path: str | Path, required: tuple[str, ...], defaults: Mapping[str, Any]) -> pd.DataFrame:
    path = Path(path)
    if not path.exists():
        raise TableError(f"{path}: no such table: correct the path in the configuration")
    separator = "," if path.suffix == ".csv" else "\t"
    table = pd.read_csv(path, sep=separator, dtype=str, comment="#", keep_default_na=False)
    table.columns = [str(name).strip() for name in table.columns]
    known = {*required, *defaults}
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise TableError(
            f"{path}: no column {missing[0]!r}; found {', '.join(table.columns)}; "
            f"needed are {', '.join(required)}, separated by "
            f"{'commas' if separator == ',' else 'tabs'}"
        )
    unknown = [name for name in table.columns if name not in known]
    if unknown:
        raise TableError(
            f"{path}: unknown column {unknown[0]!r}: known are {', '.join(sorted(known))}"
        )
    if table.empty:
        raise TableError(f"{path}: the table has no rows")
    for name, default in defaults.items():
        if name not in table.columns:
            table[name] = str(default)
        table[name] = table[name].str.strip().replace("", str(default))
    for name in required:
        table[name] = table[name].str.strip()
        if (table[name] == "").any():
            row = int((table[name] == "").to_numpy().argmax())
            raise TableError(f"{path} row {row + 1}: column {name!r} is empty")
    return table[[*required, *defaults]]


def _refuse_bad_names(path: str | Path, table: pd.DataFrame, column: str) -> None:
    for row, name in enumerate(table[column]):
        if not NAME.fullmatch(name):
            raise TableError(
                f"{path} row {row + 1}: {column} {name!r} becomes part of file names: use "
                "letters, digits and hyphens only"
            )


def _refuse_duplicates(path: str | Path, table: pd.DataFrame, columns: list[str]) -> None:
    twice = table[table.duplicated(columns)]
    if len(twice):
        value = " ".join(twice.iloc[0][columns])
        raise TableError(f"{path}: {value!r} is listed twice: remove one of the rows")


def _whole_numbers(path: str | Path, table: pd.DataFrame, column: str) -> list[int]:
    out = []
    for row, value in enumerate(table[column]):
        if not re.fullmatch(r"\d+", value):
            raise TableError(
                f"{path} row {row + 1}: {column} is {value!r}, expected a whole number"
            )
        out.append(int(value))
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
