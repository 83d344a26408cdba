"""Rows of the fMRI tables, from voxelwise scores."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.resampling import Array, around, bootstrap_correlations, percentile_interval
from giblet.validate.fmri_voxels import Voxels
from giblet.validate.settings import Settings
from giblet.validate.statistics import fdr, pearson
from giblet.validate.table import MetricTable, mean_draws
from giblet.validate.testset import TestSet
from giblet.validate.truth import Truth

RUN_SOURCES = ("model", "ridge")
# Region and source -> of each subject the mean over resampled blocks.
RegionDraws = dict[tuple[str, str], list[Array]]


def add_voxel_metrics(table: MetricTable, voxels: Voxels, subject: str, settings: Settings) -> None:
    """Add means and medians over voxels, and shares of the ceiling."""
    valid = voxels.valid
    n = int(valid.sum())
    for source, r in voxels.r.items():
        draws = voxels.draws[source][:, valid]
        for name, over in (("r_mean", np.mean), ("r_median", np.median)):
            drawn = over(draws, axis=1) if n else np.zeros(0)
            value = float(over(r[valid])) if n else float("nan")
            table.add(name, "r", source, value, subject=subject, draws=drawn, n=n)
        _add_normalised(table, voxels, source, subject, settings)
    known = np.isfinite(voxels.ceiling)
    if known.any():
        for name, over in (("r_mean", np.mean), ("r_median", np.median)):
            value = float(over(voxels.ceiling[known]))
            drawn = over(voxels.ceiling_draws[:, known].astype(np.float32), axis=1)
            drawn, n_known = around(value, drawn), int(known.sum())
            table.add(name, "r", "ceiling", value, subject=subject, draws=drawn, n=n_known)
    for name in ("r_mean", "r_median"):
        table.add(name, "r", "chance", 0.0, subject=subject, n=n)
    usable = valid & (np.nan_to_num(voxels.ceiling) >= settings.min_ceiling)
    share = 0.0 if usable.any() else float("nan")
    n_usable = int(usable.sum())
    table.add("r_normalised_median", "share", "chance", share, subject=subject, n=n_usable)


def add_discoveries(table: MetricTable, voxels: Voxels, subject: str, settings: Settings) -> None:
    """Add the share of voxels that pass the false discovery rate."""
    n = int(voxels.valid.sum())
    for source, q in voxels.q.items():
        share = float((q[voxels.valid] < settings.fdr_q).mean()) if n else float("nan")
        table.add("share_significant", "share", source, share, subject=subject, n=n)
    table.add("share_significant", "share", "floor_mean", 0.0, subject=subject, n=n)


def _add_normalised(
    table: MetricTable, voxels: Voxels, source: str, subject: str, settings: Settings
) -> None:
    """Median share of the ceiling, and in how many voxels it is above 1."""
    usable = voxels.valid & (np.nan_to_num(voxels.ceiling) >= settings.min_ceiling)
    n = int(usable.sum())
    if not n:
        table.add("r_normalised_median", "share", source, np.nan, subject=subject, n=0)
        return
    ceiling = voxels.ceiling[usable]
    draws = voxels.draws[source][:, usable]
    draws /= ceiling.astype(np.float32)
    table.add(
        "r_normalised_median",
        "share",
        source,
        float(np.median(voxels.r[source][usable] / ceiling)),
        subject=subject,
        draws=np.median(draws, axis=1),
        n=n,
    )
    above = float((voxels.r[source][usable] > ceiling).sum())
    table.add("n_above_ceiling", "voxels", source, above, subject=subject, n=n)


def by_run(
    source: str,
    subject: str,
    measured: NDArray[np.float64],
    predicted: NDArray[np.float64],
    tests: TestSet,
    settings: Settings,
) -> Iterator[dict[str, object]]:
    """Rows of ``by_run.csv``: mean correlation over voxels in each run's test TRs."""
    block = tests.blocks(settings.block_trs)
    for place, run in enumerate(tests.runs):
        here = tests.run_number == place
        x, y = measured[here], predicted[here]
        rng = np.random.default_rng(settings.seed)
        draws = bootstrap_correlations(x, y, block[here], settings.n_bootstrap, rng)
        low, high = percentile_interval(draws.mean(1))
        yield {
            "run": run,
            "source": source,
            "subject": subject,
            "value": float(pearson(x, y).mean()),
            "ci_low": low,
            "ci_high": high,
            "n": int(here.sum()),
        }


