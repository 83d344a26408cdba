"""Encoding scores: how well the BOLD of held-out TRs is predicted, voxel by voxel.

Sources: ``model`` (the network), ``ridge`` (the linear baseline), and the floors: ``floor_mean``
(the training mean, 0 after z-scoring), ``floor_shifted`` (the network's own prediction, half a
test segment late), ``floor_nearest`` (BOLD of the training TR with the nearest stimulus).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.store import dataset, reading
from giblet.validate.floors import nearest_by_stimulus
from giblet.validate.fmri_tables import (
    RUN_SOURCES,
    add_encoding_identification,
    add_voxel_metrics,
    by_region,
    by_run,
)
from giblet.validate.fmri_truth import add_truth_metrics
from giblet.validate.fmri_voxels import Voxels, write_voxels
from giblet.validate.permutation import shift_test
from giblet.validate.predictions import check_predictions
from giblet.validate.settings import Settings
from giblet.validate.statistics import bootstrap_correlations, centred, fdr, pearson
from giblet.validate.table import MetricTable, write_table
from giblet.validate.testset import TestSet, held_out, load_test_set, runs_of
from giblet.validate.truth import Truth, load_truth

TESTED = ("model", "ridge", "floor_shifted", "floor_nearest")
COLUMNS_AT_ONCE = 4096


@dataclass
class Scored:
    """Scores of one source in one subject.

    Attributes
    ----------
    r : array of shape (V,), NaN where the voxel is not valid
    draws : array of shape (n_bootstrap, V), r of resampled blocks
    p, q : arrays of shape (V,); None for a source that is not tested
    """

    r: NDArray[np.float64]
    draws: NDArray[np.float32]
    p: NDArray[np.float64] | None = None
    q: NDArray[np.float64] | None = None


@dataclass
class Files:
    """Open inputs of the fMRI scores."""

    study: h5py.File
    predictions: h5py.File
    baseline: h5py.File
    ceiling: h5py.File
    regressors: dict[str, h5py.File] = field(default_factory=dict)


def score_fmri(
    study: str | Path,
    predictions: str | Path,
    baseline: str | Path,
    ceiling: str | Path,
    regressors: Sequence[str | Path],
    truth: Sequence[str | Path],
    *,
    metrics: str | Path,
    voxels: str | Path,
    region_table: str | Path,
    run_table: str | Path,
    seed: int,
    n_permutations: int,
    n_bootstrap: int,
    block_trs: int,
    min_shift_s: float,
    identification_min_distance_s: float,
    fdr_q: float,
    min_ceiling: float,
) -> None:
    """Score the encoding of every subject and write the tables and ``voxels.h5``.

    Parameters
    ----------
    regressors : ``align/{run}/regressors.h5`` of every run
    truth : ``simulate/truth.h5`` in a list, or an empty list for a real study
    seed, n_permutations, n_bootstrap, block_trs, min_shift_s, \
