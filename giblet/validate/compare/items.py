"""Paired intervals of means and medians over items, from the scores of single items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.validate.compare.paired import (
    DOES_NOT_ADD_UP,
    NOT_STORED,
    OTHER_ITEMS,
    Paired,
    adds_up,
    paired_interval,
    settings_of,
)
from giblet.validate.compare.run import Run
from giblet.validate.report.files import read_table

TRS, CLIPS = "trs.tsv", "clips.tsv"
# What names an item.
KEYS = {TRS: ("run", "tr"), CLIPS: ("run", "tr_start", "tr_stop")}
TEXTS = ("run", "source", "subject", "is_speech")


class Items:
    """Scores of single items of both runs, one file of one modality.

    Parameters
    ----------
    one, other
        Runs of the same study that held out the same TRs.
    file
        `TRS` or `CLIPS`, with a column for each metric.
    """

    def __init__(self, one: Run, other: Run, modality: str, file: str) -> None:
        self.modality = modality
        self.runs = (one, other)
        self.keys = KEYS[file]
        paths = [run.folder / "validate" / modality / file for run in self.runs]
        self.missing = "; ".join(f"{path} is not there" for path in paths if not path.exists())
        self.tables: list[pd.DataFrame] = []
        if not self.missing:
            self.tables = [read_table(path, self.keys, TEXTS) for path in paths]
        self.settings = settings_of(one)

    def has(self, name: str) -> bool:
        """Whether a score is made of these items."""
        return bool(self.tables) and all(name in table for table in self.tables)

    def paired(self, name: str, source: str) -> Paired:
        """Interval of the difference of a score, mean over the subjects."""
        over = statistic_of(name)
        found = [self._of_source(table, source, name) for table in self.tables]
        if not found[0] or not found[1]:
            return Paired(reason=NOT_STORED)
        if found[0].keys() != found[1].keys():
            return Paired(reason=OTHER_ITEMS)
        cases = []
        for subject, first in found[0].items():
            second = found[1][subject]
            if not first.index.equals(second.index):
                return Paired(reason=OTHER_ITEMS)
            for run, own in zip(self.runs, (first, second), strict=True):
                value = float(over(own.dropna()))
                if not adds_up(run, self.modality, name, source, subject, value):
                    return Paired(reason=DOES_NOT_ADD_UP)
            values = (first.to_numpy(float), second.to_numpy(float))
            cases.append((*values, self._blocks(first.index)))
        return paired_interval(cases, over, self.settings.n_bootstrap)

    def _of_source(self, table: pd.DataFrame, source: str, column: str) -> dict[str, pd.Series]:
        rows = table[table["source"] == source]
        return {
            str(subject): part.set_index(list(self.keys))[column].sort_index()
            for subject, part in rows.groupby("subject")
            if part[column].notna().any()
        }

    def _blocks(self, index: pd.Index) -> NDArray[np.int64]:
        """Bootstrap block of each item; a clip of sound is one by itself, as when scored."""
        if self.keys == KEYS[CLIPS]:
            every = self.tables[0][list(self.keys)].itertuples(index=False, name=None)
            names = {item: number for number, item in enumerate(sorted(set(every)))}
            return np.array([names[item] for item in index], np.int64)
        block = block_of_tr(self.runs[0])
        return np.array([block[str(run), int(tr)] for run, tr in index], np.int64)


def statistic_of(name: str) -> Callable[[Any], Any]:
    """What a score is of the scores of its items: ranks have a median, the rest a mean."""
    return np.median if name.endswith("rank") else np.mean


def block_of_tr(run: Run) -> dict[tuple[str, int], int]:
    """Bootstrap block of each test TR, numbered as when it was scored."""
    tests = run.test_set()
    places = zip(tests.run_name.tolist(), tests.tr.tolist(), strict=True)
    return dict(zip(places, tests.blocks(settings_of(run).block_trs).tolist(), strict=True))
