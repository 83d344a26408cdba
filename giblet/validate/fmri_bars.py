"""Mean correlations with their intervals: of each region, each subject, each run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from giblet.results import read_made_table
from giblet.validate.figures import COLOURS, figure

NUMBERS = ["value", "ci_low", "ci_high"]
REGION_SOURCES = ("model", "ridge", "ceiling")
SUBJECT_SOURCES = ("ceiling", "model", "ridge", "floor_nearest", "floor_shifted")
RUN_SOURCES = ("model", "ridge")
WIDTH = 0.8
MOST_REGIONS = 40


def draw_regions(table: str | Path, path: Path, dpi: int) -> None:
    """Mean r of each region over voxels and subjects, with the interval of that mean.

    Of many regions those are drawn that the network predicts best.

    Parameters
    ----------
    table : ``fmri/by_region.csv``
    """
    rows = _read(table, "region")
    rows = rows[rows["subject"] == ""]
    names = list(dict.fromkeys(rows["region"]))
    if len(names) > MOST_REGIONS:
        model = rows[rows["source"] == "model"].set_index("region")["value"]
        names = list(model.nlargest(MOST_REGIONS).index)
    _draw_bars(rows, "region", names, REGION_SOURCES, path, dpi, "mean r over voxels and subjects")


def draw_subjects(metrics: str | Path, path: Path, dpi: int) -> None:
    """Mean r of each subject over voxels, the last group of bars their mean.

    Parameters
    ----------
    metrics : ``fmri/metrics.csv``
    """
    rows = _read(metrics, "subject")
    rows = rows[rows["metric"] == "r_mean"]
    names = [name for name in dict.fromkeys(rows["subject"]) if name]
    rows = rows.assign(subject=rows["subject"].replace("", "all"))
    _draw_bars(rows, "subject", [*names, "all"], SUBJECT_SOURCES, path, dpi, "mean r over voxels")


def draw_runs(table: str | Path, path: Path, dpi: int) -> None:
    """Mean r over voxels in the test TRs of each run, one group of bars a subject and run.

    Parameters
    ----------
    table : ``fmri/by_run.csv``
    """
    rows = _read(table, "run")
    rows = rows.assign(name=rows["run"] + "\n" + rows["subject"])
    names = list(dict.fromkeys(rows.sort_values(["run", "subject"])["name"]))
    _draw_bars(rows, "name", names, RUN_SOURCES, path, dpi, "mean r over voxels")


def _read(path: str | Path, column: str) -> pd.DataFrame:
    rows = read_made_table(
        path,
        (column, "source", "subject"),
        numbers=NUMBERS,
        dtype={column: str, "subject": str, "source": str},
        keep_default_na=False,
        na_values=[""],
    )
    return rows.assign(subject=rows["subject"].fillna(""))


def _draw_bars(
    rows: pd.DataFrame,
    column: str,
    names: list[str],
    wanted: Sequence[str],
    path: Path,
    dpi: int,
    label: str,
) -> None:
    """A group of bars for each name, one bar a source; sources without rows are left out."""
    sources = [source for source in wanted if (rows["source"] == source).any()]
    step = WIDTH / max(len(sources), 1)
    size = (max(4, (0.25 * len(sources) + 0.2) * len(names) + 2), 3.2)
    with figure(path, dpi, figsize=size) as (_, axis):
        for place, source in enumerate(sources):
            mine = rows[rows["source"] == source].set_index(column)[NUMBERS].reindex(names)
            value = mine["value"].to_numpy(float)
            ends = np.stack([value - mine["ci_low"], mine["ci_high"] - value]).astype(float)
            at = np.arange(len(names)) + (place - (len(sources) - 1) / 2) * step
            error = np.nan_to_num(np.maximum(ends, 0))
            colour = COLOURS[source]
            axis.bar(at, value, 0.95 * step, yerr=error, color=colour, label=source)
        axis.axhline(0, color="0.3", lw=0.8)
        axis.set_xticks(np.arange(len(names)), names, rotation=30, ha="right", fontsize=8)
        axis.set(ylabel=label)
        axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
