"""How far down the list of sentences the true one stands, and which regions know it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from giblet.results import read_made_table
from giblet.validate.figures import COLOURS, figure


def draw_text(retrieved: str | Path, path: str | Path, *, dpi: int) -> None:
    """Draw the share of TRs whose true sentence is among the first k, over k.

    Parameters
    ----------
    retrieved : ``text/retrieved.tsv``
    """
    table = read_made_table(
        retrieved, ("source",), numbers=("n_candidates", "rank"), keep_default_na=False
    )
    with figure(path, dpi, figsize=(5, 3.5)) as (_, axis):
        if table.empty:
            axis.set_title("no test TR has text")
            axis.set_axis_off()
            return
        n = int(table["n_candidates"].max())
        k = np.arange(1, n + 1)
        for source, rows in table.groupby("source", sort=False):
            rank = rows["rank"].astype(float).to_numpy()
            share = (rank[None] <= k[:, None]).mean(1)
            axis.plot(k, share, color=COLOURS[str(source)], label=str(source))
        axis.plot(k, k / n, "--", color=COLOURS["chance"], label="chance")
        axis.set_xscale("log")
        axis.set(
            xlabel=f"first k of {n} sentences", ylabel="true sentence among them", ylim=(0, 1.02)
        )
        axis.legend(fontsize=7)


def draw_text_regions(table: str | Path, path: str | Path, *, dpi: int) -> None:
    """Draw how well words are told apart from each region's BOLD, a dot for every subject.

    Parameters
    ----------
    table : ``text/by_region.csv``
    """
    rows = read_made_table(
        table,
        ("region", "subject"),
        numbers=("pairwise", "ci_low", "ci_high", "q"),
        dtype={"region": str, "subject": str},
        keep_default_na=False,
        na_values=[""],
    )
    rows["subject"] = rows["subject"].fillna("")
    pooled = rows[rows["subject"] == ""].set_index("region")
    size = (max(4, 0.7 * len(pooled) + 2), 3.2)
    with figure(path, dpi, figsize=size) as (_, axis):
        if pooled.empty:
            axis.set_title("no test TR has text")
            axis.set_axis_off()
            return
        at = np.arange(len(pooled))
        value = pooled["pairwise"].to_numpy(float)
        ends = np.stack([value - pooled["ci_low"], pooled["ci_high"] - value])
        error = np.nan_to_num(np.maximum(ends.astype(float), 0))
        axis.bar(at, value - 0.5, 0.6, bottom=0.5, yerr=error, color=COLOURS["ridge"])
        for place, region in enumerate(pooled.index):
            own = rows[(rows["region"] == region) & (rows["subject"] != "")]
            axis.plot(np.full(len(own), place), own["pairwise"], "k.", ms=4)
        axis.axhline(0.5, ls="--", color=COLOURS["chance"], lw=0.8)
        names = [f"{name}{' *' if q < 0.05 else ''}" for name, q in pooled["q"].items()]
        axis.set_xticks(at, names, rotation=30, ha="right", fontsize=8)
        axis.set(ylabel="pairwise identification of words")
        axis.set_title("ridge from one region alone; * q < 0.05 over regions", fontsize=8)
