"""The four-column tables: ceiling, model, floors, chance, each cell with its interval."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from giblet.validate.report.files import records
from giblet.validate.report.study import Study
from giblet.validate.report.verdicts import Scores, Verdict, against_floors
from giblet.validate.report.words import (
    BETTER,
    FLOORS,
    HIGHER,
    LOWER,
    PARTITION,
    PARTS,
    SOURCES,
    SPEECH_METRICS,
    column_name,
    interval,
    metric,
    number,
)

JUDGED = ("model", "from_bold", "from_predicted", "ridge")
ARROWS = {HIGHER: "↑", LOWER: "↓"}


@dataclass(frozen=True)
class Cell:
    """One score in a table; `note` is the number of the reason when it is missing."""

    text: str
    below: str = ""
    verdict: str = ""
    mark: str = ""
    note: int = 0


@dataclass
class ScoreTable:
    """Rows of metrics by columns of sources.

    Attributes
    ----------
    groups
        ``(heading, number of columns)``, the four columns that the sources belong to.
    notes
        Reasons for missing values, numbered from 1.
    """

    columns: list[str]
    groups: list[tuple[str, int]]
    rows: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def score_table(study: Study, modality: str) -> ScoreTable:
    """All metrics of a modality, pooled over subjects."""
    scores = study.scores[modality]
    present = [s for s in SOURCES if any(scores.has(name, s) for name in scores.metrics)]
    table = ScoreTable([column_name(modality, source) for source in present], _groups(present))
    for name in scores.metrics:
        if name in PARTITION:
            continue
        about = metric(name)
        cells = [_cell(study, scores, modality, name, source, table.notes) for source in present]
        table.rows.append(
            {
                "label": about.label,
                "meaning": about.meaning,
                "unit": scores.units[name],
                "arrow": ARROWS.get(about.better, ""),
                "better": BETTER.get(about.better, "neither better nor worse"),
                "cells": cells,
            }
        )
    return table


def _groups(present: list[str]) -> list[tuple[str, int]]:
    sizes = (
        ("Ceiling", ("ceiling",)),
        ("Model", ("model", "from_bold", "from_predicted")),
        ("Linear baseline", ("ridge",)),
        ("Floors", FLOORS),
        ("Chance", ("chance",)),
    )
    counted = ((label, sum(source in present for source in names)) for label, names in sizes)
    return [(label, count) for label, count in counted if count]


def _cell(
    study: Study, scores: Scores, modality: str, name: str, source: str, notes: list[str]
) -> Cell:
    about = metric(name)
    pooled = scores.pooled(name, source)
    if pooled is None or not np.isfinite(pooled.value):
        reason = why_missing(study, scores, modality, name, source)
        if reason not in notes:
            notes.append(reason)
        return Cell("–", note=notes.index(reason) + 1)
    below = interval(pooled.low, pooled.high, about.digits)
    own = scores.of_subjects(name, source)
    if not below and len(own) > 1:
        values = [score.value for score in own.values()]
        below = f"{number(min(values), about.digits)} … {number(max(values), about.digits)}"
    verdict, mark = _verdict(scores, name, source) if source in JUDGED else ("", "")
    return Cell(number(pooled.value, about.digits), below, verdict, mark)


def _verdict(scores: Scores, name: str, source: str) -> tuple[str, str]:
    """How a source stands to all its floors together: words and a mark."""
    verdicts = [comparison.verdict for comparison in against_floors(scores, name, source)]
    if not verdicts:
        return "", ""
    if all(verdict == Verdict.BEATS for verdict in verdicts):
        return "beats every floor", "beats"
    if Verdict.WORSE in verdicts:
        return "worse than a floor", "worse"
    return "does not beat every floor", "level"


def why_missing(study: Study, scores: Scores, modality: str, name: str, source: str) -> str:
    """The reason a score is not there."""
    if modality == "fmri" and source == "ceiling" and not study.has_brain_ceiling:
        return "an inter-subject ceiling needs at least two subjects"
    if not scores.has(name, source) or not scores.of_subjects(name, source):
        if source == "ridge" and modality in ("video", "audio", "text"):
            return "ridge rebuilds summaries only, which have no such score"
        if source == "chance":
            return "chance has no single value for this score"
        if source == "floor_mean" and modality == "fmri":
            return "a constant has no correlation"
        if source == "ceiling":
            return "there is no ceiling for this score"
    if name in SPEECH_METRICS and scores.has(name, source):
        return "no clip that was scored counts as speech"
    if scores.has(name, source):
        return "undefined on these data: a constant or empty series"
    return "does not apply to this column"


@dataclass(frozen=True)
class PlainTable:
    """A sortable table: cells are ``(text, sort key)``."""

    columns: list[str]
    rows: list[list[tuple[str, object]]]


def subject_table(scores: Scores, modality: str) -> PlainTable:
    """Every score that belongs to one subject."""
    rows = []
    for name in scores.metrics:
        about = metric(name)
        for source in SOURCES:
            for who, score in sorted(scores.of_subjects(name, source).items()):
                rows.append(
                    [
                        (about.label, about.label),
                        (column_name(modality, source), column_name(modality, source)),
                        (who, who),
                        _sortable(score.value, about.digits),
                        (interval(score.low, score.high, about.digits) or "–", score.low),
                        _sortable(score.n, 0),
                    ]
                )
    return PlainTable(["score", "column", "subject", "value", "95 % interval", "n"], rows)


def level_table(study: Study, name: str, level: str) -> PlainTable | None:
    """Mean r per region or run: one row per subject, network, ridge and ceiling side by side."""
    table = study.tables.get(name)
    if table is None or table.empty:
        return None
    rows = []
    for key, part in table.groupby([level, "subject"], sort=False):
        place, subject = (str(name) for name in key)
        found = records(part)
        by_source = {row["source"]: row for row in found}
        cells: list[tuple[str, object]] = [(place, place), (subject or "all", subject)]
        for source in ("model", "ridge", "ceiling"):
            row = by_source.get(source)
            if row is None:
                cells += [("–", None), ("–", None)]
            else:
                ends = interval(row["ci_low"], row["ci_high"]) or "–"
                cells += [_sortable(row["value"]), (ends, row["ci_low"])]
        rows.append([*cells, _sortable(found[0]["n"], 0)])
    heads = [f"{head}{end}" for head in ("network", "ridge", "ceiling") for end in ("", " 95 %")]
    return PlainTable([level, "subject", *heads, "n"], rows)


def partition_table(study: Study) -> PlainTable | None:
    """What each modality explains in each region: one row per region and subject."""
    table = study.tables.get("partition")
    if table is None or table.empty:
        return None
    rows = []
    for key, found in table.groupby(["region", "subject"], sort=False):
        region, subject = (str(name) for name in key)
        value = dict(zip(found["part"], found["value"], strict=True))
        cells: list[tuple[str, object]] = [(region, region), (subject, subject)]
        cells += [_sortable(value.get(part, float("nan"))) for part in PARTS]
        rows.append(
            [*cells, _sortable(float(found["value"].sum())), _sortable(found["n"].max(), 0)]
        )
    heads = [metric(part).label for part in PARTS]
    return PlainTable(["region", "subject", *heads, "all together", "voxels"], rows)


def text_region_table(study: Study) -> PlainTable | None:
    """What each region alone knows of the words: one row per region and subject."""
    table = study.tables.get("text_regions")
    if table is None or table.empty:
        return None
    rows: list[list[tuple[str, object]]] = [
        [
            (row["region"], row["region"]),
            (row["subject"] or "all", row["subject"]),
            _sortable(row["pairwise"]),
            (interval(row["ci_low"], row["ci_high"]) or "–", row["ci_low"]),
            _sortable(row["p"], 4),
            _sortable(row["q"], 4),
            _sortable(row["top5"]),
            _sortable(row["median_rank"], 1),
            _sortable(row["n_voxels"], 0),
        ]
        for row in records(table)
    ]
    heads = ["pairwise", "95 % interval", "p", "q", "top 5", "median rank", "voxels"]
    return PlainTable(["region", "subject", *heads], rows)


def said_table(study: Study, n_each: int, seed: int) -> PlainTable | None:
    """Sentences nearest to what single regions say, some moments of each drawn by the seed."""
    table = study.tables.get("said")
    if table is None or table.empty:
        return None
    rows: list[list[tuple[str, object]]] = []
    for region, part in table.groupby("region", sort=False):
        rng = np.random.default_rng(seed)
        drawn = np.sort(rng.choice(len(part), min(n_each, len(part)), replace=False))
        for row in records(part.iloc[drawn]):
            where = f"{row['run']}, {number(row['start_s'], 1)}\u00a0s"
            texts = (str(region), where, row["true_text"] or "–", row["nearest_text"] or "–")
            rows.append([*((text, text) for text in texts), _sortable(row["rank"], 0)])
    return PlainTable(["region", "when", "said in the film", "nearest sentence", "rank"], rows)


def _sortable(value: float, digits: int = 3) -> tuple[str, object]:
    return number(value, digits), float(value) if np.isfinite(value) else None
