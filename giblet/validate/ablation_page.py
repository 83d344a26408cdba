"""Cells and tables in Markdown, alike on the pages of all ablations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def spread(per_seed: NDArray[np.floating[Any]]) -> float:
    """Standard deviation over seeds; NaN of a single one."""
    return float(per_seed.std(ddof=1)) if len(per_seed) > 1 else float("nan")


def value_cell(row: Any, scale: float = 1) -> str:
    """``value [low, high] ± seeds`` of a row with these columns, times `scale`; a dash for None."""
    if row is None or np.isnan(row["value"]):
        return "–"
    digits = 3 if scale == 1 else 2
    value, low, high, over_seeds = (
        f"{scale * row[name]:.{digits}f}" for name in ("value", "ci_low", "ci_high", "seed_sd")
    )
    between = "" if np.isnan(row["ci_low"]) else f" [{low}, {high}]"
    return f"{value}{between}" + ("" if np.isnan(row["seed_sd"]) else f" ± {over_seeds}")


def difference_cell(row: Any) -> str:
    """``difference [low, high]``; nothing where there is none."""
    if row is None or np.isnan(row["difference"]):
        return ""
    if np.isnan(row["difference_low"]):
        return f"{row['difference']:+.3f}"
    low, high = row["difference_low"], row["difference_high"]
    return f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]
