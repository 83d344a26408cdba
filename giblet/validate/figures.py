"""What all figures share: a quiet backend, one look, whole files only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from giblet.store import replacing

# Okabe & Ito's palette, which colour-blind readers can tell apart.
COLOURS = {
    "original": "#000000",
    "ceiling": "#999999",
    "model": "#0072B2",
    "from_bold": "#D55E00",
    "from_predicted": "#56B4E9",
    "ridge": "#009E73",
    "floor_mean": "#F0E442",
    "floor_shifted": "#E69F00",
    "floor_nearest": "#CC79A7",
    "chance": "#666666",
}


@contextmanager
def figure(path: str | Path, dpi: int, **kwargs: Any) -> Iterator[Any]:
    """Yield pyplot's (figure, axes) and save the figure when the block succeeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    fig, axes = pyplot.subplots(**kwargs)
    try:
        yield fig, axes
        with replacing(path) as partial:
            fig.savefig(partial, dpi=dpi, bbox_inches="tight", facecolor="white")
    finally:
        pyplot.close(fig)