identification_min_distance_s, fdr_q, min_ceiling
        See config/schemas/validate.schema.yaml.
    """
    settings = Settings(
        seed=seed,
        n_permutations=n_permutations,
        n_bootstrap=n_bootstrap,
        block_trs=block_trs,
        min_shift_s=min_shift_s,
        min_distance_s=identification_min_distance_s,
        fdr_q=fdr_q,
        min_ceiling=min_ceiling,
    )
    table = MetricTable("fmri", n_bootstrap, seed)
    regions: list[dict[str, object]] = []
    run_rows: list[dict[str, object]] = []
    found: dict[str, Voxels] = {}
    with opened(study, predictions, baseline, ceiling, regressors) as files:
        tests = load_test_set(files.study)
        check_predictions(files.predictions, tests)
        planted = load_truth(truth[0], files.study, tests.subjects) if truth else None
        for subject in tests.subjects:
            own = tests.of_runs(runs_of(files.study, subject))
            if not own.runs:
                print(f"{subject}: no test TRs, not scored")
                continue
            voxel, rows = _score_subject(files, own, subject, settings, table, planted)
            regions += by_region(files.study, voxel, planted, subject)
            # The bootstrap draws are by far the largest part and have served their purpose.
            found[subject] = replace(voxel, draws={})
            run_rows += rows
        if not found:
            raise ValidationError(
                f"{study}: no subject was scanned in a run with test TRs "
                f"({', '.join(tests.runs)}): change the split column of the runs table"
            )
        write_voxels(voxels, files.study, found, planted, settings)
    table.write(metrics)
    write_table(region_table, regions)
    write_table(run_table, run_rows)


@contextmanager
def opened(
    study: str | Path,
    predictions: str | Path,
    baseline: str | Path,
    ceiling: str | Path,
    regressors: Sequence[str | Path],
) -> Iterator[Files]:
    """Open the inputs, all of the right stages."""
    with ExitStack() as stack:
        files = Files(
            stack.enter_context(reading(study, stage="align")),
            stack.enter_context(reading(predictions, stage="validate")),
            stack.enter_context(reading(baseline, stage="train")),
            stack.enter_context(reading(ceiling, stage="brain")),
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


def _score_subject(
    files: Files,
    tests: TestSet,
    subject: str,
    settings: Settings,
    table: MetricTable,
    truth: Truth | None,
) -> tuple[Voxels, list[dict[str, object]]]:
    """Add a subject's rows to the table; return its voxels and its rows per run."""
    valid = dataset(files.study, f"stats/bold/{subject}/valid")[:].astype(bool)
    measured = held_out(files.study, f"runs/{{run}}/bold/{subject}", tests)
    measured = np.where(valid, measured, 0)
    if not np.isfinite(measured).all():
        raise ValidationError(
            f"{files.study.filename}: the test BOLD of {subject} holds values that are not "
            "finite in voxels marked valid: run brain and align again"
        )
    changes = centred(measured, tests.lengths)
    scored: dict[str, Scored] = {}
    run_rows: list[dict[str, object]] = []
    for source, predicted in encoded(files, tests, subject):
        guess = centred(predicted, tests.lengths)
        scored[source] = score_voxels(
            changes, guess, valid, tests, settings, tested=source in TESTED
        )
        x, y = changes[:, valid], guess[:, valid]
        add_encoding_identification(table, source, subject, x, y, tests, settings)
        if source in RUN_SOURCES:
            run_rows += by_run(source, subject, x, y, tests, settings)
    ceiling = _ceiling(files.ceiling, subject, len(valid))
    voxels = Voxels(
        r={name: one.r for name, one in scored.items()},
        draws={name: one.draws for name, one in scored.items()},
        p={name: one.p for name, one in scored.items() if one.p is not None},
        q={name: one.q for name, one in scored.items() if one.q is not None},
        ceiling=np.where(valid, ceiling, np.nan),
        delay_s=_delays(files, subject, valid),
        valid=valid,
    )
    add_voxel_metrics(table, voxels, subject, settings)
    if truth is not None:
        add_truth_metrics(table, voxels, truth, subject, settings)
    return voxels, run_rows


def _delays(files: Files, subject: str, valid: NDArray[np.bool_]) -> dict[str, NDArray[np.float32]]:
    """Time to peak that the network and the baseline found, NaN where a voxel is not valid."""
    shape = (len(valid),)
    model = dataset(files.predictions, "delay_s", shape=shape)[:].astype(np.float32)
    ridge = dataset(files.baseline, f"delay_s/{subject}", shape=shape)[:].astype(np.float32)
    return {"model": np.where(valid, model, np.float32(np.nan)), "ridge": ridge}


def _ceiling(file: h5py.File, subject: str, n_voxels: int) -> NDArray[np.float64]:
    """The estimated ceiling of a subject; NaN where there is none."""
    if f"ceiling/{subject}" not in file:
        return np.full(n_voxels, np.nan)
    return dataset(file, f"ceiling/{subject}", shape=(n_voxels,))[:].astype(float)


def score_voxels(
    measured: NDArray[np.float64],
    predicted: NDArray[np.float64],
    valid: NDArray[np.bool_],
    tests: TestSet,
    settings: Settings,
    *,
    tested: bool,
) -> Scored:
    """Correlation, bootstrap draws, p and q of every voxel.

    Parameters
    ----------
    measured, predicted : arrays of shape (n, V), centred within segments
    valid : array of shape (V,), bool; the others get NaN
    """
    r = np.where(valid, pearson(measured, predicted), np.nan)
    block = tests.blocks(settings.block_trs)
    parts = []
    for start in range(0, len(valid), COLUMNS_AT_ONCE):
        part = slice(start, start + COLUMNS_AT_ONCE)
        # The same blocks in every part, so that the mean over voxels has an interval too.
        rng = np.random.default_rng(settings.seed)
        parts.append(
            bootstrap_correlations(
                measured[:, part], predicted[:, part], block, settings.n_bootstrap, rng
            )
        )
    draws = np.concatenate(parts, axis=1)
    draws[:, ~valid] = np.nan
    if not tested:
        return Scored(r, draws)
    p = np.full(len(valid), np.nan)
    p[valid] = shift_test(
        measured[:, valid],
        predicted[:, valid],
        tests.lengths,
        n_permutations=settings.n_permutations,
        min_shift_trs=tests.trs_of(settings.min_shift_s),
        seed=settings.seed,
    )
    return Scored(r, draws, p, fdr(p))
