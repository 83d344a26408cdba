"""Scores of single networks beside those of their average.

With several training seeds the sources ``model``, ``from_bold`` and ``from_predicted`` of a
``metrics.csv`` are those of the average. Below its rows come, over all subjects, those of every
network alone (``model_seed-7``) and their mean (``model_single``), whose interval reaches from
the lowest to the highest of them and whose `n` is their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from giblet.results import read_made_table
from giblet.validate.sources import OF_NETWORKS, SINGLE
from giblet.validate.table import COLUMNS, write_table


def add_singles(metrics: str | Path, singles: Sequence[str | Path]) -> None:
    """Add to a table the scores of single networks.

    Parameters
    ----------
    metrics
        ``metrics.csv`` of the average; rewritten.
    singles
        ``metrics.csv`` of each network, below a folder named by its seed
        (``seed-7/fmri/metrics.csv``); without any the table stays as it is.
    """
    if not singles:
        return
    rows = pd.concat([_of_seed(Path(path)) for path in singles], ignore_index=True)
    if rows.empty:
        return
    means = pd.DataFrame(_means(rows), columns=COLUMNS)
    own = _read(Path(metrics))
    write_table(metrics, pd.concat([own, rows, means], ignore_index=True)[COLUMNS])


def _read(path: Path) -> pd.DataFrame:
    values = ("value", "ci_low", "ci_high")
    texts = [name for name in COLUMNS if name not in values]
    empty = {name: [""] for name in values}
    return read_made_table(path, COLUMNS, texts=texts, keep_default_na=False, na_values=empty)


def _of_seed(path: Path) -> pd.DataFrame:
    """What a network scores over all subjects, its sources named by its seed."""
    table = _read(path)
    kept = table[table["source"].isin(OF_NETWORKS) & (table["subject"] == "")].copy()
    kept["source"] += f"_{path.parents[1].name}"
    return kept


def _means(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Mean of each score over the networks, from its lowest to its highest."""
    kind = rows["source"].str.rpartition("_")[0]
    for (_, source), group in rows.groupby(["metric", kind], sort=False):
        known = group["value"].dropna()
        first = {str(column): cell for column, cell in group.iloc[0].items()}
        yield {
            **first,
            "source": f"{source}_{SINGLE}",
            "value": known.mean(),
            "ci_low": known.min(),
            "ci_high": known.max(),
            "n": len(known),
        }
