"""The page's charts, drawn from the study's tables."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from giblet.validate.report.charts import Curve, Mark, curve_panel, dot_chart, histogram
from giblet.validate.report.study import Study
from giblet.validate.report.words import (
    BETTER,
    FLOORS,
    HEADLINES,
    SOURCES,
    column_name,
    metric,
)

KINDS = {"ridge": "ridge", "ceiling": "ceiling", "chance": "floor"}
KINDS.update(dict.fromkeys(FLOORS, "floor"))
MANY_SUBJECTS = 8
LOSSES = (
    ("loss", "All losses together"),
    ("brain", "Brain"),
    ("video", "Picture"),
    ("audio", "Sound"),
    ("text", "Words"),
)


def headline_charts(study: Study, modality: str) -> list[Markup]:
    """Dots with intervals for each source, one chart per headline metric that has a score."""
    charts = []
    for name in HEADLINES[modality]:
        marks = [
            mark for source in SOURCES if (mark := _mark(study, modality, name, source)) is not None
        ]
        if marks:
            about = metric(name)
            title = f"{about.label}: " + "; ".join(f"{m.label} {m.value:.3f}" for m in marks)
            direction = BETTER.get(about.better, "")
            unit = study.scores[modality].units[name]
            named = about.label if unit in ("1", "r", about.label) else f"{about.label} ({unit})"
            charts.append(dot_chart(marks, title, f"{named}, {direction}", about.digits))
    return charts


def _mark(study: Study, modality: str, name: str, source: str) -> Mark | None:
    scores = study.scores[modality]
    pooled = scores.pooled(name, source)
    if pooled is None or not np.isfinite(pooled.value):
        return None
    own = list(scores.of_subjects(name, source).values())
    subjects = tuple(
        (s.value, *((s.low, s.high) if len(own) <= MANY_SUBJECTS else (np.nan, np.nan)))
        for s in own
    )
    kind = KINDS.get(source, "model")
    return Mark(
        column_name(modality, source),
        pooled.value,
        pooled.low,
        pooled.high,
        subjects if len(own) > 1 else (),
        kind,
    )


def region_chart(study: Study) -> Markup | None:
    """Mean r per region: network, ridge and ceiling, mean over subjects."""
    table = study.tables.get("regions")
    if table is None or table.empty:
        return None
    marks = []
    for region, part in table[table["subject"] != ""].groupby("region", sort=False):
        for source in ("ceiling", "model", "ridge"):
            rows = part[part["source"] == source]
            if rows["value"].notna().any():
                label = f"{region}: {column_name('fmri', source).lower()}"
                one = rows.iloc[0]
                alone = len(rows) == 1
                subjects = tuple(zip(rows["value"], rows["ci_low"], rows["ci_high"], strict=True))
                marks.append(
                    Mark(
                        label,
                        float(rows["value"].mean()),
                        float(one["ci_low"]) if alone else np.nan,
                        float(one["ci_high"]) if alone else np.nan,
                        () if alone else subjects,
                        KINDS.get(source, "model"),
                    )
                )
    # More regions than fit on a page are in the table below.
    if not marks or len(marks) > 60:
        return None
    return dot_chart(marks, "mean r per region", "mean r over the region's voxels")


def voxel_histograms(study: Study) -> list[tuple[str, Markup]]:
    """Distributions of the voxels' r with a caption; apart for null voxels when simulated."""
    voxels = study.voxels
    if voxels is None or not voxels.of_subject:
        return []
    pairs = [("network", "r", "model"), ("ridge", "r_ridge", "ridge")]
    series = [(label, voxels.mean(name), kind) for label, name, kind in pairs]
    out = [
        (
            "All voxels, mean over subjects.",
            histogram(series, "distribution of r over voxels", "Pearson r"),
        )
    ]
    if voxels.responds is not None:
        responding = voxels.responds.any(axis=1)
        planted = [
            (f"{label}, {what}", values[chosen], f"{kind}{faint}")
            for label, values, kind in series
            for what, chosen, faint in (
                ("responding", responding, ""),
                ("null", ~responding, " dashed"),
            )
        ]
        caption = "The same, apart for voxels that respond to the film and those that do not."
        out.append((caption, histogram(planted, "r of responding and null voxels", "Pearson r")))
    return out


def loss_charts(study: Study) -> list[Markup]:
    """One panel per loss: train and validation, as a share of the constant predictor's."""
    history = study.history
    if history is None:
        return []
    charts = []
    for name, title in LOSSES:
        if name not in history or not history[name].notna().any():
            continue
        curves = [
            Curve(split, part["step"].to_numpy(float), part[name].to_numpy(float), kind)
            for split, kind in (("train", "quiet"), ("val", "model"))
            if len(part := history[(history["split"] == split) & history[name].notna()])
        ]
        if curves:
            reference = (1.0, "constant predictor")
            charts.append(curve_panel(curves, title, "step", reference))
    return charts
