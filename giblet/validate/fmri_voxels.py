"""``fmri/voxels.h5``: the scores of every subject and voxel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.store import writing
from giblet.validate.partition import PART_NAMES, Subset
from giblet.validate.settings import Settings
from giblet.validate.truth import Truth

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Voxels:
    """Scores of one subject's V voxels, NaN where a voxel is not valid.

    Attributes
    ----------
    r, p, q : source -> array of shape (V,)
    draws : source -> array of shape (n_bootstrap, V)
    ceiling : array of shape (V,), estimated best possible r; NaN where unknown
    ceiling_draws : array of shape (n_draws, V), the ceiling over resampled blocks
    delay_s : source -> array of shape (V,), time to peak that it found
    valid : array of shape (V,), bool
    region_p : source -> region -> p of the mean over its voxels
    explained, parts : modalities -> array of shape (V,), see :mod:`giblet.validate.partition`
    """

    r: Mapping[str, Scores]
    draws: Mapping[str, NDArray[np.float32]]
    p: Mapping[str, Scores]
    q: Mapping[str, Scores]
    ceiling: Scores
    ceiling_draws: NDArray[np.float16]
    delay_s: Mapping[str, NDArray[np.float32]]
    valid: NDArray[np.bool_]
    region_p: Mapping[str, Mapping[str, float]]
    explained: Mapping[Subset, Scores]
    parts: Mapping[Subset, Scores]

    def normalised(self, source: str, min_ceiling: float) -> Scores:
        """r as a share of the ceiling, NaN below `min_ceiling`; not clipped at 1."""
        usable = np.nan_to_num(self.ceiling) >= min_ceiling
        return np.where(usable, self.r[source] / np.where(usable, self.ceiling, 1), np.nan)


def write_voxels(
    path: str | Path,
    study: h5py.File,
    subjects: Mapping[str, Voxels],
    truth: Truth | None,
    settings: Settings,
) -> None:
    """Write the scores of all subjects, the geometry, and the truth if there is one."""
    tr_s = "/".join(str(int(part)) for part in study.attrs["tr_s"])
    with writing(path, stage="validate", tr_s=tr_s) as file:
        file.attrs["kind"] = str(study.attrs.get("kind", "voxels"))
        if "grid_shape" in study.attrs:
            file.attrs["grid_shape"] = study.attrs["grid_shape"]
        file.attrs["subjects"] = json.dumps(list(subjects))
        for name in ("fdr_q", "n_permutations", "min_ceiling"):
            file.attrs[name] = getattr(settings, name)
        for name in ("ijk", "affine", "xyz_mm", "labels"):
            if f"geometry/{name}" in study:
                study.copy(f"geometry/{name}", file, name)
        for subject, voxels in subjects.items():
            _write_subject(file.create_group(subject), voxels, settings.min_ceiling)
        if truth is not None:
            _write_truth(file.create_group("truth"), truth)


def _write_subject(group: h5py.Group, voxels: Voxels, min_ceiling: float) -> None:
    normalised = voxels.normalised("model", min_ceiling)
    columns = {
        "r": voxels.r["model"],
        "r_ridge": voxels.r["ridge"],
        "r_normalised": normalised,
        "ceiling": voxels.ceiling,
        "p": voxels.p["model"],
        "q": voxels.q["model"],
        "p_ridge": voxels.p["ridge"],
        "q_ridge": voxels.q["ridge"],
        "delay_s": voxels.delay_s["ridge"],
        "delay_model_s": voxels.delay_s["model"],
    }
    for name, values in columns.items():
        group[name] = np.asarray(values, np.float32)
    for subset, name in PART_NAMES.items():
        group[f"partition/{name}"] = voxels.parts[subset].astype(np.float32)
        group[f"partition/r2_{'_'.join(subset)}"] = voxels.explained[subset].astype(np.float32)
    # Above its ceiling a voxel says that the ceiling is underestimated, not that r is great.
    group["above_ceiling"] = np.nan_to_num(normalised) > 1


def _write_truth(group: h5py.Group, truth: Truth) -> None:
    group["responds"] = truth.responds
    group["delay_s"] = truth.delay_s
    group["ceiling"] = np.mean(list(truth.ceiling.values()), axis=0).astype(np.float32)
    group["region"] = truth.region
    group.attrs["region_names"] = json.dumps(list(truth.region_names))
