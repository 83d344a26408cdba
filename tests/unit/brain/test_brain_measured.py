"""Laws of volumes that measured nothing: they are found, and the others do not know of them."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.brain.clean import clean_in_place, regressors
from giblet.brain.measured import FullScale, survey
from giblet.brain.oddities import remarks
from giblet.brain.scans import open_scan
from giblet.brain.series import arranged
from giblet.errors import BrainError
from giblet.notices import InputWarning
from tests.support.scans import write_image

TR_S = 1.5


def bold(n_volumes, n_voxels=30, seed=0):
    rng = np.random.default_rng(seed)
    drift = 20 * np.linspace(-1, 1, n_volumes)[:, None] * rng.standard_normal(n_voxels)
    return (1000 + drift + 10 * rng.standard_normal((n_volumes, n_voxels))).astype(np.float32)


def least_squares(values, measured, high_pass_hz, detrend, confounds):
    """What a fit to the measured volumes leaves of them, by the book."""
    from nilearn.signal import create_cosine_drift

    times = np.arange(len(values))
    columns = [np.ones((len(times), 1)), confounds]
    if high_pass_hz:
        columns.append(create_cosine_drift(high_pass_hz, times * TR_S)[:, :-1])
    if detrend:
        columns.append(times[:, None] / len(times))
    design = np.hstack(columns)[measured]
    exact = values[measured].astype(np.float64)
    fitted = design @ np.linalg.lstsq(design, exact, rcond=1e-9)[0]
    # Without a trend the mean stays.
    return exact - fitted + (0 if detrend else exact.mean(axis=0))


@settings(max_examples=25, deadline=None)
@given(
    n_volumes=st.integers(40, 120),
    gone=st.sets(st.integers(0, 39), max_size=20),
    filler=st.sampled_from([0.0, np.nan, "before"]),
    high_pass_hz=st.sampled_from([0.0, 0.01]),
    detrend=st.booleans(),
)
def test_the_others_are_fitted_as_if_these_did_not_exist(
    n_volumes, gone, filler, high_pass_hz, detrend
):
    values = bold(n_volumes, seed=n_volumes)
    confounds = np.random.default_rng(1).standard_normal((n_volumes, 2)).cumsum(0)
    gone = sorted(gone - {0}) if filler == "before" else sorted(gone)
    for t in gone:
        values[t] = values[t - 1] if filler == "before" else filler
    expected = np.setdiff1d(np.arange(n_volumes), gone)
    measured = survey(values).measured
    np.testing.assert_array_equal(np.flatnonzero(measured), expected)
    settings = {"high_pass_hz": high_pass_hz, "detrend": detrend}
    design = regressors(n_volumes, TR_S, confounds=confounds, measured=measured, **settings)
    cleaned = values.copy()
    quality = clean_in_place(cleaned, design, detrend=detrend, measured=measured)
    assert quality.valid.all()
    assert not cleaned[~measured].any()
    left = least_squares(values, measured, confounds=confounds, **settings)
    np.testing.assert_allclose(cleaned[measured], left, atol=2e-3)


@settings(max_examples=15, deadline=None)
@given(n_volumes=st.integers(30, 200), detrend=st.booleans())
def test_a_run_that_is_all_measured_is_fitted_alike(n_volumes, detrend):
    """nilearn's fit of the whole run, and the one of its measured volumes, meet."""
    values = bold(n_volumes, seed=n_volumes)
    with_one_more = np.vstack([values, np.zeros((1, values.shape[1]), np.float32)])
    measured = np.r_[np.ones(n_volumes, bool), False]
    whole, part = values.copy(), with_one_more.copy()
    clean_in_place(whole, None, detrend=detrend)
    clean_in_place(part, None, detrend=detrend, measured=measured)
    np.testing.assert_allclose(part[:-1], whole, atol=2e-3)


@settings(max_examples=30, deadline=None)
@given(gone=st.sets(st.integers(1, 22), max_size=8), start=st.integers(0, 300))
def test_missing_files_keep_the_times_of_the_others(tmp_path_factory, gone, start):
    folder = tmp_path_factory.mktemp("series")
    there = [k for k in range(24) if k not in gone]
    files = [folder / f"vol_{start + k}.nii" for k in there]
    found = arranged([str(path) for path in reversed(files)])
    at = np.cumsum(np.array(found.gaps) + 1) - 1
    # A run of files with every second missing counts in steps of two.
    if np.unique(np.diff(there), return_counts=True)[1].max() * 2 >= len(there) - 1:
        step = np.bincount(np.diff(there)).argmax()
        if step == 1:
            np.testing.assert_array_equal(at, there)
    assert list(found.files) == [str(path) for path in files]


def test_a_missing_volume_is_nan_in_its_place(tmp_path):
    data = np.random.default_rng(0).standard_normal((3, 3, 3, 6)).astype(np.float32)
    for k in (0, 1, 2, 4, 5):
        write_image(tmp_path / f"v_{k}.nii", data[..., k : k + 1], tr_s=TR_S)
    with pytest.warns(InputWarning, match=r"1 of 6 volumes are missing .*\(volumes 3, counted"):
        scan = open_scan(tmp_path)
    read = np.concatenate([volumes for _, volumes in scan.chunks(0, 6)], axis=3)
    assert np.isnan(read[..., 3]).all()
    np.testing.assert_array_equal(np.delete(read, 3, 3), np.delete(data, 3, 3))
    np.testing.assert_array_equal(scan.missing, [0, 0, 0, 1, 0, 0])


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_voxels=st.sampled_from([1, 3, 40, 400]),
    ar1=st.sampled_from([0.0, 0.4, 0.8]),
    level=st.sampled_from([0.0, 1000.0]),
    whole=st.booleans(),
)
def test_nothing_is_said_of_a_good_run(seed, n_voxels, ar1, level, whole):
    """Noise with a memory, drift, a global response and slow motion raise no alarm."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((200, n_voxels))
    for t in range(1, 200):
        noise[t] = ar1 * noise[t - 1] + np.sqrt(1 - ar1**2) * noise[t]
    drift = np.cumsum(rng.standard_normal((200, 1)), axis=0) / 5
    shared = np.convolve(rng.standard_normal(200), np.hanning(9), "same")[:, None]
    values = level + 10 * noise + 8 * drift + 5 * shared
    values = np.rint(values) if whole else values
    values = values.astype(np.float32)
    full_scale = FullScale(np.dtype(np.int16), 1.0, 0.0) if whole else None
    found = survey(values, None, full_scale)
    assert found.measured.all()
    assert list(remarks("bold.nii", found, values, 0, full_scale)) == []


def test_volumes_are_numbered_as_in_their_file():
    values = bold(60)
    values[30] = 0
    (said,) = remarks("bold.nii", survey(values), values, first=100)
    assert "volumes 130 are empty" in said


def test_zeros_of_a_few_parcels_may_be_measurements():
    values = np.rint(np.random.default_rng(0).standard_normal((80, 2))).astype(np.float32)
    assert (values == 0).all(axis=1).any()
    assert survey(values).measured.all()


def test_too_few_measured_volumes_are_refused():
    values = bold(60)
    values[5:] = 0
    measured = survey(values).measured
    assert measured.sum() == 5
    with pytest.raises(BrainError, match="leave nothing of 5 volumes"):
        regressors(60, TR_S, high_pass_hz=0.02, detrend=True, measured=measured)


def test_surveying_says_nothing_of_numbers_it_cannot_handle():
    values = bold(40)
    values[3, 2], values[9, 4], values[20, 5] = np.inf, np.nan, 1e38
    values[21, 5] = -1e38
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert survey(values).measured.all()
