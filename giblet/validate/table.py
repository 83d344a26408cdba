"""The long table of metrics that every modality writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.resampling import Array, percentile_interval
from giblet.results import separator_of, without_formulas
from giblet.store import replacing
from giblet.validate.identification import Identified, chance
from giblet.validate.statistics import bootstrap_interval, bootstrap_mean_interval
from giblet.validate.testset import TestSet
from giblet.validate.tr_scores import TrScores

COLUMNS = [
    "modality",
    "metric",
    "unit",
    "source",
    "split",
    "subject",
    "value",
    "ci_low",
    "ci_high",
    "n",
]
SOURCES = (
    "ceiling",
    "model",
    "from_bold",
    "from_predicted",
    "ridge",
    "floor_mean",
    "floor_shifted",
    "floor_nearest",
    "chance",
)
Key = tuple[str, str]
# Score of an identification -> unit and statistic over items.
IDENTIFIED: dict[str, tuple[str, Callable[..., Any]]] = {
    "top1": ("share", np.mean),
    "top5": ("share", np.mean),
    "pairwise": ("share", np.mean),
    "rank": ("rank", np.median),
}


@dataclass
class MetricTable:
    """Rows of one modality's ``metrics.csv``.

    Attributes
    ----------
    modality : fmri, audio, video or text
    n_bootstrap : draws behind each interval
    seed : of the bootstrap
    """

    modality: str
    n_bootstrap: int
    seed: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    _trs: TrScores = field(init=False, default_factory=TrScores)
    # Of every metric and source: each subject's draws, or its items, their blocks and statistic.
    _draws: dict[Key, list[Array]] = field(init=False, default_factory=dict)
    _items: dict[Key, list[tuple[Array, NDArray[np.int64], Any]]] = field(
        init=False, default_factory=dict
    )

    def add(
        self,
        metric: str,
        unit: str,
        source: str,
        value: float,
        *,
        subject: str = "",
        interval: tuple[float, float] = (np.nan, np.nan),
        draws: Array | None = None,
        n: int = 0,
    ) -> None:
        """Add one row.

        Parameters
        ----------
        draws
            The value over resampled blocks, shape (n_bootstrap,), which the interval is then
            taken from; that of the row over all subjects too, if their blocks are the same.
        """
        if draws is not None:
            interval = percentile_interval(draws)
            self._draws.setdefault((metric, source), []).append(draws)
        if source not in SOURCES:
            raise ValidationError(f"source {source!r} is not one of {', '.join(SOURCES)}")
        row = (self.modality, metric, unit, source, "test", subject, value, *interval, n)
        self.rows.append(dict(zip(COLUMNS, row, strict=True)))

    def add_items(
        self,
        metric: str,
        unit: str,
        source: str,
        values: Array,
        block: NDArray[np.int64],
        *,
        subject: str = "",
        statistic: Any = np.mean,
        tests: TestSet | None = None,
    ) -> None:
        """Add a statistic of per-item values with its block bootstrap interval.

        Items that could not be scored are NaN and do not count in `n`. Blocks are numbered
        alike for all subjects, so that the row over all of them has an interval too.

        Parameters
        ----------
        tests : the TRs that the items are; their scores are then kept for ``trs.tsv``
        """
        if tests is not None:
            self._trs.add(metric, source, subject, values, tests)
        self._items.setdefault((metric, source), []).append((values, block, statistic))
        known = np.asarray(values, float)[np.isfinite(values)]
        value = float(statistic(known)) if len(known) else float("nan")
        rng = np.random.default_rng(self.seed)
        interval = bootstrap_interval(values, block, self.n_bootstrap, rng, statistic)
        self.add(metric, unit, source, value, subject=subject, interval=interval, n=len(known))

    def add_identification(
        self,
        source: str,
        found: Identified,
        block: NDArray[np.int64],
        *,
        prefix: str = "identification",
        subject: str = "",
        tests: TestSet | None = None,
    ) -> None:
        """Add the scores of one identification: top-1, top-5, pairwise and rank."""
        for name, (unit, statistic) in IDENTIFIED.items():
            self.add_items(
                f"{prefix}_{name}",
                unit,
                source,
                getattr(found, name),
                block,
                subject=subject,
                statistic=statistic,
                tests=tests,
            )

    def add_chance(
        self, n_candidates: NDArray[np.int64], *, prefix: str = "identification", subject: str = ""
    ) -> None:
        """Add what guessing scores in identification."""
        n = int((n_candidates > 1).sum())
        for name, value in chance(n_candidates).items():
            unit = IDENTIFIED[name][0]
            self.add(f"{prefix}_{name}", unit, "chance", value, subject=subject, n=n)

    def frame(self) -> pd.DataFrame:
        """The table, and after it for every metric of subjects a row for all of them.

        That row has the mean over subjects; the sum where voxels are counted; twice the mean
        for a p value, which is a valid p however the subjects' depend on each other
        (Rüschendorf 1982); and for the false discovery fraction the fraction of all
        discoveries. Its interval is over blocks that are drawn for all subjects alike: they saw
        one film and are not independent of each other.
        """
        table = pd.DataFrame(self.rows, columns=COLUMNS)
        own = set(table.loc[table["subject"] == "", ["metric", "source"]].itertuples(index=False))
        named = table[table["subject"] != ""]
        pooled = [
            _pooled(group) | self._pooled_interval(key)  # type: ignore[arg-type]
            for key, group in named.groupby(["metric", "source"], sort=False)
            if tuple(key) not in own  # type: ignore[arg-type]
        ]
        return pd.concat([table, pd.DataFrame(pooled, columns=COLUMNS)], ignore_index=True)

    def _pooled_interval(self, key: Key) -> dict[str, float]:
        """Interval of the mean over subjects; none for what was given without draws."""
        low, high = np.nan, np.nan
        if key in self._items:
            cases = self._items[key]
            rng = np.random.default_rng(self.seed)
            pairs = [(values, block) for values, block, _ in cases]
            _, (low, high) = bootstrap_mean_interval(pairs, self.n_bootstrap, rng, cases[0][2])
        elif key in self._draws:
            low, high = percentile_interval(mean_draws(self._draws[key]))
        return {"ci_low": low, "ci_high": high}

    def write(self, path: str | Path) -> None:
        """Write ``metrics.csv``."""
        write_table(path, self.frame())

    def write_trs(self, path: str | Path) -> None:
        """Write ``trs.tsv``."""
        write_table(path, self._trs.frame())


def mean_draws(draws: Sequence[Array]) -> Array:
    """Mean over subjects of the same draws; those without any of the drawn blocks do not count.

    Parameters
    ----------
    draws : arrays of shape (n_bootstrap,) or, where there is one block only, of none
    """
    known = [one for one in draws if len(one)]
    if not known:
        return np.zeros(0)
    found = np.stack(known).astype(float)
    some = np.isfinite(found)
    total = np.where(some, found, 0).sum(0)
    return np.where(some.any(0), total / np.maximum(some.sum(0), 1), np.nan)


def _pooled(group: pd.DataFrame) -> dict[str, Any]:
    known = group[group["value"].notna()]
    value = known["value"].mean()
    if known["unit"].eq("voxels").any():
        value = known["value"].sum()
    elif known["unit"].eq("p").any():
        value = min(1.0, 2 * value)
    elif known["metric"].eq("false_discovery_fraction").any():
        value = (known["value"] * known["n"]).sum() / max(known["n"].sum(), 1)
    own = {"subject": "", "value": value, "ci_low": np.nan, "ci_high": np.nan}
    first = {str(name): cell for name, cell in group.iloc[0].items()}
    return {**first, **own, "n": int(group["n"].sum())}


def write_table(path: str | Path, table: pd.DataFrame | Iterable[dict[str, Any]]) -> None:
    """Write a table whole or not at all; tab-separated when the name ends in .tsv."""
    if not isinstance(table, pd.DataFrame):
        table = pd.DataFrame(table)
    with replacing(path) as partial:
        without_formulas(table).to_csv(
            partial, index=False, sep=separator_of(path), float_format="%.6g"
        )
