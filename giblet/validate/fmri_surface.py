"""Maps on the cortical surface, for studies whose scans are in MNI space.

Voxels are put on fsaverage5 (Fischl et al. 1999; it comes with nilearn): each vertex takes the
mean of the voxels that its cortex passes through, from white matter to pia, each as often as it
is the nearest to one of ten points on that line. That places the mean anatomy of a group, not
the folds of any one subject. (nilearn's own sampling fails on maps with gaps: its nearest-voxel
kind in vertices without any voxel, and its linear kind mixes in what lies outside.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.store import reading
from giblet.validate.figures import figure
from giblet.validate.fmri_maps import affine_of, to_volume
from giblet.validate.fmri_means import limits, mean_delay, mean_over

# NIFTI_XFORM_MNI_152 of the standard.
MNI152 = 4
# Places between white matter and pia that a vertex samples.
DEPTHS = 10
# With fewer vertices inside the mask the scans are hardly in the space they are said to be in.
LEAST_COVERED = 0.05
# File -> dataset of voxels.h5, title, colours.
SURFACES = {
    "r": ("r", "network: r, mean over subjects", "magma"),
    "r_ridge": ("r_ridge", "ridge: r, mean over subjects", "magma"),
    "r_normalised": ("r_normalised", "network: r / ceiling, mean over subjects", "magma"),
    "delay": ("", "delay that ridge found, where it predicts, s", "cividis"),
}
VIEWS = (("left", "lateral"), ("right", "lateral"), ("left", "medial"), ("right", "medial"))


def draw_surfaces(
    voxels: str | Path, reference: str | Path, folder: str | Path, *, space: str, dpi: int
) -> None:
    """Write ``surface_{name}.png`` for every name in `SURFACES` into `folder`.

    Where the scans are not in MNI space, or are parcels, the pictures say so in words.

    Parameters
    ----------
    voxels : ``fmri/voxels.h5``
    reference : image whose grid the study has: the mask named, or the first scan
    space : ``mni``, ``native``, or ``auto``: by the header of `reference`

    Raises
    ------
    ValidationError
        If `space` is ``mni`` and hardly a vertex lies in the mask.
    """
    folder = Path(folder)
    with reading(voxels, stage="validate") as file:
        reason = why_none(file, reference, space)
        if reason:
            print(f"no surface: {reason}")
        for name, (place, title, colours) in SURFACES.items():
            path = folder / f"surface_{name}.png"
            if reason:
                _say(path, f"{title}\nnot drawn: {reason}", dpi)
                continue
            values = mean_over(file, place) if place else mean_delay(file)
            _draw(on_surface(file, values), title, colours, path, dpi)


def why_none(file: h5py.File, reference: str | Path, space: str) -> str:
    """Why there is no surface to draw on; empty when there is."""
    if file.attrs["kind"] != "voxels":
        return "the study has parcels, which have no place in the brain"
    if space == "native" or (space == "auto" and not says_mni(reference)):
        given = "brain/space is native"
        found = f"the header of {Path(reference).name} does not say MNI space (code {MNI152})"
        return (given if space == "native" else found) + "; if it is, set brain/space: mni"
    share = covered(file)
    if share < LEAST_COVERED:
        if space == "mni":
            raise ValidationError(
                f"{file.filename}: brain/space is mni, but only {share:.1%} of the vertices of "
                "fsaverage5 lie in the mask: set it to native, or normalise the scans to MNI152"
            )
        return f"only {share:.1%} of the vertices of fsaverage5 lie in the mask"
    return ""


def says_mni(path: str | Path) -> bool:
    """Whether an image's header puts it into MNI152 space."""
    import nibabel

    header: Any = nibabel.load(str(path)).header
    codes = [int(header[name]) for name in ("sform_code", "qform_code") if name in header]
    return MNI152 in codes


def covered(file: h5py.File) -> float:
    """Share of the surface's vertices that lie in the mask."""
    found = on_surface(file, np.ones(len(file["ijk"])))
    known = np.concatenate([np.isfinite(part) for part in found.values()])
    return float(known.mean())


def on_surface(file: h5py.File, values: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Values of the voxels at the vertices of each hemisphere, NaN where there is none.

    Parameters
    ----------
    values : array of shape (V,); NaN voxels do not count
    """
    from nilearn.datasets import load_fsaverage

    meshes = load_fsaverage("fsaverage5")
    to_ijk = np.linalg.inv(affine_of(file))
    # A rim of nothing, in which all that lies outside of the grid falls.
    volume = np.pad(to_volume(file, values, np.nan), 1, constant_values=np.nan)
    found = {}
    for side in ("left", "right"):
        inner, outer = (meshes[name].parts[side].coordinates for name in ("white_matter", "pial"))
        depth = (np.arange(DEPTHS) + 0.5) / DEPTHS
        mm = inner + depth[:, None, None] * (outer - inner)  # [DEPTHS, vertices, 3]
        ijk = np.rint(mm @ to_ijk[:3, :3].T + to_ijk[:3, 3]).astype(int) + 1
        ijk = np.clip(ijk, 0, np.array(volume.shape) - 1)
        here = volume[tuple(np.moveaxis(ijk, -1, 0))].astype(float)
        known = np.isfinite(here)
        total = np.where(known, here, 0).sum(0)
        found[side] = np.where(known.any(0), total / np.maximum(known.sum(0), 1), np.nan)
    return found


def _draw(
    found: dict[str, NDArray[np.float64]], title: str, colours: str, path: Path, dpi: int
) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from nilearn.datasets import load_fsaverage, load_fsaverage_data
    from nilearn.plotting import plot_surf_stat_map

    inflated = load_fsaverage("fsaverage5")["inflated"]
    folds = load_fsaverage_data(mesh="fsaverage5", data_type="sulcal").data
    low, high = limits(np.concatenate(list(found.values())), from_zero=colours == "magma")
    kwargs = {"ncols": len(VIEWS), "figsize": (11, 3), "subplot_kw": {"projection": "3d"}}
    with figure(path, dpi, **kwargs) as (fig, axes):
        for axis, (side, view) in zip(axes, VIEWS, strict=True):
            plot_surf_stat_map(
                surf_mesh=inflated.parts[side],
                stat_map=np.clip(found[side], low, high),
                bg_map=folds.parts[side],
                hemi=side,
                view=view,
                engine="matplotlib",
                cmap=colours,
                vmin=low,
                vmax=high,
                symmetric_cbar=False,
                colorbar=False,
                axes=axis,
                figure=fig,
            )
            axis.set_box_aspect(None, zoom=1.5)
            axis.set_title(f"{side}, {view}", fontsize=8)
        fig.suptitle(title, fontsize=9)
        scale = ScalarMappable(Normalize(low, high), colours)
        fig.colorbar(scale, ax=list(axes), shrink=0.7)


def _say(path: Path, words: str, dpi: int) -> None:
    with figure(path, dpi, figsize=(7, 1.2)) as (_, axis):
        axis.text(0.5, 0.5, words, ha="center", va="center", fontsize=8, wrap=True)
        axis.set_axis_off()
