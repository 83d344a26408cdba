"""A comparison in words: a table for the terminal, JSON, and the sentences of the page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from giblet.validate.compare.table import Comparison, Row
from giblet.validate.report.score_tables import JUDGED
from giblet.validate.report.words import MODALITY_NAMES, column_name, interval, metric, number

MARKS = {"better": "better", "worse": "worse", "differs": "differs"}
SEED_NOTE = (
    "Intervals are 95 %, over the same blocks of test TRs in both runs. What training again from "
    "another seed would change is not in them: train each run from several seeds (train/seeds) "
    "before you believe a small difference."
)


def summary(found: Comparison) -> list[str]:
    """What a reader needs first: how many differences are beyond their intervals."""
    judged = found.judged
    n_beyond = sum(row.beyond for row in judged)
    out = []
    if found.differs:
        out.append(
            f"These are runs of different studies: {'; '.join(found.differs)}. Values stand side "
            "by side; no difference has an interval."
        )
    elif not judged and all(row.same for row in found.rows):
        out.append("All scores are the same.")
    elif not judged:
        reasons = sorted({row.reason for row in found.rows if row.reason})
        out.append(f"No difference has an interval: {'; '.join(reasons)}.")
    else:
        out.append(
            f"{n_beyond} of {len(judged)} differences are beyond their 95 % interval; if the runs "
            f"were alike, about {len(judged) / 20:.0f} would be by chance."
        )
        without = sum(not row.same and not row.verdict for row in found.rows)
        if without:
            out.append(
                f"{without} further differences have no interval (p values, counts of decisions, "
                "or scores of single items that are not kept or not the same)."
            )
    for name, missing in ((found.other.name, found.only_one), (found.one.name, found.only_other)):
        if missing:
            out.append(f"{name} has no {', '.join(missing).lower()}.")
    return out


def changes(found: Comparison) -> list[str]:
    """What was changed between the runs, one line each."""
    out = []
    if found.settings is None:
        out.append("configuration: a run has left no record of its own (its report's stamp)")
    else:
        out += [f"{one.what}: {one.one} -> {one.other}" for one in found.settings]
        if not found.settings:
            out.append("configuration: the same")
    if found.code:
        out.append(f"code of: {', '.join(found.code)}")
    out += [f"{one.what} {one.one} -> {one.other}" for one in found.versions]
    return out


def shown_rows(found: Comparison, every: bool) -> list[Row]:
    """Rows of a short table: headlines of what is judged, and what differs beyond its interval."""
    return [
        row for row in found.rows if every or row.beyond or (row.headline and row.source in JUDGED)
    ]


def as_text(found: Comparison, every: bool = False) -> str:
    """The comparison for a terminal."""
    lines = [f"A  {found.one.folder}", f"B  {found.other.folder}", ""]
    lines += ["Changed from A to B:", *(f"  {line}" for line in changes(found)), ""]
    lines += [*summary(found), ""]
    rows = shown_rows(found, every)
    for modality in dict.fromkeys(row.modality for row in rows):
        head = (MODALITY_NAMES[modality], "column", "A", "B", "B - A", "95 %", "B is")
        lines += [*_columns([head, *(_cells(r) for r in rows if r.modality == modality)]), ""]
    if len(rows) < len(found.rows):
        lines.append(f"{len(found.rows) - len(rows)} more scores: add --all.")
    if found.judged:
        lines.append(SEED_NOTE)
    return "\n".join(lines).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    digits = metric(row.metric).digits
    return (
        metric(row.metric).label,
        column_name(row.modality, row.source),
        number(row.one, digits),
        number(row.other, digits),
        signed(row.difference, digits),
        interval(*row.interval, digits) or "–",
        MARKS.get(row.verdict, "the same" if row.same else ""),
    )


def signed(value: float, digits: int) -> str:
    """A difference with its sign."""
    text = number(value, digits)
    return f"+{text}" if value > 0 and float(number(abs(value), digits).replace(",", "")) else text


def _columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Rows of text with their columns aligned, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if at in (0, 1, 6) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def as_json(found: Comparison) -> str:
    """The comparison for a program; values that are not known are null."""
    rows = [
        {
            "modality": row.modality, "metric": row.metric, "unit": row.unit, "source": row.source,
            "a": row.one, "b": row.other, "difference": row.difference,
            "ci_low": _known(row.interval[0]), "ci_high": _known(row.interval[1]),
            "beyond": row.beyond, "b_is": row.verdict or None,
            "no_interval_because": row.reason or None,
        }
        for row in found.rows
    ]  # fmt: skip
    page = {
        "a": str(found.one.folder),
        "b": str(found.other.folder),
        "different_studies": found.differs,
        "settings": None
        if found.settings is None
        else [{"key": one.what, "a": one.one, "b": one.other} for one in found.settings],
        "code": found.code,
        "versions": [{"library": v.what, "a": v.one, "b": v.other} for v in found.versions],
        "scores": rows,
    }
    return json.dumps(page, indent=1, ensure_ascii=False)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
