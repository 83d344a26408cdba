"""Intervals of differences: the same blocks of the same test TRs drawn for both runs.

Where both runs scored the same items (test TRs, clips of sound), an interval over blocks of the
difference leaves out what both have in common, the film above all, and so is much narrower than
what two intervals side by side suggest. It does not hold what training again with another seed
would change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.resampling import blocks
from giblet.validate.compare.run import Run
from giblet.validate.report.files import read_table
from giblet.validate.statistics import bootstrap_mean_interval

Values = NDArray[np.float64]

SEED = 0
# Which file has a modality's scores of single items, and what names an item in it.
ITEMS = {
    "video": ("validate/video/trs.tsv", ("run", "tr")),
    "audio": ("validate/audio/clips.tsv", ("run", "tr_start", "tr_stop")),
    "text": ("validate/text/retrieved.tsv", ("run", "tr")),
}
TEXTS = ("run", "source", "subject", "is_speech", "true_text", "retrieved_text")
# Scores of words, from the rank and the similarity of each TR.
OF_RANKS: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "cosine_centred": ("cosine", lambda value: value, np.mean),
    "retrieval_top1": ("rank", lambda rank: (rank <= 1).astype(float), np.mean),
    "retrieval_top5": ("rank", lambda rank: (rank <= 5).astype(float), np.mean),
    "retrieval_top10": ("rank", lambda rank: (rank <= 10).astype(float), np.mean),
    "retrieval_median_rank": ("rank", lambda rank: rank, np.median),
}
# Tables are written with six digits.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Paired:
    """Interval of the difference other minus one; or why there is none."""

    interval: tuple[float, float] = (np.nan, np.nan)
    n: int = 0
    reason: str = ""


NOT_STORED = "scores of single items are not kept"
OTHER_ITEMS = "the runs were not scored on the same test TRs"
DOES_NOT_ADD_UP = "the kept scores of single items do not add up to this score"
ONE_BLOCK = "there is one block of test TRs only"


class Items:
    """Scores of single items of both runs, one modality.

    Parameters
    ----------
    one, other
        Runs of the same study.
    """

    def __init__(self, one: Run, other: Run, modality: str) -> None:
        self.modality = modality
        self.runs = (one, other)
        file, self.keys = ITEMS[modality]
        paths = [run.folder / file for run in self.runs]
        self.tables: list[pd.DataFrame] = []
        if all(path.exists() for path in paths):
            self.tables = [read_table(path, self.keys, TEXTS) for path in paths]
        self.block = block_of_tr(one)
        self.block_trs, self.n_bootstrap = one.statistic("block_trs"), one.statistic("n_bootstrap")

    def paired(self, name: str, source: str) -> Paired:
        """Interval of the difference of a score, mean over the subjects."""
        column, of, over = self._recipe(name)
        if not self.tables or any(column not in table for table in self.tables):
            return Paired(reason=NOT_STORED)
        found = [self._of_source(table, source, column) for table in self.tables]
        if not found[0] or not found[1]:
            return Paired(reason=NOT_STORED)
        if found[0].keys() != found[1].keys():
            return Paired(reason=OTHER_ITEMS)
        cases = []
        for subject, first in found[0].items():
            second = found[1][subject]
            if not first.index.equals(second.index):
                return Paired(reason=OTHER_ITEMS)
            values = [of(part.to_numpy(float)) for part in (first, second)]
            for run, own in zip(self.runs, values, strict=True):
                if not _adds_up(run, self.modality, name, source, subject, own, over):
                    return Paired(reason=DOES_NOT_ADD_UP)
            cases.append((*values, self._blocks(first.index)))
        return paired_interval(cases, over, int(self.n_bootstrap))

    def _recipe(self, name: str) -> tuple[str, Callable[[Any], Any], Callable[[Any], Any]]:
        if self.modality == "text":
            return OF_RANKS.get(name, ("", np.asarray, np.mean))
        return name, np.asarray, np.mean

    def _of_source(self, table: pd.DataFrame, source: str, column: str) -> dict[str, pd.Series]:
        rows = table[table["source"] == source]
        return {
            str(subject): part.set_index(list(self.keys))[column].sort_index()
            for subject, part in rows.groupby("subject")
            if part[column].notna().any()
        }

    def _blocks(self, index: pd.Index) -> NDArray[np.int64]:
        """Bootstrap block of each item; a clip of sound is one by itself, as when scored."""
        if self.modality == "audio":
            names = {item: number for number, item in enumerate(sorted(set(self._all_items())))}
            return np.array([names[item] for item in index], np.int64)
        return np.array([self.block[str(run), int(tr)] for run, tr in index], np.int64)

    def _all_items(self) -> list[tuple[Any, ...]]:
        return list(self.tables[0][list(self.keys)].itertuples(index=False, name=None))


def block_of_tr(run: Run) -> dict[tuple[str, int], int]:
    """Bootstrap block of each test TR, numbered as when it was scored."""
    lengths, places = [], []
    for name, trs in run.test_trs().items():
        for part in np.split(trs, np.flatnonzero(np.diff(trs) > 1) + 1):
            lengths.append(len(part))
            places += [(name, int(tr)) for tr in part]
    numbers = blocks(lengths, int(run.statistic("block_trs")))
    return dict(zip(places, numbers.tolist(), strict=True))


def same_test_trs(one: Run, other: Run) -> bool:
    """Whether both runs held out the same TRs."""
    here, there = one.test_trs(), other.test_trs()
    return list(here) == list(there) and all(np.array_equal(here[run], there[run]) for run in here)


def _adds_up(
    run: Run,
    modality: str,
    name: str,
    source: str,
    subject: str,
    values: Values,
    over: Callable[[Any], Any],
) -> bool:
    """Whether the items make the score in metrics.csv: else they are not its items."""
    known = values[np.isfinite(values)]
    scores = run.scores[modality]
    found = scores.of_subjects(name, source).get(subject) if subject else None
    score = found or scores.pooled(name, source)
    if score is None or not len(known):
        return False
    return bool(abs(float(over(known)) - score.value) <= ROUNDING * max(1.0, abs(score.value)))


def paired_interval(
    cases: Sequence[tuple[Values, Values, NDArray[np.int64]]],
    over: Callable[[Any], Any],
    n_bootstrap: int,
) -> Paired:
    """95 % interval of a difference of statistics of the same items.

    Parameters
    ----------
    cases : for each subject the items' scores in one run and in the other, and their blocks;
        items that either run could not score do not count
    over : np.mean or np.median
    """
    kept = [
        (one[known], other[known], block[known])
        for one, other, block in cases
        if (known := np.isfinite(one) & np.isfinite(other)).any()
    ]
    if not kept:
        return Paired(reason=NOT_STORED)
    first = np.concatenate([one for one, _, _ in kept])
    second = np.concatenate([other for _, other, _ in kept])
    edges = np.cumsum([0, *(len(block) for _, _, block in kept)])

    # Items are drawn by their number, so that both runs' scores of an item stay together.
    def difference(numbers: Values) -> float:
        drawn = numbers.astype(int)
        return float(over(second[drawn]) - over(first[drawn]))

    numbered = [
        (np.arange(start, stop, dtype=float), block)
        for start, stop, (_, _, block) in zip(edges[:-1], edges[1:], kept, strict=True)
    ]
    _, interval = bootstrap_mean_interval(
        numbered, n_bootstrap, np.random.default_rng(SEED), difference
    )
    if not np.isfinite(interval[0]):
        return Paired(reason=ONE_BLOCK)
    return Paired(interval, len(first))
