"""Scores of single test TRs, kept as ``trs.tsv`` beside ``metrics.csv``.

Two runs that scored the same TRs are compared in pairs of them (:mod:`giblet.validate.compare`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from giblet.resampling import Array
from giblet.validate.testset import TestSet

KEYS = ["run", "tr", "source", "subject"]


class TrScores:
    """Rows of a modality's ``trs.tsv``: a TR of a source and subject, a column for each metric."""

    def __init__(self) -> None:
        self._scores: dict[tuple[str, str], tuple[TestSet, dict[str, Array]]] = {}

    def add(self, metric: str, source: str, subject: str, values: Array, tests: TestSet) -> None:
        """Keep a score of every TR of `tests`, shape (n,); NaN where there is none."""
        _, scores = self._scores.setdefault((source, subject), (tests, {}))
        scores[metric] = np.asarray(values, float)

    def frame(self) -> pd.DataFrame:
        """The table, without TRs that have no score at all."""
        parts = []
        for (source, subject), (tests, scores) in self._scores.items():
            keys = (tests.run_name, tests.tr, source, subject)
            part = pd.DataFrame({**dict(zip(KEYS, keys, strict=True)), **scores})
            parts.append(part[part[list(scores)].notna().any(axis=1)])
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=KEYS)
