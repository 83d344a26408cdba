"""Paired intervals of encoding scores, from the predictions that both runs keep."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.errors import GibletError
from giblet.resampling import percentile_interval
from giblet.validate.compare.paired import (
    DOES_NOT_ADD_UP,
    NOT_STORED,
    ONE_BLOCK,
    OTHER_ITEMS,
    ROUNDING,
    SEED,
    Paired,
)
from giblet.validate.compare.run import Run
from giblet.validate.fmri import score_voxels
from giblet.validate.fmri_inputs import ceiling_of, encoded, measured_bold, opened
from giblet.validate.settings import Settings
from giblet.validate.statistics import centred
from giblet.validate.testset import load_test_set, runs_of

Values = NDArray[np.float64]

# In the order in which `encoded` gives them; what comes after needs the regressors.
SOURCES = ("model", "ridge", "floor_mean", "floor_shifted")
FILES = (
    *("align/study.h5", "validate/predictions.h5", "train/ridge/baseline.h5"),
    *("brain/ceiling.h5", "train/ridge/partition.h5"),
)
# Score, source and subject -> its value and its draws over blocks.
Draws = dict[tuple[str, str, str], tuple[float, Values]]


class Brains:
    """Draws of both runs' encoding scores; the same blocks are drawn for both."""

    def __init__(self, one: Run, other: Run) -> None:
        self.runs = (one, other)
        self.draws: list[Draws] = []
        self.reason = ""
        missing = [
            run.folder / f for run in self.runs for f in FILES if not (run.folder / f).exists()
        ]
        if missing:
            self.reason = f"{missing[0]} is not there"
            return
        try:
            self.draws = [encoding_draws(run, one) for run in self.runs]
        except GibletError as error:
            self.reason = str(error)

    def paired(self, name: str, source: str) -> Paired:
        """Interval of the difference of a score, mean over the subjects."""
        if self.reason:
            return Paired(reason=self.reason)
        found = [
            {key[2]: drawn for key, drawn in draws.items() if key[:2] == (name, source)}
            for draws in self.draws
        ]
        if not found[0] or not found[1]:
            return Paired(reason=NOT_STORED)
        if found[0].keys() != found[1].keys():
            return Paired(reason=OTHER_ITEMS)
        for run, own in zip(self.runs, found, strict=True):
            scored = run.scores["fmri"].of_subjects(name, source)
            for subject, (value, _) in own.items():
                known = scored.get(subject)
                if known is None or abs(known.value - value) > ROUNDING:
                    return Paired(reason=DOES_NOT_ADD_UP)
        one, other = (np.mean([draws for _, draws in own.values()], axis=0) for own in found)
        if not len(one):
            return Paired(reason=ONE_BLOCK)
        return Paired(percentile_interval(other - one), len(found[0]))


def encoding_draws(run: Run, statistics_of: Run) -> Draws:
    """Mean and median r of every subject and source, and their draws over blocks.

    Parameters
    ----------
    statistics_of
        The run whose settings of the bootstrap are used, the same for both.
    """
    settings = Settings(
        seed=SEED,
        n_permutations=0,
        n_bootstrap=int(statistics_of.statistic("n_bootstrap")),
        block_trs=int(statistics_of.statistic("block_trs")),
        min_shift_s=0,
        min_distance_s=0,
        min_ceiling=statistics_of.statistic("min_ceiling"),
    )
    out: Draws = {}
    study, predictions, baseline, ceiling, partition = (run.folder / Path(f) for f in FILES)
    with opened(study, predictions, baseline, ceiling, partition, []) as files:
        tests = load_test_set(files.study)
        for subject in tests.subjects:
            own = tests.of_runs(runs_of(files.study, subject))
            if not own.runs:
                continue
            valid, changes = measured_bold(files, own, subject)
            limit = ceiling_of(files.ceiling, subject, len(valid))
            usable = valid & (np.nan_to_num(limit) >= settings.min_ceiling)
            for source, predicted in islice(encoded(files, own, subject), len(SOURCES)):
                scored = score_voxels(
                    changes, centred(predicted, own.lengths), valid, own, settings, {}, tested=False
                )
                r, draws = scored.r[valid], scored.draws[:, valid]
                out["r_mean", source, subject] = (float(r.mean()), draws.mean(1))
                out["r_median", source, subject] = (float(np.median(r)), np.median(draws, axis=1))
                if usable.any():
                    shares = scored.draws[:, usable] / limit[usable]
                    out["r_normalised_median", source, subject] = (
                        float(np.median(scored.r[usable] / limit[usable])),
                        np.median(shares, axis=1),
                    )
    return out
