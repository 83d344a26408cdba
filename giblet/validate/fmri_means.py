"""What several pictures of the voxels share: means over subjects, and limits of the colours."""

from __future__ import annotations

import json
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


def mean_over(file: h5py.File, name: str) -> NDArray[np.float64]:
    """Mean over the subjects in whom a voxel was scored, NaN in none; shape (V,)."""
    subjects = json.loads(file.attrs["subjects"])
    values = np.stack([file[f"{subject}/{name}"][:] for subject in subjects]).astype(float)
    known = np.isfinite(values)
    total, count = np.where(known, values, 0).sum(0), known.sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def found_by_ridge(file: h5py.File, subject: str) -> NDArray[np.bool_]:
    """Voxels that ridge predicts significantly, which is where a delay means something."""
    return np.asarray(file[f"{subject}/q_ridge"][:] < file.attrs["fdr_q"])


def mean_delay(file: h5py.File) -> NDArray[np.float64]:
    """Mean delay that ridge found, in voxels that it predicts in any subject; NaN elsewhere."""
    subjects = json.loads(file.attrs["subjects"])
    found = np.any([found_by_ridge(file, subject) for subject in subjects], axis=0)
    return np.where(found, mean_over(file, "delay_s"), np.nan)


def limits(
    values: NDArray[Any],
    *,
    from_zero: bool = False,
    low: float | None = None,
    high: float | None = None,
) -> tuple[float, float]:
    """Lowest and highest colour: as given, else the 2nd (or 0) and 99th percentile."""
    known = values[np.isfinite(values)]
    if low is None:
        low = 0.0 if from_zero or not len(known) else float(np.percentile(known, 2))
    if high is None:
        high = float(np.percentile(known, 99)) if len(known) else 1.0
    return low, max(high, low + 0.05)
