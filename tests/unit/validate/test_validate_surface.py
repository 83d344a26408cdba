"""Maps on the surface: put where their millimetres say, and only for scans in MNI space."""

import json

import h5py
import nibabel
import numpy as np
import pytest
from matplotlib import image
from nilearn.datasets import load_fsaverage

from giblet.errors import ValidationError
from giblet.store import writing
from giblet.validate.fmri_surface import SURFACES, draw_surfaces, on_surface, says_mni

AFFINE = np.array([[6.0, 0, 0, -90], [0, 6, 0, -126], [0, 0, 6, -72], [0, 0, 0, 1]])
SHAPE = (31, 37, 31)


def voxels_file(path, kind="voxels", shift_mm=0.0):
    """Every voxel of a box around the brain, its r the millimetres to the right."""
    affine = AFFINE.copy()
    affine[:3, 3] += shift_mm
    ijk = np.argwhere(np.ones(SHAPE)).astype(np.int32)
    with writing(path, stage="validate") as file:
        file.attrs.update(kind=kind, grid_shape=SHAPE, fdr_q=0.05)
        file.attrs["subjects"] = json.dumps(["sub-01"])
        file["ijk"], file["affine"] = ijk, affine
        x_mm = ijk @ affine[:3, :3].T[:, 0] + affine[0, 3]
        for name in ("r", "r_ridge", "r_normalised"):
            file[f"sub-01/{name}"] = (x_mm / 100).astype(np.float32)
        file["sub-01/delay_s"] = np.full(len(ijk), 5, np.float32)
        file["sub-01/q_ridge"] = np.where(x_mm > 0, 0.01, 0.5).astype(np.float32)
    return path


def scan(path, code):
    picture = nibabel.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE)
    picture.header.set_sform(AFFINE, code)
    picture.header.set_qform(AFFINE, 0)
    picture.to_filename(path)
    return path


def test_vertices_take_the_voxels_they_lie_in(tmp_path):
    meshes = load_fsaverage("fsaverage5")
    with h5py.File(voxels_file(tmp_path / "voxels.h5")) as file:
        found = on_surface(file, file["sub-01/r"][:])
        half = on_surface(file, np.where(file["sub-01/r"][:] > 0, 1.0, np.nan))
    for side in ("left", "right"):
        inner, outer = (meshes[m].parts[side].coordinates[:, 0] for m in ("white_matter", "pial"))
        # The mean over the cortex's depth; voxels are 6 mm wide.
        np.testing.assert_allclose(100 * found[side], (inner + outer) / 2, atol=3.1)
    assert np.isfinite(half["right"]).mean() > 0.95
    assert np.isnan(half["left"]).mean() > 0.95


@pytest.mark.parametrize(("code", "says"), [(4, True), (1, False), (0, False)])
def test_the_header_says_whether_scans_are_in_mni_space(tmp_path, code, says):
    assert says_mni(scan(tmp_path / "scan.nii.gz", code)) == says


def colourful(path):
    pixels = image.imread(path)[..., :3]
    return np.ptp(pixels, axis=2).max() > 0.3


def test_surfaces_of_mni_scans_are_drawn(tmp_path):
    path = voxels_file(tmp_path / "voxels.h5")
    reference = scan(tmp_path / "scan.nii.gz", 4)
    draw_surfaces(path, reference, tmp_path, space="auto", dpi=40)
    assert all(colourful(tmp_path / f"surface_{name}.png") for name in SURFACES)


@pytest.mark.parametrize(
    ("kind", "code", "space", "why"),
    [
        ("voxels", 1, "auto", "does not say MNI space"),
        ("voxels", 4, "native", "brain/space is native"),
        ("parcels", 4, "mni", "parcels, which have no place"),
    ],
)
def test_others_are_skipped_in_words(tmp_path, capsys, kind, code, space, why):
    path = voxels_file(tmp_path / "voxels.h5", kind)
    draw_surfaces(path, scan(tmp_path / "s.nii.gz", code), tmp_path, space=space, dpi=40)
    assert why in capsys.readouterr().out
    assert not any(colourful(tmp_path / f"surface_{name}.png") for name in SURFACES)


def test_scans_elsewhere_are_refused_as_mni(tmp_path, capsys):
    path = voxels_file(tmp_path / "voxels.h5", shift_mm=400)
    reference = scan(tmp_path / "scan.nii.gz", 4)
    with pytest.raises(ValidationError, match=r"only 0.0% of the vertices of fsaverage5"):
        draw_surfaces(path, reference, tmp_path, space="mni", dpi=40)
    draw_surfaces(path, reference, tmp_path, space="auto", dpi=40)
    assert "no surface: only 0.0%" in capsys.readouterr().out
