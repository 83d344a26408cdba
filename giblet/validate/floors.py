"""Predictions that any model must beat: the nearest moment of the training part.

*Encoding*: for each test TR the training TR whose HRF-filtered stimulus regressors are nearest
(each modality standardised on train and given the same total weight); its measured BOLD is
the prediction. *Decoding*: the training TR whose BOLD pattern, a haemodynamic delay later,
correlates best with the test TR's; what was shown then is the prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.resampling import Array
from giblet.store import dataset
from giblet.timing import seconds_to_trs
from giblet.validate.identification import unit_rows
from giblet.validate.testset import TRAIN, TestSet

MODALITIES = ("video", "audio", "text")
DELAY_S = 5
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Moments:
    """TRs of runs: `run` names and `tr` numbers, arrays of shape (n,)."""

    run: NDArray[np.str_]
    tr: NDArray[np.int64]

    def rows(self, file: h5py.File, pattern: str) -> NDArray[np.float32]:
        """Rows of a dataset with one row a TR in each run, in the order of the moments."""
        out: NDArray[np.float32] | None = None
        for run in np.unique(self.run):
            here = np.flatnonzero(self.run == run)
            wanted, back = np.unique(self.tr[here], return_inverse=True)
            found = dataset(file, pattern.format(run=run))[wanted.tolist()][back]
            if out is None:
                out = np.zeros((len(self.run), *found.shape[1:]), found.dtype)
            out[here] = found
        assert out is not None
        return out


def train_moments(study: h5py.File, runs: Sequence[str], *, after_trs: int = 0) -> Moments:
    """Training TRs whose successor `after_trs` later is a training TR as well."""
    names, trs = [], []
    for run in runs:
        train = study[f"runs/{run}/split"][:] == TRAIN
        later = np.zeros_like(train)
        later[: len(train) - after_trs] = train[after_trs:]
        found = np.flatnonzero(train & later)
        names.append(np.full(len(found), run))
        trs.append(found)
    if not sum(len(found) for found in trs):
        raise ValidationError(
            f"{study.filename}: no stretch of training TRs is longer than {after_trs} TRs, the "
            "floor 'nearest training clip' cannot be made: make the blocks of align longer"
        )
    return Moments(np.concatenate(names), np.concatenate(trs))


def nearest_by_stimulus(
    study: h5py.File, regressors: dict[str, h5py.File], tests: TestSet, runs: Sequence[str]
) -> Moments:
    """Training TR with the nearest HRF-filtered stimulus, for each test TR.

    Parameters
    ----------
    regressors : open ``align/{run}/regressors.h5`` of every run
    runs : runs whose training TRs count (those the subject was scanned in)
    """
    train = train_moments(study, runs)
    near: list[NDArray[np.float64]] = []
    far: list[NDArray[np.float64]] = []
    held = next(iter(regressors.values()))["hrf"]
    for modality in (name for name in MODALITIES if name in held):
        parts = {run: file[f"hrf/{modality}"] for run, file in regressors.items()}
        known = np.concatenate([parts[run][:][train.tr[train.run == run]] for run in runs])
        mean, std = known.mean(0), known.std(0)
        scale = np.sqrt(known.shape[1]) * np.where(std > 1e-6, std, np.inf)
        asked = [parts[run][:][trs] for run, trs in zip(tests.runs, tests.trs, strict=True)]
        near.append((known - mean) / scale)
        far.append((np.concatenate(asked) - mean) / scale)
    have, want = np.concatenate(near, axis=1), np.concatenate(far, axis=1)
    distance = (want**2).sum(1)[:, None] + (have**2).sum(1)[None] - 2 * want @ have.T
    best = distance.argmin(1)
    return Moments(train.run[best], train.tr[best])


def nearest_by_bold(study: h5py.File, tests: TestSet, subject: str, runs: Sequence[str]) -> Moments:
    """Training TR with the most alike BOLD pattern `DELAY_S` later, for each test TR."""
    delay = seconds_to_trs(DELAY_S, tests.tr_s)
    train = train_moments(study, runs, after_trs=delay)
    want = unit_rows(_delayed_test_bold(study, tests, subject, delay))
    scores = np.full((len(want), len(train.tr)), -np.inf)
    for run in runs:
        bold = dataset(study, f"runs/{run}/bold/{subject}")
        here = np.flatnonzero(train.run == run)
        for start in range(0, len(here), ROWS_AT_ONCE):
            some = here[start : start + ROWS_AT_ONCE]
            rows = train.tr[some] + delay
            stretch = bold[int(rows[0]) : int(rows[-1]) + 1][rows - rows[0]]
            scores[:, some] = want @ unit_rows(stretch).T
    best = scores.argmax(1)
    return Moments(train.run[best], train.tr[best])


def _delayed_test_bold(study: h5py.File, tests: TestSet, subject: str, delay: int) -> Array:
    """BOLD a delay after each test TR; at the end of a test block, its last."""
    parts = []
    for run, start, stop in tests.segments():
        rows = np.minimum(np.arange(start, stop) + delay, stop - 1)
        bold = study[f"runs/{run}/bold/{subject}"][start:stop]
        parts.append(bold[rows - start])
    return np.concatenate(parts)
