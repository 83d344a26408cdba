"""Encoding scores: how well the BOLD of held-out TRs is predicted, voxel by voxel.

Sources: ``model`` (the network), ``ridge`` (the linear baseline), and the floors: ``floor_mean``
(the training mean, 0 after z-scoring), ``floor_shifted`` (the network's own prediction, half a
test segment late), ``floor_nearest`` (BOLD of the training TR with the nearest stimulus).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.resampling import bootstrap_correlations
from giblet.store import dataset
from giblet.validate.fmri_inputs import (
    Files,
    ceiling_draws_of,
    ceiling_of,
    encoded,
    measured_bold,
    opened,
)
from giblet.validate.fmri_tables import (
    RUN_SOURCES,
    RegionDraws,
    add_discoveries,
    add_voxel_metrics,
    by_region,
    by_run,
    over_subjects,
    regions,
    with_region_q,
)
from giblet.validate.fmri_truth import add_true_discoveries, add_truth_metrics
from giblet.validate.fmri_voxels import Voxels, write_voxels
from giblet.validate.items import Scorer
from giblet.validate.partition import Partition, partition_rows, partition_subject
from giblet.validate.partition_tables import add_partition
from giblet.validate.permutation import ShiftNull
from giblet.validate.predictions import check_predictions
from giblet.validate.settings import Settings
from giblet.validate.statistics import centred, fdr, fdr_over_subjects, pearson
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
    region_p : region -> p of the mean over its voxels
    """

    r: NDArray[np.float64]
    draws: NDArray[np.float32]
    p: NDArray[np.float64] | None = None
    q: NDArray[np.float64] | None = None
    region_p: dict[str, float] = field(default_factory=dict)


