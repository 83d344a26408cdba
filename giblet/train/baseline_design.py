"""What the linear baselines are fitted on: rows of a study, folds and kernels.

Rows are all TRs of all runs, one run after the other. Kernels are linear,
``K = X X^T / scale`` with the columns of ``X`` z-scored on training rows and ``scale`` such that
the mean diagonal over training rows is 1. Columns, and what is predicted from them, lose what
cleaning took out of each run's BOLD.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.brain.drift import Drift
from giblet.errors import TrainError
from giblet.hrf import convolve_causal, hrf_kernel
from giblet.store import dataset, reading
from giblet.timing import Exact, as_fraction

Rows = NDArray[np.int64]
Kernel = NDArray[np.float32]
Fold = tuple[Rows, Rows]
MODALITIES = ("video", "audio", "text")
TRAIN = 0
GAP = -1
# As long as the regressors of the align stage (giblet.align.regressors.HRF_S).
HRF_S = 30.0


@dataclass(frozen=True)
class Timeline:
    """The rows of a study.

    Attributes
    ----------
    runs : names of the runs in order
    lengths : TRs of each run
    run : array of shape (n_rows,), position of each row's run
    tr : array of shape (n_rows,), TR within the run
    split : array of shape (n_rows,), 0 train, 1 val, 2 test, -1 gap
    """

    runs: tuple[str, ...]
    lengths: tuple[int, ...]
    run: Rows
    tr: Rows
    split: NDArray[np.int8]

    @classmethod
    def of(cls, study: h5py.File) -> Timeline:
        """Read the rows of an open study."""
        runs = tuple(json.loads(study.attrs["runs"]))
        splits = [study[f"runs/{run}/split"][:] for run in runs]
        lengths = tuple(len(split) for split in splits)
        place = np.repeat(np.arange(len(runs)), lengths)
        tr = np.concatenate([np.arange(length) for length in lengths])
        return cls(runs, lengths, place, tr, np.concatenate(splits))

    def rows_of(self, run: str) -> slice:
        """Rows of one run."""
        place = self.runs.index(run)
        start = sum(self.lengths[:place])
        return slice(start, start + self.lengths[place])

    def train_rows(self, runs: Sequence[str]) -> Rows:
        """Training rows of some runs."""
        wanted = [self.runs.index(run) for run in runs]
        return np.flatnonzero((self.split == TRAIN) & np.isin(self.run, wanted))


def folds(timeline: Timeline, rows: Rows, n_folds: int, gap_trs: int) -> list[Fold]:
    """Cross-validation folds inside the training rows.

    Each fold holds out one contiguous piece; rows of the same run closer to it than
    `gap_trs` are left out of the fold's training rows. When so little data is left that
    fewer than two folds have training rows, the gap is halved until they do: penalties
    become less well chosen, but nothing outside train is touched.

    Returns
    -------
    list of (training, held out) positions in `rows`
    """
    if len(rows) < 2 * n_folds:
        raise TrainError(
            f"{len(rows)} training TRs are too few for {n_folds} folds: lower "
            "train/baseline/n_folds, or align/gap_s and align/test_fraction to train on more"
        )
    out = []
    for held in np.array_split(np.arange(len(rows)), n_folds):
        near = np.zeros(len(rows), bool)
        for place in np.unique(timeline.run[rows[held]]):
            same = timeline.run[rows] == place
            held_tr = timeline.tr[rows[held]][timeline.run[rows[held]] == place]
            tr = timeline.tr[rows]
            near |= same & (tr >= held_tr.min() - gap_trs) & (tr <= held_tr.max() + gap_trs)
        kept = np.flatnonzero(~near)
        if len(kept):
            out.append((kept, held))
    if len(out) < 2:
        print(f"warning: training is too short for folds {gap_trs} TRs apart; halving that")
        return folds(timeline, rows, n_folds, gap_trs // 2)
    return out


def load_bands(
    paths: Sequence[str | Path],
    timeline: Timeline,
    kind: str,
    tr_s: Exact,
    drift: Drift | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Regressors of all runs, cut to the study's TRs.

    Parameters
    ----------
    paths : regressor files in the order of the timeline's runs
    kind : ``raw``, ``hrf`` or ``fir``
    drift : what to take out of each run, as its training rows tell it

    Returns
    -------
    dict modality -> array of shape (n_rows, n_columns)
    """
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for path, run, length in zip(paths, timeline.runs, timeline.lengths, strict=True):
        with reading(path, stage="align", tr_s=tr_s, run=run) as file:
            # A study may lack a modality.
            for name in (name for name in MODALITIES if name in file.get(kind, {})):
                values = dataset(file, f"{kind}/{name}", shape=(None, None))
                if len(values) < length:
                    raise TrainError(
                        f"{path}: {len(values)} TRs of {run}, the study has {length}: delete "
                        "the file and run snakemake again"
                    )
                found = values[:length].astype(np.float32)
                if drift:
                    found = _without(drift, found, timeline, run, tr_s)
                parts.setdefault(name, []).append(found)
    return {name: np.concatenate(values) for name, values in parts.items()}


def varying(
    bands: Mapping[str, NDArray[np.float32]], train: Rows
) -> dict[str, NDArray[np.float32]]:
    """Leave out bands that are constant on train: no text, a silent or a black film."""
    kept = {}
    for name, values in bands.items():
        if np.ptp(values[train], axis=0).max(initial=0) > 0:
            kept[name] = values
        else:
            print(f"{name}: constant on the training TRs, left out of the baseline")
    if not kept:
        raise TrainError(
            "no regressor varies on the training TRs: the film is black, silent and without "
            "text there; check movie_onset_s and n_trs in the runs table"
        )
    return kept


def kernel(values: NDArray[np.float32], train: Rows) -> Kernel:
    """Linear kernel of shape (n_rows, n_rows), normalised on the training rows."""
    mean, std = values[train].mean(0), values[train].std(0)
    z = (values - mean) / np.where(std > 0, std, 1) * (std > 0)
    product = z @ z.T
    return normalised(product, train)


def normalised(product: Kernel, train: Rows) -> Kernel:
    """Scale a kernel to a mean diagonal of 1 over the training rows."""
    scale = float(np.diagonal(product)[train].mean())
    return (product / (scale if scale > 0 else 1.0)).astype(np.float32)


def filtered(
    values: NDArray[np.float32], timeline: Timeline, tr_s: Exact, shift_s: float, drift: Drift
) -> NDArray[np.float32]:
    """Raw regressors through the Glover HRF shifted by `shift_s`, without drift, run by run."""
    weights = hrf_kernel("glover", tr_s, shift_s=shift_s, duration_s=HRF_S)
    parts = []
    for run in timeline.runs:
        through = convolve_causal(values[timeline.rows_of(run)], weights).astype(np.float32)
        parts.append(_without(drift, through, timeline, run, tr_s))
    return np.concatenate(parts)


def _without(
    drift: Drift, values: NDArray[np.float32], timeline: Timeline, run: str, tr_s: Exact
) -> NDArray[np.float32]:
    """A run's rows without the drift that its training rows tell."""
    told = timeline.split[timeline.rows_of(run)] == TRAIN
    return drift.out_of_told(values, float(as_fraction(tr_s)), told)


def settled(
    predicted: NDArray[np.float32], timeline: Timeline, tr_s: Exact, drift: Drift
) -> NDArray[np.float32]:
    """Predictions of all rows without their drift over each whole run."""
    parts = [
        drift.out_of(predicted[timeline.rows_of(run)], float(as_fraction(tr_s)))
        for run in timeline.runs
    ]
    return np.concatenate(parts)
