"""Whole runs: scan in, cleaned time courses out."""

import h5py
import numpy as np
import pytest
from nilearn.masking import apply_mask

from giblet.brain.mask import load_mask
from giblet.notices import InputWarning
from giblet.store import reading
from tests.support.real import real_file
from tests.support.scans import AFFINE, noise_scan

SHAPE = (5, 6, 4)


def ball_mask(seed=3, shape=SHAPE):
    return np.random.default_rng(seed).random(shape) > 0.4


def bold_of(path):
    with h5py.File(path) as file:
        return file["bold"][:]


def test_voxels_stand_in_nilearns_order(study):
    scan = study.scan(noise_scan())
    mask = study.mask(ball_mask())
    study.space(mask=mask)
    np.testing.assert_array_equal(bold_of(study.raw(scan)), apply_mask(scan, mask))


def test_the_file_says_what_it_holds(study):
    study.space(mask=study.mask(ball_mask()))
    out = study.run(study.scan(noise_scan()))
    with reading(out, stage="brain", tr_s="3/2") as file:
        assert file.attrs["run"] == "run-1"
        assert file["bold"].dtype == np.float32
        assert file["bold"].shape == (60, ball_mask().sum())
        assert file["bold"].chunks[0] == 16
        assert file["valid"].dtype == bool
        np.testing.assert_array_equal(file["measured"][:], np.ones(60, bool))
        assert file["valid"][:].all()
        assert (file.attrs["n_nan"], file.attrs["n_constant"]) == (0, 0)


def test_one_file_holds_two_runs(study):
    data = noise_scan()
    scan = study.scan(data)
    study.space(mask=study.mask(ball_mask()))
    whole = bold_of(study.raw(scan))
    parts = [
        study.raw(scan, out="a.h5", first_volume=0, n_volumes=25),
        study.raw(scan, out="b.h5", first_volume=25, n_volumes=35),
        study.raw(scan, out="c.h5", first_volume=25),
    ]
    np.testing.assert_array_equal(bold_of(parts[0]), whole[:25])
    np.testing.assert_array_equal(bold_of(parts[1]), whole[25:])
    np.testing.assert_array_equal(bold_of(parts[2]), whole[25:])
    # Cleaned by itself: the other run in the file is not looked at.
    alone = study.scan(data[..., 25:], "alone.nii")
    cut = study.run(scan, out="d.h5", first_volume=25)
    np.testing.assert_allclose(bold_of(cut), bold_of(study.run(alone, out="e.h5")), atol=1e-4)


def test_nan_and_constant_voxels_are_counted(study):
    data = noise_scan()
    data[0, 0, 0, 7] = np.nan
    data[1, 1, 1] = np.inf
    data[2, 2, 2] = 500
    data[3, 3, 3] = 0
    study.space(mask=study.mask(np.ones(SHAPE, bool)))
    with h5py.File(study.run(study.scan(data))) as file:
        assert (file.attrs["n_nan"], file.attrs["n_constant"]) == (2, 2)
        bad = np.flatnonzero(~file["valid"][:])
        expected = np.ravel_multi_index(np.array([(k, k, k) for k in range(4)]).T, SHAPE)
        np.testing.assert_array_equal(bad, np.sort(expected))
        assert not file["bold"][:, bad].any()
        assert np.isfinite(file["bold"][:]).all()


def test_motion_is_regressed_out(study):
    rng = np.random.default_rng(0)
    motion = np.cumsum(rng.standard_normal((60, 6)), axis=0)
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    table = study.folder / "confounds.tsv"
    table.write_text(
        "\t".join([*names, "trans_x_derivative1"])
        + "\n"
        + "".join("\t".join([*map(repr, map(float, row)), "n/a"]) + "\n" for row in motion)
    )
    data = noise_scan() + 20 * motion.sum(axis=1).astype(np.float32)
    study.space(mask=study.mask(ball_mask()))
    scan = study.scan(data)
    with h5py.File(study.run(scan, confounds=table)) as file:
        assert file.attrs["n_confounds"] == 6
        r = np.corrcoef(file["bold"][:].T, motion.sum(axis=1))[-1, :-1]
    assert np.abs(r).max() < 1e-3
    without = bold_of(study.run(scan, confounds=table, confound_columns=[]))
    assert np.abs(np.corrcoef(without.T, motion.sum(axis=1))[-1, :-1]).min() > 0.1


