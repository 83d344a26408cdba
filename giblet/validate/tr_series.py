"""Correlations over TRs of what has several columns, and what they are taken of.

``series.h5`` keeps the series, one row a test TR, so that the difference between two runs can be
resampled (:mod:`giblet.validate.compare`). Layout, for the TRs of each run that were scored::

    {metric}/original/shared/{run}               float32 [n, C]
    {metric}/{source}/{subject or shared}/{run}  float32 [n, C]

NaN where a TR has no value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.resampling import Array, bootstrap_correlations
from giblet.validate.predictions import SHARED
from giblet.validate.settings import Settings
from giblet.validate.statistics import centred, pearson, slices
from giblet.validate.table import MetricTable
from giblet.validate.testset import TestSet

ORIGINAL = "original"
# Of columns that are silent or stand still nothing but rounding is left when they are centred.
LEAST_SQUARES = 1e-6


@dataclass(frozen=True)
class SeriesScorer:
    """Scores the series of each source against the true one and keeps both.

    Attributes
    ----------
    true : array of shape (n, C), the TRs of `tests`
    """

    file: h5py.File
    table: MetricTable
    settings: Settings
    metric: str
    true: Array
    tests: TestSet

    def __post_init__(self) -> None:
        put_series(self.file, self.metric, ORIGINAL, "", self.true, self.tests)

    def add(self, source: str, subject: str, found: Array, own: TestSet) -> None:
        """Add the row of a source, of which `found` are the TRs of `own`."""
        put_series(self.file, self.metric, source, subject, found, own)
        true = self.true[np.isin(self.tests.run_name, own.runs)]
        r, draws, n = series_r(true, found, own, self.settings)
        self.table.add(self.metric, "r", source, r, subject=subject, draws=draws, n=n)

    def add_chance(self) -> None:
        """Two series that have nothing to do with each other."""
        self.table.add(self.metric, "r", "chance", 0.0, n=self.tests.n)


def series_r(
    true: Array, found: Array, tests: TestSet, settings: Settings
) -> tuple[float, Array, int]:
    """Correlation over TRs, mean over the columns in which the truth varies.

    Series are centred within segments. A prediction that does not vary has r = 0.

    Parameters
    ----------
    true, found : arrays of shape (n, C), the TRs of `tests`; those that hold NaN do not count

    Returns
    -------
    r, r over resampled blocks, number of TRs; NaN, none and 0 where nothing varies
    """
    known = np.isfinite(np.concatenate([true, found], axis=1)).all(axis=1)
    lengths = [n for part in slices(tests.lengths) if (n := int(known[part].sum()))]
    x, y = centred(true[known], lengths), centred(found[known], lengths)
    varies = (x**2).sum(0) > LEAST_SQUARES
    if not varies.any():
        return float("nan"), np.zeros(0), 0
    x, y = x[:, varies], y[:, varies]
    draws = bootstrap_correlations(
        x,
        y,
        tests.blocks(settings.block_trs)[known],
        settings.n_bootstrap,
        np.random.default_rng(settings.seed),
        n_blocks=tests.n_blocks(settings.block_trs),
    )
    return float(pearson(x, y).mean()), draws.mean(1), len(x)


def put_series(
    file: h5py.File, metric: str, source: str, subject: str, values: Array, tests: TestSet
) -> None:
    """Store the series of the TRs of `tests`, shape (n, C)."""
    for place, run in enumerate(tests.runs):
        part = values[tests.run_number == place].astype(np.float32)
        file[f"{metric}/{source}/{subject or SHARED}/{run}"] = part


def stored_series(
    file: h5py.File, metric: str, source: str, tests: TestSet
) -> Iterator[tuple[str, TestSet, NDArray[np.float32]]]:
    """Subject ("" for none), the test TRs there are, and the series, shape (n, C)."""
    for who, runs in file.get(f"{metric}/{source}", {}).items():
        own = tests.of_runs(list(runs))
        values = np.concatenate([runs[run][:] for run in own.runs])
        yield "" if who == SHARED else who, own, values
