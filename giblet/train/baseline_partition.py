"""The banded ridge again with some of its modalities only, for variance partitioning.

What a modality alone explains, and what nothing but it explains, is found by leaving bands out
(Lescroart et al. 2015, Front. Comput. Neurosci. 9:135; de Heer et al. 2017, J. Neurosci.
37:6539). Each subset of the bands is fitted like the whole: on the same training TRs and folds,
in the design (``fir`` or ``hrf``, with its delay) that the voxel has in the baseline, with band
weights and penalty chosen per voxel by the same cross-validation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from time import perf_counter

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.brain.drift import Drift
from giblet.errors import TrainError
from giblet.store import dataset, reading, writing
from giblet.timing import Exact, seconds_to_trs
from giblet.train.baseline import load_bold
from giblet.train.baseline_design import (
    Fold,
    Rows,
    Timeline,
    filtered,
    folds,
    kernel,
    load_bands,
    settled,
    varying,
)
from giblet.train.baseline_encode import Search
from giblet.train.baseline_ridge import Array, band_weights, fit_ridge

TEST = 2
Subset = tuple[int, ...]


def partition_baseline(
    out: str | Path,
    *,
    study: str | Path,
    regressors: Sequence[str | Path],
    baseline: str | Path,
    tr_s: Exact,
    seed: int,
    gap_s: float,
    n_weightings: int,
    n_alphas: int,
    min_log10_alpha: float,
    max_log10_alpha: float,
    n_folds: int,
    batch_voxels: int,
) -> None:
    """Predict the test TRs from every proper subset of the bands, write ``partition.h5``.

    The prediction from all bands is the baseline's own.

    Parameters
    ----------
    baseline
        ``train/ridge/baseline.h5``, made with the same settings.
    regressors, seed, gap_s, n_weightings, n_alphas, min_log10_alpha, max_log10_alpha, n_folds, \
batch_voxels
        As for :func:`giblet.train.baseline.train_baseline`.

    Notes
    -----
    ``bold/{subset}/{subject}/{run}`` [test TRs, V] is float16, whose relative error of 0.0005 is
    far below that of any prediction.
    """
    with (
        reading(study, stage="align", tr_s=tr_s) as source,
        reading(baseline, stage="train", tr_s=tr_s) as whole,
        writing(out, stage="train", tr_s=tr_s) as file,
    ):
        timeline = Timeline.of(source)
        designs = _Designs(regressors, timeline, tr_s, Drift.of(source))
        _check_bands(baseline, json.loads(whole.attrs["bands"]), designs.bands)
        search = Search(
            weightings=band_weights(len(designs.bands), n_weightings, seed),
            alphas=np.logspace(min_log10_alpha, max_log10_alpha, n_alphas, dtype=np.float32),
            shifts_s=np.zeros(0),
            n_folds=n_folds,
            gap_trs=seconds_to_trs(gap_s, tr_s),
            batch=batch_voxels,
        )
        file.attrs["bands"] = json.dumps(designs.bands)
        for subject in json.loads(source.attrs["subjects"]):
            start = perf_counter()
            runs, bold, valid = load_bold(source, timeline, subject)
            design = _design_of(whole, subject, len(valid))
            rows = timeline.train_rows(runs)
            cv = folds(timeline, rows, n_folds, search.gap_trs)
            for subset in proper_subsets(len(designs.bands)):
                predicted = _predict(designs, subset, bold[rows], rows, cv, design, search)
                _write(file, designs.name(subset), subject, runs, timeline, predicted * valid)
            print(f"{subject}: {perf_counter() - start:.1f} s")


def proper_subsets(n_bands: int) -> list[Subset]:
    """Every choice of at least one band that leaves one out."""
    return [s for size in range(1, n_bands) for s in combinations(range(n_bands), size)]


def subset_weightings(weightings: Array, subset: Subset) -> Array:
    """Weightings of the whole with the other bands' share taken away.

    Returns
    -------
    array of shape (n, len(subset)), rows summing to 1, each once
    """
    own = weightings[:, list(subset)].astype(float)
    total = own.sum(axis=1)
    kept = own[total > 0] / total[total > 0, None]
    return np.unique(kept.round(6), axis=0).astype(np.float32)


class _Designs:
    """Kernels of the bands in each design, made when first asked for."""

    def __init__(
        self, regressors: Sequence[str | Path], timeline: Timeline, tr_s: Exact, drift: Drift
    ) -> None:
        self.timeline, self.tr_s, self.drift = timeline, tr_s, drift
        self.train = timeline.train_rows(timeline.runs)
        fir = varying(load_bands(regressors, timeline, "fir", tr_s, drift), self.train)
        self._raw = varying(load_bands(regressors, timeline, "raw", tr_s), self.train)
        self.bands = [name for name in fir if name in self._raw]
        self._made: dict[float | None, Array] = {None: self._stack(fir)}

    def _stack(self, values: Mapping[str, NDArray[np.float32]]) -> Array:
        return np.stack([kernel(values[name], self.train) for name in self.bands])

    def kernels(self, shift_s: float | None) -> Array:
        """Kernels [bands, rows, rows] at a shift of the response; None: of design ``fir``."""
        if shift_s not in self._made:
            assert shift_s is not None
            through = {
                name: filtered(self._raw[name], self.timeline, self.tr_s, shift_s, self.drift)
                for name in self.bands
            }
            self._made[shift_s] = self._stack(through)
        return self._made[shift_s]

    def name(self, subset: Subset) -> str:
        """What a subset is called in the file."""
        return "_".join(self.bands[band] for band in subset)


def _design_of(baseline: h5py.File, subject: str, n_voxels: int) -> NDArray[np.float64]:
    """Shift of each voxel's response in the baseline, NaN where it uses design ``fir``."""
    shift_s = dataset(baseline, f"shift_s/{subject}", shape=(n_voxels,))[:].astype(float)
    uses_hrf = dataset(baseline, f"uses_hrf/{subject}", shape=(n_voxels,))[:].astype(bool)
    return np.where(uses_hrf, shift_s, np.nan)


