"""Intervals of differences: the same blocks of the same test TRs drawn for both runs.

Where both runs scored the same items (test TRs, clips of sound), an interval over blocks of the
difference leaves out what both have in common, the film above all, and so is much narrower than
what two intervals side by side suggest. It does not hold what training again with another seed
would change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.resampling import percentile_interval
from giblet.validate.compare.run import Run
from giblet.validate.settings import Settings
from giblet.validate.statistics import bootstrap_mean_interval
from giblet.validate.table import mean_draws

Values = NDArray[np.float64]

SEED = 0
# Tables are written with six digits.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Paired:
    """Interval of the difference other minus one; or why there is none."""

    interval: tuple[float, float] = (np.nan, np.nan)
    n: int = 0
    reason: str = ""


NOT_STORED = "scores of single items are not kept"
OF_P = "a p has no interval"
OTHER_ITEMS = "the runs were not scored on the same test TRs"
DOES_NOT_ADD_UP = "the kept scores of single items do not add up to this score"
ONE_BLOCK = "there is one block of test TRs only"


def settings_of(run: Run) -> Settings:
    """The run's settings of the bootstrap; the first run's are used for both."""
    return Settings(
        seed=SEED,
        n_permutations=0,
        n_bootstrap=int(run.statistic("n_bootstrap")),
        block_trs=int(run.statistic("block_trs")),
        min_shift_s=0,
        min_distance_s=0,
        min_ceiling=run.statistic("min_ceiling"),
    )


def same_test_trs(one: Run, other: Run) -> bool:
    """Whether both runs held out the same TRs."""
    here, there = one.test_trs(), other.test_trs()
    return list(here) == list(there) and all(np.array_equal(here[run], there[run]) for run in here)


def adds_up(run: Run, modality: str, name: str, source: str, subject: str, value: float) -> bool:
    """Whether a score is the one in metrics.csv: else what it was made of are not its items."""
    scores = run.scores[modality]
    known = scores.of_subjects(name, source).get(subject)
    known = known if subject else scores.pooled(name, source)
    return known is not None and bool(
        abs(value - known.value) <= ROUNDING * max(1.0, abs(known.value))
    )


def paired_draws(
    runs: tuple[Run, Run],
    modality: str,
    name: str,
    source: str,
    found: Sequence[Mapping[str, tuple[float, Values]]],
) -> Paired:
    """95 % interval of the difference of a score that was drawn anew in both runs.

    Parameters
    ----------
    found : for each run, subject -> value and its draws over blocks, the same blocks for all;
        the score is the mean over subjects
    """
    if not found[0] or not found[1]:
        return Paired(reason=NOT_STORED)
    if found[0].keys() != found[1].keys():
        return Paired(reason=OTHER_ITEMS)
    for run, own in zip(runs, found, strict=True):
        for subject, (value, _) in own.items():
            if not adds_up(run, modality, name, source, subject, value):
                return Paired(reason=DOES_NOT_ADD_UP)
    one, other = (mean_draws([draws for _, draws in own.values()]) for own in found)
    if not len(one) or not len(other):
        return Paired(reason=ONE_BLOCK)
    return Paired(percentile_interval(other - one), len(found[0]))


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
    n_items = sum(len(block) for _, _, block in kept)
    rng = np.random.default_rng(SEED)
    if over is np.mean:
        differences = [(other - one, block) for one, other, block in kept]
        _, interval = bootstrap_mean_interval(differences, n_bootstrap, rng)
    else:
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
        _, interval = bootstrap_mean_interval(numbered, n_bootstrap, rng, difference)
    if not np.isfinite(interval[0]):
        return Paired(reason=ONE_BLOCK)
    return Paired(interval, n_items)
