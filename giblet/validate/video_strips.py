"""The film at a glance: frames along time, one row a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.validate.figures import figure


def strip_places(n_trs: int, n_strip: int) -> NDArray[np.int64]:
    """The TRs in the middle of `n_strip` equal parts of `n_trs`; each TR at most once."""
    n = min(n_trs, n_strip)
    return (2 * np.arange(n) + 1) * n_trs // (2 * n)


def draw_strip(
    rows: Mapping[str, NDArray[np.uint8]], seconds: Sequence[float], path: Path, dpi: int
) -> None:
    """Draw the middle frame of TRs at equal distances.

    Parameters
    ----------
    rows : title -> frames of the TRs to draw, arrays of shape (n, F, H, W, 3)
    seconds : scanner time of each
    """
    n = len(seconds)
    shape = next(iter(rows.values())).shape
    height = 1.1 * shape[2] / shape[3]
    size = (1.1 * n + 1, len(rows) * height + 0.4)
    kwargs = {"nrows": len(rows), "ncols": n, "squeeze": False, "figsize": size}
    with figure(path, dpi, gridspec_kw={"wspace": 0.03, "hspace": 0.05}, **kwargs) as (_, axes):
        for line, (title, frames) in zip(axes, rows.items(), strict=True):
            for axis, pictures in zip(line, frames, strict=True):
                axis.imshow(pictures[len(pictures) // 2])
                axis.set(xticks=[], yticks=[])
                for spine in axis.spines.values():
                    spine.set_visible(False)
            line[0].set_ylabel(title, fontsize=7, rotation=0, ha="right", va="center")
        for axis, when in zip(axes[0], seconds, strict=True):
            axis.set_title(f"{when:.0f} s", fontsize=7)