def _predict(
    designs: _Designs,
    subset: Subset,
    targets: Array,
    train: Rows,
    cv: Sequence[Fold],
    shift_s: NDArray[np.float64],
    search: Search,
) -> Array:
    """Prediction of every test row from a subset of the bands, (n_test, n_voxels)."""
    timeline = designs.timeline
    mean = targets.mean(axis=0)
    out = np.zeros((len(timeline.tr), targets.shape[1]), np.float32)
    weightings = subset_weightings(search.weightings, subset)
    groups: list[float | None] = [None, *np.unique(shift_s[np.isfinite(shift_s)]).tolist()]
    for shift in groups:
        columns = np.flatnonzero(np.isnan(shift_s) if shift is None else shift_s == shift)
        if not len(columns):
            continue
        kernels = designs.kernels(shift)[list(subset)]
        fitted = fit_ridge(
            kernels,
            targets[:, columns] - mean[columns],
            train,
            cv,
            weightings,
            search.alphas,
            batch=search.batch,
        )
        out[:, columns] = fitted.predict(kernels, train) + mean[columns]
    return settled(out, timeline, designs.tr_s, designs.drift)[timeline.split == TEST]


def _write(
    file: h5py.File,
    name: str,
    subject: str,
    runs: Sequence[str],
    timeline: Timeline,
    predicted: Array,
) -> None:
    run_of = timeline.run[timeline.split == TEST]
    for run in runs:
        here = run_of == timeline.runs.index(run)
        file[f"bold/{name}/{subject}/{run}"] = predicted[here].astype(np.float16)


def _check_bands(path: str | Path, theirs: Sequence[str], ours: Sequence[str]) -> None:
    if list(theirs) != list(ours):
        raise TrainError(
            f"{path}: fitted on {', '.join(theirs)}, the regressors vary in {', '.join(ours)}: "
            "delete it and run snakemake again"
        )
