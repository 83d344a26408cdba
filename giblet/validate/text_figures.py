"""How far down the list of sentences the true one stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from giblet.validate.figures import COLOURS, figure


def draw_text(retrieved: str | Path, path: str | Path, *, dpi: int) -> None:
    """Draw the share of TRs whose true sentence is among the first k, over k.

    Parameters
    ----------
    retrieved : ``text/retrieved.tsv``
    """
    table = pd.read_csv(retrieved, sep="\t", keep_default_na=False)
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
