"""Paired intervals of means and medians over items, from the scores of single items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

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
        # source -> subject -> scores by item, of each run
        self.scores = [by_source(table, self.keys) for table in self.tables]
        self.settings = settings_of(one)
        self.block = block_of_item(one, self.tables[0], self.keys) if self.tables else {}

    def has(self, name: str) -> bool:
        """Whether a score is made of these items."""
        return bool(self.tables) and all(name in table for table in self.tables)

    def paired(self, name: str, source: str) -> Paired:
        """Interval of the difference of a score, mean over the subjects."""
        over = statistic_of(name)
        found = [
            {
                subject: part[name]
                for subject, part in scores.get(source, {}).items()
                if part[name].notna().any()
            }
            for scores in self.scores
        ]
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
            cases.append((*values, np.array([self.block[item] for item in first.index])))
        return paired_interval(cases, over, self.settings.n_bootstrap)


def statistic_of(name: str) -> Callable[[Any], Any]:
    """What a score is of the scores of its items: ranks have a median, the rest a mean."""
    return np.median if name.endswith("rank") else np.mean


def by_source(table: pd.DataFrame, keys: Sequence[str]) -> dict[str, dict[str, pd.DataFrame]]:
    """Scores of each source and subject, by what names an item."""
    out: dict[str, dict[str, pd.DataFrame]] = {}
    for (source, subject), part in table.groupby(["source", "subject"]):
        out.setdefault(str(source), {})[str(subject)] = part.set_index(list(keys)).sort_index()
    return out


def block_of_item(run: Run, table: pd.DataFrame, keys: Sequence[str]) -> dict[Any, int]:
    """Bootstrap block of each item, as when it was scored; a clip of sound is one by itself."""
    if keys == KEYS[CLIPS]:
        clips = table[list(keys)].itertuples(index=False, name=None)
        return {clip: number for number, clip in enumerate(sorted(set(clips)))}
    tests = run.test_set()
    places = zip(tests.run_name.tolist(), tests.tr.tolist(), strict=True)
    return dict(zip(places, tests.blocks(settings_of(run).block_trs).tolist(), strict=True))
