"""A comparison as one HTML file, in the report's dress."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import numpy as np
from markupsafe import Markup

from giblet.store import replacing
from giblet.validate.compare.table import Comparison, Row
from giblet.validate.compare.words import SEED_NOTE, changes, signed, summary
from giblet.validate.report.charts import Mark, dot_chart
from giblet.validate.report.figures import KINDS
from giblet.validate.report.score_tables import PlainTable
from giblet.validate.report.templating import FOLDER, environment
from giblet.validate.report.words import (
    BETTER,
    HEADLINES,
    MODALITY_NAMES,
    column_name,
    interval,
    metric,
    number,
)

HERE = Path(__file__).resolve().parent / "templates"
VERDICTS = {
    "better": "B is better",
    "worse": "B is worse",
    "differs": "they differ",
    "level": "no difference beyond the interval",
}


def write_page(found: Comparison, path: str | Path) -> None:
    """Write the comparison as a page that opens without a network."""
    from jinja2 import FileSystemLoader

    jinja = environment()
    jinja.loader = FileSystemLoader([HERE, FOLDER])
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    parts = [
        (MODALITY_NAMES[name], _charts(rows), _table(rows))
        for name in MODALITY_NAMES
        if (rows := [row for row in found.rows if row.modality == name])
    ]
    page = jinja.get_template("compare.html.j2").render(
        style=(FOLDER / "style.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=f"sha256-{digest}",
        found=found,
        summary=summary(found),
        changes=changes(found),
        parts=parts,
        seed_note=SEED_NOTE if found.judged else "",
    )
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _charts(rows: list[Row]) -> list[Markup]:
    """Differences of the headline scores that have intervals."""
    out = []
    for name in HEADLINES[rows[0].modality]:
        mine = [row for row in rows if row.metric == name and np.isfinite(row.interval[0])]
        marks = [
            Mark(
                column_name(row.modality, row.source),
                row.difference,
                *row.interval,
                kind=KINDS.get(row.source, "model"),
            )
            for row in mine
        ]
        if marks:
            about = metric(name)
            unit = f"{about.label}, B minus A ({BETTER.get(about.better, 'neither is better')})"
            title = f"{about.label}, difference B minus A: "
            title += "; ".join(f"{mark.label} {number(mark.value, about.digits)}" for mark in marks)
            out.append(dot_chart(marks, title, unit, about.digits))
    return out


def _table(rows: list[Row]) -> PlainTable:
    body: list[list[tuple[str, object]]] = []
    for row in rows:
        digits = metric(row.metric).digits
        texts = (metric(row.metric).label, column_name(row.modality, row.source))
        verdict = VERDICTS.get(row.verdict, f"not judged: {row.reason}")
        verdict = "the same" if row.same else verdict
        low = row.interval[0]
        body.append(
            [
                *((text, text) for text in texts),
                (number(row.one, digits), row.one),
                (number(row.other, digits), row.other),
                (signed(row.difference, digits), row.difference),
                (interval(*row.interval, digits) or "–", low if np.isfinite(low) else None),
                (verdict, verdict),
            ]
        )
    return PlainTable(["score", "column", "A", "B", "B − A", "95 % of B − A", "verdict"], body)
