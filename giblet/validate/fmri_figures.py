"""Pictures of the encoding scores: slices, glass brains, network against ridge, regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.store import reading
from giblet.validate.figures import COLOURS, figure
from giblet.validate.fmri_maps import affine_of, to_volume
from giblet.validate.partition_figures import MODALITY_WORDS, draw_partition

# Map name -> (colours, lowest, highest, label); None is taken from the data.
LOOKS: dict[str, tuple[str, float | None, float | None, str]] = {
    "r": ("magma", 0.0, None, "correlation r"),
    "r_normalised": ("magma", 0.0, 1.0, "r / ceiling"),
    "q": ("viridis_r", 0.0, 0.1, "q (FDR)"),
    "delay_s": ("cividis", None, None, "delay of the response, s"),
    "unique": ("magma", 0.0, None, "variance only this explains"),
}
GLASS_LOOKS = {
    "r": ("magma_r", "largest r"),
    "delay_s": ("cividis", "mean delay, s"),
    "unique": ("magma_r", "largest share"),
}
VIEWS = (("from the left", 0), ("from the front", 1), ("from above", 2))


def draw_fmri(
    voxels: str | Path,
    region_table: str | Path,
    partition_table: str | Path,
    folder: str | Path,
    *,
    dpi: int,
    n_slices: int,
) -> None:
    """Draw every fMRI figure into `folder`.

    Parameters
    ----------
    voxels : ``fmri/voxels.h5``
    region_table : ``fmri/by_region.csv``
    partition_table : ``fmri/partition.csv``
    dpi : dots an inch of the PNGs
    n_slices : axial slices of each map
    """
    folder = Path(folder)
    with reading(voxels, stage="validate") as file:
        subjects = json.loads(file.attrs["subjects"])
        for subject in subjects:
            for name in ("r", "r_normalised", "q"):
                values = file[f"{subject}/{name}"][:]
                path = folder / f"{subject}_{name}.png"
                _draw_map(file, values, name, f"{subject}: {LOOKS[name][3]}", path, dpi, n_slices)
        for name, title in (("r", "network"), ("r_ridge", "ridge")):
            mean = _mean_over(file, subjects, name)
            title = f"{title}: r, mean over subjects"
            _draw_glass(file, mean, "r", title, folder / f"glass_{name}.png", dpi)
        found = [file[f"{s}/q_ridge"][:] < file.attrs["fdr_q"] for s in subjects]
        delay = np.where(np.any(found, axis=0), _mean_over(file, subjects, "delay_s"), np.nan)
        title = "delay that ridge found, where it predicts"
        _draw_glass(file, delay, "delay_s", title, folder / "glass_delay.png", dpi)
        for modality, what in MODALITY_WORDS.items():
            mean = _mean_over(file, subjects, f"partition/unique_{modality}")
            path = folder / f"glass_unique_{modality}.png"
            _draw_glass(file, mean, "unique", f"variance that only {what} explains", path, dpi)
        _draw_scatter(file, subjects, folder / "model_vs_ridge.png", dpi)
    _draw_regions(region_table, folder / "regions.png", dpi)
    draw_partition(partition_table, folder / "partition.png", dpi)


def _mean_over(file: h5py.File, subjects: list[str], name: str) -> NDArray[np.float64]:
    """Mean over the subjects in whom a voxel was scored, NaN in none."""
    values = np.stack([file[f"{subject}/{name}"][:] for subject in subjects]).astype(float)
    known = np.isfinite(values)
    total, count = np.where(known, values, 0).sum(0), known.sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _limits(name: str, values: NDArray[Any]) -> tuple[float, float]:
    _, low, high, _ = LOOKS[name]
    known = values[np.isfinite(values)]
    if low is None:
        low = float(np.percentile(known, 2)) if len(known) else 0.0
    if high is None:
        high = float(np.percentile(known, 99)) if len(known) else 1.0
    return low, max(high, low + 0.05)


def _draw_map(
    file: h5py.File,
    values: NDArray[Any],
    name: str,
    title: str,
    path: Path,
    dpi: int,
    n_slices: int,
) -> None:
    """Axial slices, left on the left; parcels as a row of points."""
    low, high = _limits(name, values)
    colours, _, _, label = LOOKS[name]
    if file.attrs["kind"] != "voxels":
        with figure(path, dpi, figsize=(8, 2.5)) as (_, axis):
            axis.plot(values, ".", color=COLOURS["model"])
            axis.set(xlabel="parcel", ylabel=label, title=title)
        return
    volume, inside = canonical(file, values)
    levels = np.flatnonzero(inside.any((0, 1)))
    # The outermost slices hold a few voxels only.
    picked = levels[np.linspace(0, len(levels) - 1, n_slices + 2).round().astype(int)[1:-1]]
    with figure(path, dpi, ncols=n_slices, figsize=(1.3 * n_slices, 1.9), squeeze=False) as (
        fig,
        axes,
    ):
        image = None
        for axis, level in zip(axes[0], picked, strict=True):
            axis.imshow(_shade(inside[:, :, level]), cmap="gray", vmin=0, vmax=1, origin="lower")
            shown = np.ma.masked_invalid(volume[:, :, level].T)
            image = axis.imshow(shown, cmap=colours, vmin=low, vmax=high, origin="lower")
            axis.set_axis_off()
        fig.suptitle(f"{title} (left of the picture: left of the brain)", fontsize=8)
        fig.colorbar(image, ax=list(axes[0]), shrink=0.8, label=label)


def canonical(file: h5py.File, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values and mask with axes running to the right, front and top; NaN outside."""
    import nibabel

    out = []
    for filled in (values, np.ones(len(values))):
        volume = to_volume(file, filled, np.nan)
        image = nibabel.as_closest_canonical(nibabel.Nifti1Image(volume, affine_of(file)))
        out.append(np.asarray(image.dataobj))
    return out[0], np.isfinite(out[1])


