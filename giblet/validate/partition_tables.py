"""Rows of the fMRI table that say which modality explains what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from giblet.resampling import around
from giblet.validate.partition import MODALITIES, PART_NAMES, Partition
from giblet.validate.settings import Settings
from giblet.validate.table import MetricTable
from giblet.validate.truth import Truth


def add_partition(
    table: MetricTable,
    partition: Partition,
    q: NDArray[np.float64],
    truth: Truth | None,
    subject: str,
    settings: Settings,
) -> None:
    """Add the mean of each part over voxels, and which modality is best in how many.

    Parameters
    ----------
    q : array of shape (V,), of ridge's prediction from all modalities
    """
    valid = partition.regions[""]
    n = int(valid.sum())
    for subset, values in partition.parts.items():
        value = float(values[valid].mean()) if n else float("nan")
        draws = around(value, partition.draws[""][subset])
        table.add(PART_NAMES[subset], "r2", "ridge", value, subject=subject, draws=draws, n=n)
    best = partition.best()
    found = valid & (np.nan_to_num(q, nan=1.0) < settings.fdr_q)
    n_found = int(found.sum())
    for number, name in enumerate(MODALITIES):
        share = float((best[found] == number).mean()) if n_found else float("nan")
        table.add(f"best_{name}", "share", "ridge", share, subject=subject, n=n_found)
    if truth is not None:
        _add_own_modality(table, best, valid, truth, subject)


def _add_own_modality(
    table: MetricTable,
    best: NDArray[np.int64],
    valid: NDArray[np.bool_],
    truth: Truth,
    subject: str,
) -> None:
    """Of the voxels that respond to one modality only, how many it explains best."""
    alone = valid & (truth.responds.sum(axis=1) == 1)
    for number, name in enumerate(MODALITIES):
        here = alone & truth.responds[:, number]
        n = int(here.sum())
        share = float((best[here] == number).mean()) if n else float("nan")
        table.add(f"own_modality_{name}", "share", "ridge", share, subject=subject, n=n)
