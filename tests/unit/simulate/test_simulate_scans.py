"""Scans of simulated subjects: geometry, noise, and the same bytes for the same seed."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from giblet.errors import StoreError
from giblet.simulate.anatomy import mni_grid
from giblet.simulate.nifti import volumes
from giblet.simulate.noise import (
    MOTION_COLUMNS,
    ar1_blocks,
    ar1_share_kept,
    drift_basis,
    head_motion,
    without_drift,
)
from tests.unit.simulate.conftest import Study, scan_subject


def test_scans_lie_in_mni_space_with_their_tr(study):
    image = nibabel.load(study.bold["sub-01", "run-1"])
    assert image.shape == (13, 15, 13, 220)
    assert image.header.get_zooms()[3] == pytest.approx(1.5)
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert np.allclose(image.affine, study.truth["affine"])
    assert np.allclose(image.affine[:3, 3], (-90, -126, -72))
    assert int(image.header["sform_code"]) == 4
    data = image.get_fdata(dtype=np.float32)
    inside = np.zeros(image.shape[:3], dtype=bool)
    inside[tuple(study.truth["ijk"].T)] = True
    assert np.all(data[~inside] == 0)
    assert np.all(data[inside].mean(axis=1) > 600)
    assert data[inside].mean() == pytest.approx(1000, abs=20)


def test_the_brain_is_where_mni_has_it():
    grid = mni_grid(8)
    assert grid.shape == (23, 28, 23)
    assert len(grid.ijk) == 3666
    assert np.allclose(grid.xyz_mm.mean(axis=0), (0, -20, 10), atol=6)
    assert mni_grid(3).shape == (61, 73, 61)


def test_same_seed_same_bytes_other_seed_other_noise(study, tmp_path):
    pairs = [("sub-01", "run-1"), ("sub-01", "run-2")]
    bold = {pair: tmp_path / f"{pair[1]}_again.nii.gz" for pair in pairs}
    tables = {pair: tmp_path / f"{pair[1]}_again.tsv" for pair in pairs}
    scan_subject(study.path, "sub-01", bold, tables)
    for pair in pairs:
        assert bold[pair].read_bytes() == study.bold[pair].read_bytes()
        assert tables[pair].read_bytes() == study.tables[pair].read_bytes()
    scan_subject(study.path, "sub-01", bold, tables, seed=4)
    assert bold["sub-01", "run-1"].read_bytes() != study.bold["sub-01", "run-1"].read_bytes()


def test_subjects_and_runs_have_noise_of_their_own(study):
    null = study.truth["ceiling"] == 0
    noise = {
        pair: without_drift(study.load(*pair)[:180], 1.5)[:, null][:, :50].ravel()
        for pair in (("sub-01", "run-1"), ("sub-01", "run-2"), ("sub-02", "run-1"))
    }
    r = np.corrcoef(list(noise.values()))
    assert np.abs(r[np.triu_indices(3, 1)]).max() < 0.06


@pytest.fixture
def rescan(silent, tmp_path):
    """Function that scans the study without signal again, with other settings."""

    def scan(**settings):
        bold = {("sub-01", run): tmp_path / f"{run}.nii.gz" for run in ("run-1", "run-2")}
        tables = {("sub-01", run): tmp_path / f"{run}.tsv" for run in ("run-1", "run-2")}
        scan_subject(silent.path, "sub-01", bold, tables, **settings)
        return Study(truth=silent.truth, bold=bold, tables=tables)

    return scan


def test_confounds_tell_what_motion_did(rescan):
    study = rescan(drift=0.0, motion=3.0)
    moved = pd.read_csv(study.tables["sub-01", "run-1"], sep="\t")
    assert tuple(moved.columns) == MOTION_COLUMNS
    assert len(moved) == 220
    design = np.column_stack([np.ones(220), moved])
    bold = study.load("sub-01", "run-1")
    left = bold - design @ np.linalg.lstsq(design, bold, rcond=None)[0]
    assert 1 - left.var() / bold.var() > 0.8
    assert left.std() == pytest.approx(1.0, abs=0.1)


def test_drift_is_slow_and_of_the_stated_size(rescan, silent):
    drift = rescan(drift=2.0, motion=0.0).load("sub-01", "run-1") - silent.load("sub-01", "run-1")
    assert drift.std() == pytest.approx(2.0, rel=0.1)
    assert np.allclose(without_drift(drift, 1.5), 0, atol=0.1)


def test_noise_has_the_stated_memory_and_variance_whatever_the_block():
    blocks = [
        np.concatenate(list(ar1_blocks(np.random.default_rng(1), 301, 200, 0.6, block)))
        for block in (7, 64)
    ]
    assert np.array_equal(*blocks)
    noise = blocks[0]
    assert noise.shape == (301, 200)
    assert noise.var() == pytest.approx(1, abs=0.05)
    assert (noise[1:] * noise[:-1]).mean() == pytest.approx(0.6, abs=0.05)
    assert (noise[2:] * noise[:-2]).mean() == pytest.approx(0.36, abs=0.05)


def test_share_of_the_noise_that_cleaning_leaves():
    noise = np.concatenate(list(ar1_blocks(np.random.default_rng(2), 120, 4000, 0.5, 32)))
    left = without_drift(noise.astype(float), 1.5).var(axis=0).mean()
    assert left == pytest.approx(ar1_share_kept(0.5, 120, 1.5), abs=0.01)


def test_drift_is_what_nilearn_takes_for_drift():
    from nilearn.glm.first_level.design_matrix import create_cosine_drift

    basis = drift_basis(300, 1.5)
    theirs = create_cosine_drift(1 / 128, np.arange(300) * 1.5)
    assert basis.shape[1] + 1 == theirs.shape[1]
    left = basis - theirs @ np.linalg.lstsq(theirs, basis, rcond=None)[0]
    assert np.abs(left).max() < 1e-8


def test_motion_stays_within_what_people_do():
    moved = head_motion(np.random.default_rng(0), 400, 1.5)
    assert moved.shape == (400, 6)
    assert 0.02 < moved[:, :3].std() < 2
    assert 1e-4 < moved[:, 3:].std() < 0.05


def test_values_survive_the_file_in_steps_of_a_sixteenth(tmp_path):
    ijk = np.array([[0, 0, 0], [2, 1, 0], [1, 2, 3]], dtype=np.int32)
    values = np.random.default_rng(0).uniform(0, 1500, (5, 3))
    affine = np.diag([3.0, 3, 3, 1])
    path = tmp_path / "scan.nii.gz"
    with volumes(path, shape=(3, 3, 4), n_volumes=5, affine=affine, ijk=ijk, tr_s=2.0) as out:
        out.write(values[:2])
        out.write(values[2:])
    data = nibabel.load(path).get_fdata()
    assert np.abs(data[tuple(ijk.T)].T - values).max() <= 1 / 32
    assert np.count_nonzero(data) == 15


def test_truth_of_another_study_is_refused(study, tmp_path):
    pair = {("sub-09", run): tmp_path / f"{run}.nii.gz" for run in ("run-1", "run-2")}
    with pytest.raises(StoreError, match="no subject 'sub-09', only sub-01, sub-02"):
        scan_subject(study.path, "sub-09", pair, pair)
    with pytest.raises(StoreError, match=r"made for a TR of 1\.5 s, the study has 2\.0 s"):
        scan_subject(study.path, "sub-01", study.bold, study.tables, tr_s="2")
