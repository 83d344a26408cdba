"""Single networks beside their average, when the study trained several."""

from __future__ import annotations

import numpy as np

from giblet.validate.report.score_tables import PlainTable
from giblet.validate.report.study import Study
from giblet.validate.report.words import (
    MODALITY_NAMES,
    column_name,
    interval,
    metric,
    number,
)
from giblet.validate.sources import OF_NETWORKS, SINGLE


def single_table(study: Study) -> PlainTable | None:
    """Every score of the average, the mean of the networks, and their range; None for one."""
    rows = []
    for modality, scores in study.scores.items():
        for name in scores.metrics:
            for source in OF_NETWORKS:
                together = scores.pooled(name, source)
                apart = scores.pooled(name, f"{source}_{SINGLE}")
                if together is None or apart is None or not np.isfinite(apart.value):
                    continue
                about = metric(name)
                texts = (MODALITY_NAMES[modality], about.label, column_name(modality, source))
                values = (together.value, apart.value)
                rows.append(
                    [
                        *((text, text) for text in texts),
                        *((number(value, about.digits), value) for value in values),
                        (interval(apart.low, apart.high, about.digits), apart.low),
                        (number(apart.n, 0), apart.n),
                    ]
                )
    heads = ["part", "score", "column", "average", "alone", "lowest, highest alone", "networks"]
    return PlainTable(heads, rows) if rows else None