def by_region(
    study: h5py.File, voxels: Voxels, truth: Truth | None, subject: str, draws: RegionDraws
) -> Iterator[dict[str, object]]:
    """Rows of ``by_region.csv``: mean correlation over the voxels of each region.

    Parameters
    ----------
    draws : takes the means over resampled blocks, for the rows over all subjects
    """
    for name, inside in regions(study, truth).items():
        here = inside & voxels.valid
        if not here.any():
            continue
        for source in RUN_SOURCES:
            drawn = voxels.draws[source][:, here].mean(1)
            draws.setdefault((name, source), []).append(drawn)
            value = float(voxels.r[source][here].mean())
            p = voxels.region_p[source][name]
            yield _region_row(name, source, subject, value, drawn, int(here.sum()), p)
        known = here & np.isfinite(voxels.ceiling)
        if known.any():
            value = float(voxels.ceiling[known].mean())
            drawn = around(value, voxels.ceiling_draws[:, known].mean(1, dtype=np.float32))
            draws.setdefault((name, "ceiling"), []).append(drawn)
            yield _region_row(name, "ceiling", subject, value, drawn, int(known.sum()))


def over_subjects(
    rows: Sequence[dict[str, object]], draws: RegionDraws
) -> Iterator[dict[str, object]]:
    """For every region and source the mean over subjects, its `subject` empty.

    The same blocks are drawn for all subjects, so the interval is that of their mean. A region
    is tested within subjects only: p and q stay empty.
    """
    for (region, source), drawn in draws.items():
        mine = [row for row in rows if (row["region"], row["source"]) == (region, source)]
        value = float(np.mean([row["value"] for row in mine]))  # type: ignore[arg-type]
        n = sum(int(row["n"]) for row in mine)  # type: ignore[call-overload]
        yield {**_region_row(region, source, "", value, mean_draws(drawn), n), "q": np.nan}


def _region_row(
    region: str,
    source: str,
    subject: str,
    value: float,
    draws: Array,
    n: int,
    p: float = np.nan,
) -> dict[str, object]:
    low, high = percentile_interval(draws)
    return {
        "region": region,
        "source": source,
        "subject": subject,
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "n": n,
        "p": p,
    }


def with_region_q(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """The rows with a column ``q``: Benjamini-Hochberg over a source's regions and subjects."""
    out = [{**row, "q": float("nan")} for row in rows]
    for source in RUN_SOURCES:
        mine = [row for row in out if row["source"] == source]
        q = fdr(np.array([row["p"] for row in mine], float))
        for row, value in zip(mine, q, strict=True):
            row["q"] = float(value)
    return out


def regions(study: h5py.File, truth: Truth | None) -> dict[str, NDArray[np.bool_]]:
    """Regions by name: the simulation's, the atlas's, the study's parcels, or all voxels."""
    if truth is not None:
        return {name: truth.region == k for k, name in enumerate(truth.region_names)}
    geometry = study["geometry"]
    if "region" in geometry:
        names = json.loads(geometry.attrs["region_names"])
        region = geometry["region"][:]
        return {name: region == int(label) for label, name in names.items()}
    if "labels" in geometry:
        labels = geometry["labels"].asstr()[:]
        return {str(name): labels == name for name in dict.fromkeys(labels)}
    return {"all": np.ones(len(geometry["ijk"]), bool)}