def _shade(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(inside.T, 0.85, 1.0)


def _draw_glass(
    file: h5py.File, values: NDArray[Any], name: str, title: str, path: Path, dpi: int
) -> None:
    """Largest r, or mean delay, along each line of sight, and the outline of the mask."""
    if file.attrs["kind"] != "voxels":
        _draw_map(file, values, name, title, path, dpi, 1)
        return
    low, high = _limits(name, values)
    volume, inside = canonical(file, values)
    colours, label = GLASS_LOOKS[name]
    with figure(path, dpi, ncols=3, figsize=(8, 2.8)) as (fig, axes):
        image = None
        for axis, (view, along) in zip(axes, VIEWS, strict=True):
            seen = _line_of_sight(volume, along, largest=name != "delay_s").T
            outline = inside.any(axis=along).T.astype(float)
            shown = np.ma.masked_where(~np.isfinite(seen) | (seen < low), seen)
            axis.contour(outline, levels=[0.5], colors="0.4", linewidths=1)
            image = axis.imshow(shown, cmap=colours, vmin=low, vmax=high, origin="lower")
            axis.set_title(view, fontsize=8)
            axis.set_axis_off()
        fig.suptitle(title, fontsize=9)
        fig.colorbar(image, ax=list(axes), shrink=0.8, label=f"{label} along the line of sight")


def _line_of_sight(volume: NDArray[Any], along: int, *, largest: bool) -> NDArray[np.float64]:
    """Largest or mean known value along an axis, NaN where there is none."""
    known = np.isfinite(volume)
    if largest:
        found = np.where(known, volume, -np.inf).max(axis=along)
        return np.where(np.isfinite(found), found, np.nan)
    count = known.sum(axis=along)
    return np.where(
        count, np.where(known, volume, 0).sum(axis=along) / np.maximum(count, 1), np.nan
    )


def _draw_scatter(file: h5py.File, subjects: list[str], path: Path, dpi: int) -> None:
    """One dot a voxel and subject: the network's r over ridge's."""
    with figure(path, dpi, figsize=(4, 4)) as (_, axis):
        responds = file["truth/responds"][:].any(1) if "truth" in file else None
        for subject in subjects:
            x, y = file[f"{subject}/r_ridge"][:], file[f"{subject}/r"][:]
            if responds is None:
                axis.plot(x, y, ".", ms=2, alpha=0.3, color=COLOURS["model"])
                continue
            for mask, colour in ((responds, COLOURS["model"]), (~responds, COLOURS["ceiling"])):
                axis.plot(x[mask], y[mask], ".", ms=2, alpha=0.3, color=colour)
        low, high = axis.get_xlim()
        axis.plot([low, high], [low, high], color="0.3", lw=0.8)
        title = "above the line the network is better"
        if responds is not None:
            title += "\n(grey: voxels that respond to nothing)"
        axis.set(xlabel="r of ridge", ylabel="r of the network")
        axis.set_title(title, fontsize=8)


def _draw_regions(table: str | Path, path: Path, dpi: int) -> None:
    """Mean r of each region with its interval, one group of bars a source."""
    rows = pd.read_csv(table)
    names = list(dict.fromkeys(rows["region"].astype(str)))
    sources = [s for s in ("model", "ridge", "ceiling") if (rows["source"] == s).any()]
    with figure(path, dpi, figsize=(max(4, 0.9 * len(names) + 2), 3.2)) as (_, axis):
        for place, source in enumerate(sources):
            mine = rows[rows["source"] == source]
            mean = mine.groupby(mine["region"].astype(str))[["value", "ci_low", "ci_high"]].mean()
            mean = mean.reindex(names)
            at = np.arange(len(names)) + (place - (len(sources) - 1) / 2) * 0.27
            around = np.stack([mean["value"] - mean["ci_low"], mean["ci_high"] - mean["value"]])
            error = np.nan_to_num(np.maximum(around, 0))
            axis.bar(at, mean["value"], 0.25, yerr=error, color=COLOURS[source], label=source)
        axis.axhline(0, color="0.3", lw=0.8)
        axis.set_xticks(np.arange(len(names)), names, rotation=30, ha="right", fontsize=8)
        axis.set(ylabel="mean r over voxels and subjects")
        axis.legend(fontsize=7)
