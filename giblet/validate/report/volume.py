"""The maps as a volume that the reader can walk through, small enough to lie in the page.

Every map is kept as one byte a voxel: 0 where there is no value, 1 to 255 evenly from the
lowest to the highest value of that map over all subjects (q evenly in its logarithm). Voxels are
turned to the canonical axes (left to right, back to front, down to up) and cut to the mask.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.store import reading
from giblet.validate.report.files import Files
from giblet.validate.report.media import Budget

Values = NDArray[np.float64]

LEVELS = 254
SMALLEST_Q = 1e-4
# Of the room for media; the rest is for what can be heard and seen.
MOST_OF_BUDGET = 1 / 3


@dataclass(frozen=True)
class Map:
    """One map of the viewer.

    Attributes
    ----------
    places : datasets of a subject in voxels.h5; of two the difference is shown
    quantity : what stands before the value
    colours : ``diverging`` around 0, ``sequential``, or ``q`` (small values bright)
    """

    name: str
    title: str
    places: tuple[str, ...]
    quantity: str
    unit: str = ""
    colours: str = "diverging"
    digits: int = 2
    averaged: bool = True


MAPS = (
    Map("r", "Network: r", ("r",), "r"),
    Map("r_ridge", "Ridge: r", ("r_ridge",), "r"),
    Map("difference", "Network minus ridge: r", ("r", "r_ridge"), "difference of r"),
    Map("r_normalised", "Network: r / ceiling", ("r_normalised",), "r / ceiling"),
    Map("ceiling", "Ceiling", ("ceiling",), "ceiling", colours="sequential"),
    Map("q", "Network: q", ("q",), "q", colours="q", digits=4, averaged=False),
    Map("q_ridge", "Ridge: q", ("q_ridge",), "q", colours="q", digits=4, averaged=False),
    Map("delay_s", "Response delay", ("delay_s",), "delay", "s", colours="sequential"),
    Map("unique_video", "Only the picture explains", ("partition/unique_video",), "r²", digits=3),
    Map("unique_audio", "Only the sound explains", ("partition/unique_audio",), "r²", digits=3),
    Map("unique_text", "Only the words explain", ("partition/unique_text",), "r²", digits=3),
)


@dataclass
class Volume:
    """What the page says and holds of the volume view.

    Attributes
    ----------
    data : JSON for the viewer; empty when there is none
    reason : why there is none, in words
    shown, absent : whose volumes are in the page, and whose did not fit
    """

    data: str = ""
    reason: str = ""
    shown: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def volume_view(files: Files, budget: Budget) -> Volume:
    """Embed the maps of the mean and of as many subjects as fit into their share of the page."""
    path = files.get("validate/fmri/voxels.h5")
    if path is None:
        return Volume(reason="There are no maps.")
    with reading(path, stage="validate") as file:
        if file.attrs["kind"] != "voxels" or "affine" not in file:
            return Volume(
                reason="This study has parcels, which have no place in a volume: their values are "
                "in the table of regions."
            )
        return _embedded(file, Budget(int(MOST_OF_BUDGET * (budget.total - budget.used))), budget)


def _embedded(file: h5py.File, room: Budget, budget: Budget) -> Volume:
    grid = Grid.of(file)
    subjects = json.loads(file.attrs["subjects"])
    scored = {who: _values(file[who]) for who in subjects}
    averages = {f"mean of {len(subjects)} subjects": _mean(scored)} if len(subjects) > 1 else {}
    people = {**averages, **scored}
    scales = [scale for one in MAPS if (scale := Scale.of(one, people)) is not None]
    volumes: list[dict[str, Any]] = []
    absent: list[str] = []
    for who, maps in people.items():
        held = {s.map.name: maps[s.map.name] for s in scales if s.map.name in maps}
        packed = {s.map.name: grid.packed(s.levels(held[s.map.name])) for s in scales
                  if s.map.name in held}  # fmt: skip
        size = sum(map(len, packed.values()))
        if absent or not room.take(size):
            absent.append(who)
            continue
        budget.take(size)
        volumes.append({"subject": who, "values": packed})
    if not volumes:
        return Volume(
            reason="The volume view was left out to keep the page small (config key "
            "validate/report/max_mb)."
        )
    page = {**grid.described(), "maps": [s.described() for s in scales], "volumes": volumes}
    names = _regions(file)
    if names is not None:
        page["regions"] = {"names": names[0], "values": grid.packed(names[1])}
    shown = [one["subject"] for one in volumes]
    return Volume(json.dumps(page, ensure_ascii=False), "", shown, absent)


def _values(group: h5py.Group) -> dict[str, Values]:
    """Maps of one subject, those that it has."""
    found = {}
    for one in MAPS:
        if all(place in group for place in one.places):
            first, *rest = (group[place][:].astype(float) for place in one.places)
            found[one.name] = first - rest[0] if rest else first
    return found


def _mean(scored: Mapping[str, Mapping[str, Values]]) -> dict[str, Values]:
    """Mean over the subjects that have a value, of the maps of which a mean makes sense."""
    out = {}
    for one in MAPS:
        found = [maps[one.name] for maps in scored.values() if one.name in maps]
        if one.averaged and found:
            stacked = np.stack(found)
            known = np.isfinite(stacked)
            total = np.where(known, stacked, 0).sum(0)
            out[one.name] = np.where(known.any(0), total / np.maximum(known.sum(0), 1), np.nan)
    return out


def _regions(file: h5py.File) -> tuple[list[str], NDArray[np.uint8]] | None:
    """Names of the planted regions and each voxel's; None for a real study."""
    if "truth/region" not in file:
        return None
    names = json.loads(file["truth"].attrs["region_names"])
    return names, file["truth/region"][:].astype(np.uint8)


