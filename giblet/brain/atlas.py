"""Regions of an atlas for the voxels of the mask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.brain.grid import Grid
from giblet.brain.images import read_image
from giblet.brain.names import refuse_unusable_name
from giblet.brain.resample import to_grid
from giblet.cells import Purpose, as_text, read_sheet, whole_number
from giblet.errors import BrainError

PURPOSE = Purpose(BrainError, named_in="correct brain/atlas_labels", holds="columns index and name")
# Largest number that int32 holds.
LARGEST_LABEL = 2**31 - 1


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
    values[np.isnan(values)] = 0
    broken = values[(values != np.rint(values)) | ~(np.abs(values) <= LARGEST_LABEL)]
    if broken.size:
        raise BrainError(
            f"{path}: an atlas holds whole numbers, one per region, this image holds "
            f"{broken[0]:.10g}: name a label image as brain/atlas"
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
        Table with columns ``index`` and ``name`` (BIDS ``_dseg.tsv``), in any form that
        :mod:`giblet.cells` reads; None names each region by its number. Label 0 is not named.

    Raises
    ------
    BrainError
        If the table lacks a column or a label, or names a label twice.
    """
    present = [int(label) for label in np.unique(regions) if label]
    if not path:
        return {str(label): f"region-{label}" for label in present}
    known = _named_labels(path)
    for label in present:
        if label not in known:
            raise BrainError(f"{path}: no name for label {label} of the atlas: add a row for it")
    for label in present:
        number, name = known[label]
        refuse_unusable_name(f"{path} row {number}: the name of label {label}", name)
    return {str(label): known[label][1] for label in present}


def _named_labels(path: str | Path) -> dict[int, tuple[int, str]]:
    """Row and name of each label of a table."""
    needed = {"index", "name"}
    sheet = read_sheet(
        path, PURPOSE, is_header=lambda names: needed <= {name.lower() for name in names}
    )
    lower = replace(sheet, header=[name.lower() for name in sheet.header])
    index, name = (lower.position(column, PURPOSE) for column in ("index", "name"))
    if index is None or name is None:
        raise BrainError(
            f"{path}: has columns {', '.join(filter(None, sheet.header))}, needed are index and "
            "name"
        )
    known: dict[int, tuple[int, str]] = {}
    for number, cells in sheet.rows:
        label = whole_number(as_text(cells[index]))
        if label is None:
            raise BrainError(
                f"{path} row {number}: index is {as_text(cells[index])!r}, expected the whole "
                "number of a label"
            )
        text = " ".join(as_text(cells[name]).split())
        before = known.setdefault(label, (number, text))
        if before[1] != text:
            raise BrainError(
                f"{path} row {number}: label {label} is {text!r}, but {before[1]!r} in row "
                f"{before[0]}: give each label one name"
            )
    return known