def score_fmri(
    study: str | Path,
    predictions: str | Path,
    baseline: str | Path,
    ceiling: str | Path,
    partition: str | Path,
    regressors: Sequence[str | Path],
    truth: Sequence[str | Path],
    *,
    metrics: str | Path,
    trs: str | Path,
    voxels: str | Path,
    region_table: str | Path,
    run_table: str | Path,
    partition_table: str | Path,
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
    partition : ``train/ridge/partition.h5``
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
    region_rows: list[dict[str, object]] = []
    region_draws: RegionDraws = {}
    run_rows: list[dict[str, object]] = []
    found: dict[str, Voxels] = {}
    partitions: dict[str, Partition] = {}
    part_rows: list[dict[str, object]] = []
    with opened(study, predictions, baseline, ceiling, partition, regressors) as files:
        tests = load_test_set(files.study)
        check_predictions(files.predictions, tests)
        planted = load_truth(truth[0], files.study, tests.subjects) if truth else None
        scorer = Scorer(table, settings, chance_per_subject=True)
        for subject in tests.subjects:
            own = tests.of_runs(runs_of(files.study, subject))
            if not own.runs:
                print(f"{subject}: no test TRs, not scored")
                continue
            voxel, parts, rows = _score_subject(files, own, subject, scorer, planted)
            region_rows += by_region(files.study, voxel, planted, subject, region_draws)
            # The bootstrap draws are by far the largest part and have served their purpose.
            found[subject] = replace(voxel, draws={}, ceiling_draws=voxel.ceiling_draws[:0].copy())
            # Or the next subject's would be made beside them.
            del voxel
            run_rows += rows
            partitions[subject] = parts
        if not found:
            raise ValidationError(
                f"{study}: no subject was scanned in a run with test TRs "
                f"({', '.join(tests.runs)}): change the split column of the runs table"
            )
        found = with_q_over_subjects(found)
        for subject, voxel in found.items():
            add_discoveries(table, voxel, subject, settings)
            if planted is not None:
                add_true_discoveries(table, voxel, planted, subject, settings)
            add_partition(table, partitions[subject], voxel.q["ridge"], planted, subject, settings)
            part_rows += partition_rows(partitions[subject], subject)
        scorer.add_pooled()
        write_voxels(voxels, files.study, found, planted, settings)
    table.write(metrics)
    table.write_trs(trs)
    region_rows = with_region_q(region_rows)
    write_table(region_table, [*region_rows, *over_subjects(region_rows, region_draws)])
    write_table(run_table, run_rows)
    write_table(partition_table, part_rows)


def _score_subject(
    files: Files,
    tests: TestSet,
    subject: str,
    scorer: Scorer,
    truth: Truth | None,
) -> tuple[Voxels, Partition, list[dict[str, object]]]:
    """Add a subject's rows to the table; return its voxels, parts and rows per run."""
    table, settings = scorer.table, scorer.settings
    valid, changes = measured_bold(files, tests, subject)
    named = regions(files.study, truth)
    scored: dict[str, Scored] = {}
    run_rows: list[dict[str, object]] = []
    for source, predicted in encoded(files, tests, subject):
        guess = centred(predicted, tests.lengths)
        scored[source] = score_voxels(
            changes, guess, valid, tests, settings, named, tested=source in TESTED
        )
        x, y = changes[:, valid], guess[:, valid]
        scorer.identify(source, subject, y, x, tests)
        if source in RUN_SOURCES:
            run_rows += by_run(source, subject, x, y, tests, settings)
    parts = partition_subject(
        files.partition,
        tests,
        subject,
        changes,
        held_out(files.baseline, f"bold/{subject}/{{run}}", tests),
        named,
        valid,
        settings,
    )
    ceiling = ceiling_of(files.ceiling, subject, len(valid))
    voxels = Voxels(
        r={name: one.r for name, one in scored.items()},
        draws={name: one.draws for name, one in scored.items()},
        p={name: one.p for name, one in scored.items() if one.p is not None},
        q={name: one.q for name, one in scored.items() if one.q is not None},
        ceiling=np.where(valid, ceiling, np.nan),
        ceiling_draws=ceiling_draws_of(files.ceiling, subject, len(valid)),
        delay_s=_delays(files, subject, valid),
        valid=valid,
        explained=parts.explained,
        parts=parts.parts,
        region_p={name: one.region_p for name, one in scored.items()},
    )
    add_voxel_metrics(table, voxels, subject, settings)
    if truth is not None:
        add_truth_metrics(table, voxels, truth, subject, settings)
    return voxels, parts, run_rows


def _delays(files: Files, subject: str, valid: NDArray[np.bool_]) -> dict[str, NDArray[np.float32]]:
    """Time to peak that the network and the baseline found, NaN where a voxel is not valid."""
    shape = (len(valid),)
    model = dataset(files.predictions, "delay_s", shape=shape)[:].astype(np.float32)
    ridge = dataset(files.baseline, f"delay_s/{subject}", shape=shape)[:].astype(np.float32)
    return {"model": np.where(valid, model, np.float32(np.nan)), "ridge": ridge}


def with_q_over_subjects(found: dict[str, Voxels]) -> dict[str, Voxels]:
    """The voxels of all subjects with q values that count them all, source by source."""
    sources = next(iter(found.values())).q
    by_source = {
        source: fdr_over_subjects([voxels.q[source] for voxels in found.values()])
        for source in sources
    }
    return {
        subject: replace(voxels, q={source: by_source[source][place] for source in sources})
        for place, (subject, voxels) in enumerate(found.items())
    }


def score_voxels(
    measured: NDArray[np.float64],
    predicted: NDArray[np.float64],
    valid: NDArray[np.bool_],
    tests: TestSet,
    settings: Settings,
    regions: Mapping[str, NDArray[np.bool_]],
    *,
    tested: bool,
) -> Scored:
    """Correlation, bootstrap draws, p and q of every voxel.

    Parameters
    ----------
    measured, predicted : arrays of shape (n, V), centred within segments
    valid : array of shape (V,), bool; the others get NaN
    regions : region -> array of shape (V,), bool; each is tested as a whole too
    """
    r = np.where(valid, pearson(measured, predicted), np.nan)
    block = tests.blocks(settings.block_trs)
    n_draws = settings.n_bootstrap if len(np.unique(block)) > 1 else 0
    draws = np.full((n_draws, len(valid)), np.nan, np.float32)
    for start in range(0, len(valid), COLUMNS_AT_ONCE):
        part = slice(start, start + COLUMNS_AT_ONCE)
        # The same blocks in every part, so that the mean over voxels has an interval too.
        rng = np.random.default_rng(settings.seed)
        draws[:, part] = bootstrap_correlations(
            measured[:, part],
            predicted[:, part],
            block,
            settings.n_bootstrap,
            rng,
            n_blocks=tests.n_blocks(settings.block_trs),
        )
    draws[:, ~valid] = np.nan
    if not tested:
        return Scored(r, draws)
    p = np.full(len(valid), np.nan)
    groups = np.stack([inside[valid] for inside in regions.values()])
    null = ShiftNull(
        tests.lengths,
        settings.n_permutations,
        tests.trs_of(settings.min_shift_s),
        settings.seed,
        groups,
    )
    null.add(measured[:, valid], predicted[:, valid])
    p[valid] = np.nan_to_num(null.p_values(), nan=1.0)
    region_p = dict(zip(regions, null.group_p_values().tolist(), strict=True))
    return Scored(r, draws, p, fdr(p), region_p)
