"""Sentences shown as examples: random ones that nobody chose, and best, median and worst."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from giblet.validate.report.files import records
from giblet.validate.report.media_plan import KIND_MEANING, KINDS
from giblet.validate.report.study import Study
from giblet.validate.report.words import COLUMN_NAMES, number

Row: TypeAlias = dict[str, Any]
SOURCES = ("from_bold", "model", "from_predicted", "ridge")


@dataclass(frozen=True)
class Retrieved:
    """A sentence that a source retrieved and the rank of the true one."""

    text: str
    rank: str
    rank_key: float


@dataclass(frozen=True)
class Sentence:
    """One test TR: what was said and what each source retrieved."""

    kind: str
    where: str
    true_text: str
    answers: list[Retrieved]


@dataclass(frozen=True)
class Sentences:
    """Examples with the headings of their answer columns."""

    columns: list[str]
    rows: list[Sentence]
    ranked_by: str
    n_candidates: str
    meanings: dict[str, str]


def sentences(study: Study, n_each: int, seed: int) -> Sentences | None:
    """Choose examples by the rank that the first source of `SOURCES` gave the true sentence.

    Parameters
    ----------
    n_each
        Examples per kind.
    seed
        Of the random ones.
    """
    table = study.tables.get("sentences")
    if table is None or table.empty:
        return None
    table = _of_one_subject(table, study.shown_subject)
    present = [source for source in SOURCES if (table["source"] == source).any()]
    by_source = {source: _by_time(table[table["source"] == source]) for source in present}
    ranked = sorted(by_source[present[0]].values(), key=lambda row: float(row["rank"]))
    chosen = _choose(len(ranked), n_each, seed)
    rows = [
        _sentence(kind, ranked[at], list(by_source.values()))
        for kind in KINDS
        for at in chosen[kind]
    ]
    candidates = [row["n_candidates"] for row in ranked]
    low, high = number(min(candidates), 0), number(max(candidates), 0)
    return Sentences(
        columns=[COLUMN_NAMES[source] for source in present],
        rows=rows,
        ranked_by=COLUMN_NAMES[present[0]],
        n_candidates=low if low == high else f"{low} to {high}",
        meanings=KIND_MEANING,
    )


def _by_time(table: pd.DataFrame) -> dict[tuple[str, float], Row]:
    return {(row["run"], row["tr"]): row for row in records(table)}


def _of_one_subject(table: pd.DataFrame, subject: str) -> pd.DataFrame:
    named = [who for who in table["subject"] if who]
    if subject not in named and named:
        subject = named[0]
    return table[table["subject"].isin(["", subject])]


def _choose(n: int, n_each: int, seed: int) -> dict[str, list[int]]:
    """Positions in the list sorted from best to worst, for each kind."""
    n_each = min(n_each, n)
    middle = (n - n_each) // 2
    drawn = np.random.default_rng(seed).choice(n, n_each, replace=False)
    return {
        "random": sorted(int(at) for at in drawn),
        "best": list(range(n_each)),
        "median": list(range(middle, middle + n_each)),
        "worst": list(range(n - n_each, n)),
    }


def _sentence(kind: str, shown: Row, sources: list[dict[tuple[str, float], Row]]) -> Sentence:
    answers = []
    for found in sources:
        row = found.get((shown["run"], shown["tr"]))
        if row is None:
            answers.append(Retrieved("–", "–", np.nan))
        else:
            answers.append(Retrieved(row["retrieved_text"], number(row["rank"], 0), row["rank"]))
    where = f"{shown['run']}, TR {shown['tr']:.0f} ({number(shown['start_s'], 1)}\u00a0s)"
    return Sentence(kind, where, shown["true_text"], answers)
