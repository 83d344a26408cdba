"""Rows that only a simulated study can have: how much of the planted truth was found."""

from __future__ import annotations

import numpy as np

from giblet.validate.fmri_voxels import Voxels
from giblet.validate.settings import Settings
from giblet.validate.table import MetricTable
from giblet.validate.truth import Truth

JUDGED = ("model", "ridge")


def add_truth_metrics(
    table: MetricTable, voxels: Voxels, truth: Truth, subject: str, settings: Settings
) -> None:
    """Add the share of the true ceiling, the delay's error, and where ridge is better.

    *Below ridge*: share of the responding voxels in which the network's r is smaller than that
    of ridge; *clearly* where the 95 % interval of the difference, over the same blocks, is too.
    """
    responds = voxels.valid & truth.any_response
    n = int(responds.sum())
    below = float((voxels.r["model"] < voxels.r["ridge"])[responds].mean()) if n else float("nan")
    table.add("below_ridge", "share", "model", below, subject=subject, n=n)
    behind = voxels.draws["model"][:, responds] - voxels.draws["ridge"][:, responds]
    if behind.size:
        clearly = float((np.nanpercentile(behind, 97.5, axis=0) < 0).mean())
        table.add("clearly_below_ridge", "share", "model", clearly, subject=subject, n=n)
    ceiling = truth.ceiling[subject]
    for source in JUDGED:
        usable = responds & (ceiling >= settings.min_ceiling)
        share, drawn = float("nan"), np.zeros(0)
        if usable.any():
            share = float(np.median(voxels.r[source][usable] / ceiling[usable]))
            drawn = np.median(voxels.draws[source][:, usable] / ceiling[usable], axis=1)
        table.add(
            "r_over_true_ceiling",
            "share",
            source,
            share,
            subject=subject,
            draws=drawn,
            n=int(usable.sum()),
        )
        error = np.abs(voxels.delay_s[source] - truth.delay_s)[responds]
        error = error[np.isfinite(error)]
        value = float(np.median(error)) if len(error) else float("nan")
        table.add("delay_abs_error_s", "s", source, value, subject=subject, n=len(error))


def add_true_discoveries(
    table: MetricTable, voxels: Voxels, truth: Truth, subject: str, settings: Settings
) -> None:
    """Add false discoveries and power.

    *False discovery fraction*: voxels that respond to nothing among those with q below
    `fdr_q` (0 when none is found). *Power*: found ones among those that respond.
    """
    responds = voxels.valid & truth.any_response
    silent = voxels.valid & ~truth.any_response
    n, n_silent = int(responds.sum()), int(silent.sum())
    for source in JUDGED:
        found = voxels.valid & (np.nan_to_num(voxels.q[source], nan=1.0) < settings.fdr_q)
        n_false, n_found = int((found & silent).sum()), int(found.sum())
        fraction = n_false / max(n_found, 1)
        table.add("false_discovery_fraction", "share", source, fraction, subject=subject, n=n_found)
        table.add("n_false_discoveries", "voxels", source, n_false, subject=subject, n=n_silent)
        power = float((found & responds).sum() / n) if n else float("nan")
        table.add("power", "share", source, power, subject=subject, n=n)
