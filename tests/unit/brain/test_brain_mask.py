"""Masks given and computed, other grids, atlas regions."""

import json

import h5py
import nibabel
import numpy as np
import pytest

from giblet.brain.mask import ScanRange, compute_mask, load_mask
from giblet.errors import BrainError
from tests.support import heads
from tests.support.heads import FORMS
from tests.support.scans import AFFINE, noise_scan, write_image

SHAPE = (5, 6, 4)


def block(shape=SHAPE, low=1, high=-1):
    inside = np.zeros(shape, bool)
    inside[low:high, low:high, low:high] = True
    return inside


def head(seed=0, shape=(16, 18, 16), n_volumes=20):
    """A bright ball in noisy, nowhere empty air, and where the ball is."""
    rng = np.random.default_rng(seed)
    centre = (np.array(shape) - 1) / 2
    distance = np.linalg.norm((np.indices(shape).T - centre).T, axis=0)
    ball = distance < 6
    mean = np.where(ball, 1000.0, 40.0)[..., None]
    return (mean + 15 * rng.standard_normal((*shape, n_volumes))).astype(np.float32), ball


@pytest.mark.parametrize("voxel_mm", [4, 8])
@pytest.mark.parametrize("form", FORMS)
def test_the_brain_is_found_in_volumes_of_every_form(study, form, voxel_mm):
    """The coarse ones are the demo's grid, whose 3,666 voxels all are brain."""
    made = heads.head(form, voxel_mm=voxel_mm, n_volumes=4, seed=voxel_mm)
    scan = study.scan(made.bold, affine=made.affine)
    found, _ = compute_mask([ScanRange(str(scan))], method="auto", fraction=1.0, resample=False)
    assert 2 * (found & made.brain).sum() >= 0.95 * (found.sum() + made.brain.sum())
    if form == "stripped":
        np.testing.assert_array_equal(found, made.brain)
        assert found.sum() == {4: 29398, 8: 3666}[voxel_mm]


def test_in_mni_space_what_hangs_on_the_brain_is_cut_off(study):
    """Bright tissue beside the brain, as thick as no opening takes away."""
    made = heads.head("head", voxel_mm=4, n_volumes=4)
    data = made.bold.copy()
    data[:22, :, :25] = 900
    elsewhere = made.affine.copy()
    elsewhere[:3, 3] += [3, -5, 7]
    for affine, least, most in ((elsewhere, 0.5, 0.95), (made.affine, 0.97, 1)):
        path = study.scan(data, "bold.nii", affine=affine)
        found, _ = compute_mask([ScanRange(str(path))], method="auto", fraction=1, resample=False)
        dice = 2 * (found & made.brain).sum() / (found.sum() + made.brain.sum())
        assert least < dice <= most


def computed(study, *scans, method="auto", fraction=1.0, resample=False):
    rows = [ScanRange(str(study.scan(data, f"s{k}.nii.gz"))) for k, data in enumerate(scans)]
    return compute_mask(rows, method=method, fraction=fraction, resample=resample)[0]


def test_a_given_mask_is_taken_as_it_is(study):
    inside = block()
    study.space(mask=study.mask(inside))
    written, grid = load_mask(study.folder / "mask.nii.gz")
    np.testing.assert_array_equal(written, inside)
    np.testing.assert_allclose(grid.affine, AFFINE)
    with h5py.File(study.folder / "space.h5") as file:
        np.testing.assert_array_equal(file["ijk"][:], np.argwhere(inside))
        assert file["ijk"].dtype == np.int32
        expected = nibabel.affines.apply_affine(AFFINE, np.argwhere(inside))
        np.testing.assert_allclose(file["xyz_mm"][:], expected)
        assert tuple(file.attrs["grid_shape"]) == SHAPE
        assert file.attrs["kind"] == "voxels"


def test_an_emptied_background_is_outside(study):
    data = noise_scan() * block()[..., None]
    np.testing.assert_array_equal(computed(study, data), block())
    np.testing.assert_array_equal(computed(study, np.where(data == 0, np.nan, data)), block())


def test_the_head_is_told_from_noisy_air(study):
    data, ball = head()
    for method in ("auto", "epi"):
        found = computed(study, data, method=method)
        # Opening takes the ball's corners.
        assert not (found & ~ball).any()
        assert found.sum() > 0.85 * ball.sum()
    assert computed(study, data, method="nonzero").all()


def test_the_mask_is_what_all_scans_share(study):
    cut = noise_scan() * block()[..., None]
    less = cut.copy()
    less[1] = 0
    np.testing.assert_array_equal(computed(study, cut, less, cut), block() & (less[..., 0] != 0))
    np.testing.assert_array_equal(computed(study, cut, less, cut, fraction=0.6), block())


def test_only_the_runs_own_volumes_count(study):
    data = noise_scan() * block()[..., None]
    data[2, 2, 2, 30:] = 0
    path = str(study.scan(data))
    halves = (ScanRange(path, 0, 30), ScanRange(path, 30, 30))
    first, second = (
        compute_mask([row], method="nonzero", fraction=1.0, resample=False)[0] for row in halves
    )
    assert first[2, 2, 2]
    assert not second[2, 2, 2]


def test_scans_of_another_grid_are_brought_to_the_first(study):
    data, ball = head()
    fine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    other = study.scan(
        np.repeat(np.repeat(np.repeat(data, 2, 0), 2, 1), 2, 2), "f.nii", affine=fine
    )
    rows = [ScanRange(str(study.scan(data))), ScanRange(str(other))]
    with pytest.raises(BrainError, match="brain/resample"):
        compute_mask(rows, method="epi", fraction=1.0, resample=False)
    found, grid = compute_mask(rows, method="epi", fraction=1.0, resample=True)
    assert grid.shape == ball.shape
    assert (found & ball).sum() / (found | ball).sum() > 0.8


def test_regions_come_from_the_nearest_label(study):
    inside = block()
    labels = np.zeros(SHAPE, np.int16)
    labels[:3], labels[3:] = 7, 12
    labels[1, 1, 1] = 0
    table = study.folder / "labels.tsv"
    table.write_text("index\tname\n7\tleft half\n12\tright half\n99\tabsent\n")
    fine = np.repeat(np.repeat(np.repeat(labels, 3, 0), 3, 1), 3, 2)
    third = AFFINE @ np.diag([1 / 3, 1 / 3, 1 / 3, 1])
    third[:3, 3] = (AFFINE @ [-1 / 3, -1 / 3, -1 / 3, 1])[:3]
    for data, affine in ((labels, AFFINE), (fine, third)):
        atlas = write_image(study.folder / "atlas.nii.gz", data, affine=affine)
        study.space(mask=study.mask(inside), atlas=atlas, atlas_labels=table)
        with h5py.File(study.folder / "space.h5") as file:
            np.testing.assert_array_equal(file["region"][:], labels[inside])
            names = json.loads(file.attrs["region_names"])
    assert names == {"7": "left half", "12": "right half"}


def test_regions_without_a_table_are_numbered(study):
    atlas = write_image(study.folder / "atlas.nii.gz", np.full(SHAPE, 3, np.int16))
    study.space(mask=study.mask(block()), atlas=atlas)
    with h5py.File(study.folder / "space.h5") as file:
        assert json.loads(file.attrs["region_names"]) == {"3": "region-3"}
