"""Regions of an atlas for the voxels of the mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.brain.grid import Grid
from giblet.brain.images import read_image
from giblet.brain.resample import to_grid
from giblet.errors import BrainError


def load_atlas(path: str | Path, inside: NDArray[np.bool_], grid: Grid) -> NDArray[np.int32]:
    """Region label of each voxel of a mask; 0 is no region.

    An atlas on another grid is brought to the study's by nearest neighbour, whatever
    ``brain/resample`` says: labels are not blurred by it.

    Returns
    -------
    array of shape (n_voxels,), int32

    Raises
    ------
    BrainError
        If the labels are not whole numbers, or none lies inside the mask.
    """
    values, own = read_image(path, "atlas")
    values = np.nan_to_num(values)
    broken = values[values != np.rint(values)]
    if broken.size:
        raise BrainError(
            f"{path}: an atlas holds whole numbers, one per region, this image holds "
            f"{broken[0]:g}: name a label image as brain/atlas"
        )
    labels = to_grid(values.astype(np.int32), own, grid, "nearest")[inside]
    if not labels.any():
        raise BrainError(
            f"{path}: no label lies inside the mask; the atlas has {own}, the study "
            f"{grid}: use an atlas of the scans' space"
        )
    return np.asarray(labels, dtype=np.int32)


def region_names(path: str | Path | None, regions: NDArray[np.int32]) -> dict[str, str]:
    """Name of each label that occurs, keyed by the label as text.

    Parameters
    ----------
    path
        Table with columns ``index`` and ``name`` (BIDS ``_dseg.tsv``), tab- or (``.csv``)
        comma-separated; None names each region by its number. Label 0 is not named.

    Raises
    ------
    BrainError
        If the table lacks a column or a label.
    """
    present = [int(label) for label in np.unique(regions) if label]
    if not path:
        return {str(label): f"region-{label}" for label in present}
    import pandas as pd

    if not Path(path).exists():
        raise BrainError(f"{path}: no such file: correct brain/atlas_labels")
    separator = "," if str(path).endswith(".csv") else "\t"
    table = pd.read_csv(path, sep=separator, keep_default_na=False)
    if not {"index", "name"} <= set(table.columns):
        raise BrainError(
            f"{path}: has columns {', '.join(map(str, table.columns))}, needed are index and name"
        )
    known = dict(zip(table["index"].astype(int), table["name"].astype(str), strict=True))
    for label in present:
        if label not in known:
            raise BrainError(f"{path}: no name for label {label} of the atlas: add a row for it")
    return {str(label): known[label] for label in present}
