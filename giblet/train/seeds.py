"""What networks of several seeds have in common: one history, one set of figures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from giblet.errors import StoreError
from giblet.results import MEND, read_made_json, read_made_table
from giblet.store import replacing

FIGURES = ("best_step", "steps", "val_loss", "seconds", "trs_per_s")


def summarise(
    histories: Sequence[str | Path],
    metrics: Sequence[str | Path],
    *,
    history: str | Path,
    figures: str | Path,
    table: str | Path,
    seeds: Sequence[int],
) -> None:
    """Write the mean history and figures of all seeds, and a row of figures for each.

    Parameters
    ----------
    histories, metrics
        ``history.csv`` and ``metrics.json`` of each seed, in the order of `seeds`.
    history, figures, table
        Files to write: the mean history (CSV), the mean figures (JSON), a row a seed (CSV).
    """
    found = [_figures(path) for path in metrics]
    with replacing(history) as partial:
        columns = ("step", "split", "epoch")
        read = [read_made_table(path, columns, texts=("split",)) for path in histories]
        mean_history(read).to_csv(partial, index=False)
    with replacing(figures) as partial:
        partial.write_text(json.dumps({"seeds": list(seeds), **mean_figures(found)}, indent=1))
    rows = [
        {"seed": seed, **{name: one[name] for name in FIGURES}, **_validation(one)}
        for seed, one in zip(seeds, found, strict=True)
    ]
    with replacing(table) as partial:
        pd.DataFrame(rows).to_csv(partial, index=False, float_format="%.6g")


def _figures(path: str | Path) -> dict[str, Any]:
    """Figures of one seed, checked to be such."""
    found = read_made_json(path, (*FIGURES, "val"))
    kinds = {**dict.fromkeys(FIGURES, int | float | None), "val": Mapping}
    for name, kind in kinds.items():
        if not isinstance(found[name], kind):
            raise StoreError(f"{path}: {name} is {found[name]!r}, which no training writes: {MEND}")
    return found


def mean_history(histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean over seeds of every step and split; steps that a seed stopped before leave it out."""
    together = pd.concat(histories, ignore_index=True)
    mean = together.groupby(["step", "split"], sort=False, as_index=False).mean()
    mean["epoch"] = mean["epoch"].round().astype(int)
    return mean.sort_values("step", kind="stable")[list(together.columns)]


def mean_figures(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean of every number, at whatever depth; what differs and is no number is left out."""
    out: dict[str, Any] = {}
    for name in found[0]:
        values = [one[name] for one in found if name in one]
        if all(value == values[0] for value in values):
            out[name] = values[0]
        elif all(isinstance(value, Mapping) for value in values):
            out[name] = mean_figures(values)
        elif all(isinstance(value, int | float) for value in values):
            out[name] = sum(map(_as_float, values)) / len(values)
    return out


def _as_float(value: float) -> float:
    """A number of JSON, whose whole numbers have no end."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _validation(figures: Mapping[str, Any]) -> dict[str, float]:
    """The validation losses of one seed, each in a column of its own."""
    return {f"val_{k}": v for k, v in figures["val"].items() if isinstance(v, float)}
