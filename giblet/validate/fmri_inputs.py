"""What the fMRI scores read: open files, and the predicted BOLD of each source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.store import dataset, reading
from giblet.validate.floors import nearest_by_stimulus
from giblet.validate.statistics import centred
from giblet.validate.testset import TestSet, held_out, runs_of


@dataclass
class Files:
    """Open inputs of the fMRI scores."""

    study: h5py.File
    predictions: h5py.File
    baseline: h5py.File
    ceiling: h5py.File
    partition: h5py.File
    regressors: dict[str, h5py.File] = field(default_factory=dict)


@contextmanager
def opened(
    study: str | Path,
    predictions: str | Path,
    baseline: str | Path,
    ceiling: str | Path,
    partition: str | Path,
    regressors: Sequence[str | Path],
) -> Iterator[Files]:
    """Open the inputs, all of the right stages."""
    with ExitStack() as stack:
        files = Files(
            stack.enter_context(reading(study, stage="align")),
            stack.enter_context(reading(predictions, stage="validate")),
            stack.enter_context(reading(baseline, stage="train")),
            stack.enter_context(reading(ceiling, stage="brain")),
            stack.enter_context(reading(partition, stage="train")),
        )
        for path in regressors:
            file = stack.enter_context(reading(path, stage="align"))
            files.regressors[str(file.attrs["run"])] = file
        yield files


def encoded(
    files: Files, tests: TestSet, subject: str
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Each source and its predicted BOLD for the test TRs, an array of shape (n, V)."""
    model = np.concatenate(
        [files.predictions[f"runs/{run}/bold/model/{subject}"][:] for run in tests.runs]
    )
    n_voxels = len(files.study[f"stats/bold/{subject}/valid"])
    if model.shape[1] != n_voxels:
        raise ValidationError(
            f"{files.predictions.filename}: predicts {model.shape[1]} voxels for {subject}, the "
            f"study has {n_voxels}: the network was trained on another mask; train again"
        )
    yield "model", model
    yield "ridge", held_out(files.baseline, f"bold/{subject}/{{run}}", tests)
    yield "floor_mean", np.zeros_like(model)
    yield "floor_shifted", model[tests.shifted()]
    runs = runs_of(files.study, subject)
    nearest = nearest_by_stimulus(files.study, files.regressors, tests, runs)
    yield "floor_nearest", nearest.rows(files.study, f"runs/{{run}}/bold/{subject}")


def measured_bold(
    files: Files, tests: TestSet, subject: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Valid voxels [V], and the measured BOLD of the test TRs [n, V] centred within segments."""
    valid = dataset(files.study, f"stats/bold/{subject}/valid")[:].astype(bool)
    measured = held_out(files.study, f"runs/{{run}}/bold/{subject}", tests)
    measured = np.where(valid, measured, 0)
    if not np.isfinite(measured).all():
        raise ValidationError(
            f"{files.study.filename}: the test BOLD of {subject} holds values that are not "
            "finite in voxels marked valid: run brain and align again"
        )
    return valid, centred(measured, tests.lengths)


def ceiling_of(file: h5py.File, subject: str, n_voxels: int) -> NDArray[np.float64]:
    """The estimated ceiling of a subject; NaN where there is none."""
    if f"ceiling/{subject}" not in file:
        return np.full(n_voxels, np.nan)
    return dataset(file, f"ceiling/{subject}", shape=(n_voxels,))[:].astype(float)


def ceiling_draws_of(file: h5py.File, subject: str, n_voxels: int) -> NDArray[np.float16]:
    """A subject's ceiling over resampled blocks, (n_draws, V); no rows where there are none."""
    name = f"ceiling_draws/{subject}"
    if name not in file:
        return np.zeros((0, n_voxels), np.float16)
    found: NDArray[np.float16] = dataset(file, name, shape=(None, n_voxels))[:]
    return found
