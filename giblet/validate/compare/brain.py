"""Paired intervals of encoding scores, from the predictions that both runs keep."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.errors import GibletError
from giblet.validate.compare.paired import Paired, paired_draws, settings_of
from giblet.validate.compare.run import Run
from giblet.validate.fmri import score_voxels
from giblet.validate.fmri_inputs import ceiling_of, encoded, measured_bold, opened
from giblet.validate.statistics import centred
from giblet.validate.testset import load_test_set, runs_of

Values = NDArray[np.float64]

NAMES = ("r_mean", "r_median", "r_normalised_median")
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

    # Said for a score that nothing else knows either.
    missing = ""

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

    def has(self, name: str) -> bool:
        """Whether a score is one of single voxels' correlations."""
        return name in NAMES

    def paired(self, name: str, source: str) -> Paired:
        """Interval of the difference of a score, mean over the subjects."""
        if self.reason:
            return Paired(reason=self.reason)
        found = [
            {key[2]: drawn for key, drawn in draws.items() if key[:2] == (name, source)}
            for draws in self.draws
        ]
        return paired_draws(self.runs, "fmri", name, source, found)


def encoding_draws(run: Run, statistics_of: Run) -> Draws:
    """Mean and median r of every subject and source, and their draws over blocks.

    Parameters
    ----------
    statistics_of
        The run whose settings of the bootstrap are used, the same for both.
    """
    settings = settings_of(statistics_of)
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