def test_smoothing_is_nilearns_and_keeps_missing_voxels_missing(study):
    from nilearn.image import smooth_img

    data = noise_scan()
    mask = study.mask(ball_mask())
    study.space(mask=mask)
    scan = study.scan(data)
    expected = apply_mask(smooth_img(str(scan), 6), mask)
    np.testing.assert_allclose(bold_of(study.raw(scan, smoothing_fwhm_mm=6)), expected, rtol=1e-5)
    hole = tuple(np.argwhere(ball_mask())[5])
    data[(*hole, 9)] = np.nan
    with h5py.File(study.run(study.scan(data, "nan.nii"), smoothing_fwhm_mm=6)) as file:
        assert file.attrs["n_nan"] == 1
        assert not file["valid"][5]


def test_another_grid_is_resampled_when_asked(study):
    from nilearn.image import resample_to_img

    # Half a voxel aside, from a larger grid.
    moved = AFFINE.copy()
    moved[:3, 3] += [1.5, -1.5, -1.5]
    scan = study.scan(noise_scan(shape=(9, 9, 8, 20)), affine=moved)
    mask = study.mask(ball_mask())
    study.space(mask=mask)
    expected = apply_mask(
        resample_to_img(
            str(scan), str(mask), interpolation="linear", copy_header=True, force_resample=True
        ),
        mask,
    )
    found = bold_of(study.raw(scan, resample=True))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_header_without_a_tr_only_warns(study):
    study.space(mask=study.mask(ball_mask()))
    with pytest.warns(InputWarning, match="states no TR; taking tr_s, 1.5 s"):
        study.run(study.scan(noise_scan(), tr_s=0))


@pytest.mark.parametrize(("tr_s", "unit"), [(1500, "msec"), (1.50001, "sec")])
def test_the_same_tr_in_other_words_is_fine(study, tr_s, unit, recwarn):
    study.space(mask=study.mask(ball_mask()))
    study.run(study.scan(noise_scan(), tr_s=tr_s, unit=unit))
    assert not [one for one in recwarn if issubclass(one.category, InputWarning)]


def test_a_wrong_header_can_be_overruled(study):
    study.space(mask=study.mask(ball_mask()))
    study.run(study.scan(noise_scan(), tr_s=2.0), check_tr=False)


def test_paths_with_spaces_and_quotes(study):
    study.space(mask=study.mask(ball_mask(), "the 'mask' [1].nii.gz"))
    out = study.run(study.scan(noise_scan(), 'her "first" run*.nii.gz'), out="a b.h5")
    assert bold_of(out).shape[0] == 60


@pytest.mark.parametrize("number", [1, 2])
def test_real_scans_are_read_masked_and_filtered(study, number):
    scan = real_file(f"haxby/run-0{number}_bold.nii.gz")
    mask = real_file("haxby/brain.nii.gz")
    study.space(mask=mask)
    raw = bold_of(study.raw(scan, tr_s="2.5"))
    expected = apply_mask(scan, mask)
    assert raw.shape == (121, expected.shape[1])
    np.testing.assert_array_equal(raw, expected)
    with h5py.File(study.run(scan, tr_s=2.5)) as file:
        bold, valid = file["bold"][:], file["valid"][:]
    assert valid.mean() > 0.95
    power = np.abs(np.fft.rfft(bold[:, valid], axis=0)) ** 2
    before = np.abs(np.fft.rfft(raw[:, valid] - raw[:, valid].mean(0), axis=0)) ** 2
    hz = np.fft.rfftfreq(121, 2.5)
    slow = (hz > 0) & (hz < 0.006)
    fast = hz > 0.02
    assert np.median(power[slow].sum(0) / before[slow].sum(0)) < 0.1
    assert np.median(power[fast].sum(0) / before[fast].sum(0)) == pytest.approx(1, abs=0.05)


def test_a_mask_is_found_in_real_scans(study):
    scans = [real_file(f"haxby/run-0{k}_bold.nii.gz") for k in (1, 2)]
    study.space(*scans)
    study.run(scans[0], tr_s="2.5")
    found, _ = load_mask(study.folder / "mask.nii.gz")
    brain, _ = load_mask(real_file("haxby/brain.nii.gz"))
    # Of voxels of 25 mm only the bright ones are surely brain; hardly one outside is taken.
    assert found.sum() > 0.5 * brain.sum()
    assert (found & brain).sum() > 0.95 * found.sum()