@dataclass(frozen=True)
class Scale:
    """How one map's values become bytes and colours, the same for all subjects.

    Attributes
    ----------
    low, high : values of levels 1 and 255, in the logarithm of q for q
    limits : values at which the colours end
    """

    map: Map
    low: float
    high: float
    limits: tuple[float, float]

    @classmethod
    def of(cls, one: Map, people: Mapping[str, Mapping[str, Values]]) -> Scale | None:
        """From all values of a map; None when it has none."""
        found = [maps[one.name] for maps in people.values() if one.name in maps]
        values = np.concatenate(found) if found else np.zeros(0)
        values = values[np.isfinite(values)]
        if not len(values):
            return None
        if one.colours == "q":
            return cls(one, float(np.log10(SMALLEST_Q)), 0.0, (1.0, 1e-3))
        low, high = float(values.min()), float(values.max())
        if one.colours == "diverging":
            most = float(np.quantile(np.abs(values), 0.995)) or 1.0
            return cls(one, low, high, (-most, most))
        ends = np.quantile(values, [0.005, 0.995])
        return cls(one, low, high, (float(ends[0]), max(float(ends[1]), float(ends[0]) + 1e-6)))

    def levels(self, values: Values) -> NDArray[np.uint8]:
        """Bytes of a map, 0 where there is no value."""
        if self.map.colours == "q":
            values = np.log10(np.maximum(values, SMALLEST_Q))
        share = (values - self.low) / max(self.high - self.low, 1e-12)
        levels = np.round(np.nan_to_num(share).clip(0, 1) * LEVELS) + 1
        return np.where(np.isfinite(values), levels, 0).astype(np.uint8)

    def described(self) -> dict[str, Any]:
        """For the viewer."""
        one = self.map
        return {
            "name": one.name, "title": one.title, "quantity": one.quantity, "unit": one.unit,
            "colours": one.colours, "digits": one.digits, "low": self.low, "high": self.high,
            "limits": list(self.limits),
        }  # fmt: skip


@dataclass(frozen=True)
class Grid:
    """The mask's voxels on canonical axes, cut to their bounding box.

    Attributes
    ----------
    shape : voxels from left to right, back to front, down to up
    affine : array of shape (4, 4), places in the cut grid to mm
    order : array of shape (V,), the voxels in the order of the packed values
    inside : array of bool, which cells of the grid are voxels
    axes, flips, offset : the scan's own index of a place, along the canonical axis k, is
        that of scan axis axes[k]; flips[k] counts it backwards from offset[k]
    """

    shape: tuple[int, int, int]
    affine: Values
    order: NDArray[np.int64]
    inside: NDArray[np.bool_]
    axes: list[int]
    flips: list[int]
    offset: list[int]

    @classmethod
    def of(cls, file: h5py.File) -> Grid:
        """From the geometry in voxels.h5."""
        from nibabel.orientations import inv_ornt_aff, io_orientation

        ijk = file["ijk"][:].astype(int)
        affine = np.asarray(file["affine"][:], float)
        full = np.array([int(side) for side in file.attrs["grid_shape"]])
        turn = io_orientation(affine)
        turned = np.empty_like(ijk)
        axes, flips, start = [0, 0, 0], [1, 1, 1], np.zeros(3, int)
        for axis, (to, flip) in enumerate(turn.astype(int)):
            turned[:, to] = ijk[:, axis] if flip > 0 else full[axis] - 1 - ijk[:, axis]
            axes[to], flips[to] = axis, int(flip)
        first = turned.min(0)
        turned -= first
        shape = tuple(int(side) for side in turned.max(0) + 1)
        for to in range(3):
            start[to] = first[to] if flips[to] > 0 else full[axes[to]] - 1 - first[to]
        canonical = affine @ inv_ornt_aff(turn, full)
        canonical[:3, 3] += canonical[:3, :3] @ first
        place = np.ravel_multi_index(tuple(turned.T), shape)
        inside = np.zeros(int(np.prod(shape)), bool)
        inside[place] = True
        return cls(
            shape,  # type: ignore[arg-type]
            canonical,
            np.argsort(place, kind="stable"),
            inside,
            axes,
            flips,
            [int(one) for one in start],
        )

    def packed(self, levels: NDArray[np.uint8]) -> str:
        """Bytes of the voxels in the order of the grid, as text."""
        return base64.b64encode(levels[self.order].tobytes()).decode("ascii")

    def described(self) -> dict[str, Any]:
        """For the viewer."""
        mask = np.packbits(self.inside, bitorder="little").tobytes()
        return {
            "shape": list(self.shape),
            "affine": np.round(self.affine, 6).tolist(),
            "mask": base64.b64encode(mask).decode("ascii"),
            "axes": self.axes,
            "flips": self.flips,
            "offset": self.offset,
        }
