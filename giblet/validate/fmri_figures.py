"""Pictures of the encoding scores: slices, glass brains, network against ridge, bars."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.store import reading
from giblet.validate.figures import COLOURS, figure
from giblet.validate.fmri_bars import draw_regions, draw_runs, draw_subjects
from giblet.validate.fmri_maps import affine_of, to_volume
from giblet.validate.fmri_means import found_by_ridge, limits, mean_delay, mean_over
from giblet.validate.partition_figures import MODALITY_WORDS, draw_partition

# Map name -> (colours, lowest, highest, label); None is taken from the data.
LOOKS: dict[str, tuple[str, float | None, float | None, str]] = {
    "r": ("magma", 0.0, None, "correlation r"),
    "r_normalised": ("magma", 0.0, 1.0, "r / ceiling"),
    "q": ("viridis_r", 0.0, 0.1, "q (FDR)"),
    "delay_s": ("cividis", None, None, "delay of the response, s"),
    "unique": ("magma", 0.0, None, "variance only this explains"),
    "best": ("", -0.5, 2.5, ""),
}
# As the unique parts are coloured in partition.png.
BEST = {"picture": "#0072b2", "sound": "#d55e00", "words": "#009e73"}
GLASS_LOOKS = {
    "r": ("magma_r", "largest r"),
    "delay_s": ("cividis", "mean delay, s"),
    "unique": ("magma_r", "largest share"),
}
VIEWS = (("from the left", 0), ("from the front", 1), ("from above", 2))


def draw_fmri(
    voxels: str | Path,
    metrics: str | Path,
    region_table: str | Path,
    run_table: str | Path,
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
    metrics : ``fmri/metrics.csv``
    region_table : ``fmri/by_region.csv``
    run_table : ``fmri/by_run.csv``
    partition_table : ``fmri/partition.csv``
    dpi : dots an inch of the PNGs
    n_slices : axial slices of each map
    """
    folder = Path(folder)
    with reading(voxels, stage="validate") as file:
        subjects = json.loads(file.attrs["subjects"])
        for subject in subjects:
            for name in ("r", "r_normalised", "q", "delay_s"):
                values = file[f"{subject}/{name}"][:]
                if name == "delay_s":
                    values = np.where(found_by_ridge(file, subject), values, np.nan)
                path = folder / f"{subject}_{name}.png"
                _draw_map(file, values, name, f"{subject}: {LOOKS[name][3]}", path, dpi, n_slices)
            _draw_best(file, subject, folder / f"{subject}_best.png", dpi, n_slices)
        for name, title in (("r", "network"), ("r_ridge", "ridge")):
            mean = mean_over(file, name)
            title = f"{title}: r, mean over subjects"
            _draw_glass(file, mean, "r", title, folder / f"glass_{name}.png", dpi)
        title = "delay that ridge found, where it predicts"
        _draw_glass(file, mean_delay(file), "delay_s", title, folder / "glass_delay.png", dpi)
        for modality, what in MODALITY_WORDS.items():
            mean = mean_over(file, f"partition/unique_{modality}")
            path = folder / f"glass_unique_{modality}.png"
            _draw_glass(file, mean, "unique", f"variance that only {what} explains", path, dpi)
        _draw_scatter(file, subjects, folder / "model_vs_ridge.png", dpi)
    draw_regions(region_table, folder / "regions.png", dpi)
    draw_subjects(metrics, folder / "subjects.png", dpi)
    draw_runs(run_table, folder / "runs.png", dpi)
    draw_partition(partition_table, folder / "partition.png", dpi)


def _draw_best(file: h5py.File, subject: str, path: Path, dpi: int, n_slices: int) -> None:
    """Which modality explains most that no other does, where ridge predicts significantly."""
    unique = [file[f"{subject}/partition/unique_{m}"][:] for m in MODALITY_WORDS]
    best = np.where(found_by_ridge(file, subject), np.argmax(unique, axis=0), np.nan)
    title = f"{subject}: what explains most that nothing else does"
    _draw_map(file, best, "best", title, path, dpi, n_slices, BEST)


def _limits(name: str, values: NDArray[Any]) -> tuple[float, float]:
    _, low, high, _ = LOOKS[name]
    return limits(values, low=low, high=high)


def _draw_map(
    file: h5py.File,
    values: NDArray[Any],
    name: str,
    title: str,
    path: Path,
    dpi: int,
    n_slices: int,
    classes: Mapping[str, str] | None = None,
) -> None:
    """Axial slices, left on the left; parcels as a row of points."""
    from matplotlib.colors import ListedColormap

    low, high = _limits(name, values)
    colours: Any
    colours, _, _, label = LOOKS[name]
    if classes:
        colours = ListedColormap(list(classes.values()))
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
        bar = fig.colorbar(image, ax=list(axes[0]), shrink=0.8, label=label)
        if classes:
            bar.set_ticks(range(len(classes)), labels=list(classes))


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
