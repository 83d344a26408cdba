"""Picture of the variance partitioning: what each modality explains in each region."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from giblet.results import read_made_table
from giblet.validate.figures import figure

MODALITY_WORDS = {"video": "the picture", "audio": "the sound", "text": "the words"}
# Part -> colour and label; the seven areas of the Venn diagram, the shared ones paler.
PARTS = {
    "unique_video": ("#0072b2", "only picture"),
    "unique_audio": ("#d55e00", "only sound"),
    "unique_text": ("#009e73", "only words"),
    "shared_video_audio": ("#cc79a7", "picture + sound"),
    "shared_video_text": ("#56b4e9", "picture + words"),
    "shared_audio_text": ("#e69f00", "sound + words"),
    "shared_video_audio_text": ("#999999", "all three"),
}
MOST_REGIONS = 40


def draw_partition(table: str | Path, path: Path, dpi: int) -> None:
    """Stacked bars of the parts, one bar a region, mean over subjects; negative parts not drawn.

    Of many regions those are drawn in which most is explained.
    """
    rows = read_made_table(
        table,
        ("region", "part"),
        numbers=("value",),
        dtype={"region": str},
        keep_default_na=False,
        na_values=[""],
    )
    mean = rows.groupby(["region", "part"], sort=False)["value"].mean().unstack("part")
    names = list(dict.fromkeys(rows["region"]))
    if len(names) > MOST_REGIONS:
        names = list(mean.sum(axis=1).nlargest(MOST_REGIONS).index)
    mean = mean.reindex(names)
    with figure(path, dpi, figsize=(max(4.5, 0.7 * len(names) + 2.5), 3.4)) as (_, axis):
        bottom = np.zeros(len(names))
        for part, (colour, label) in PARTS.items():
            height = mean[part].to_numpy().clip(min=0)
            axis.bar(np.arange(len(names)), height, 0.7, bottom=bottom, color=colour, label=label)
            bottom += height
        axis.plot(np.arange(len(names)), mean.sum(axis=1), "k_", ms=14, label="all together")
        axis.axhline(0, color="0.3", lw=0.8)
        axis.set_xticks(np.arange(len(names)), names, rotation=30, ha="right", fontsize=8)
        axis.set(ylabel="variance explained by ridge, $r^2$")
        axis.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
