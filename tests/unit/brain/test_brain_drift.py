"""The slow part of a run: what cleaning removes, removed from predictions in the same way."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.brain.clean import clean_in_place, regressors
from giblet.brain.drift import Drift
from giblet.errors import BrainError

TR_S = 1.5


@settings(max_examples=40, deadline=None)
@given(
    n_trs=st.integers(20, 400),
    high_pass_hz=st.sampled_from([0.0, 0.004, 0.008, 0.03]),
    detrend=st.booleans(),
)
def test_a_prediction_loses_what_cleaned_bold_lost(n_trs, high_pass_hz, detrend):
    values = np.random.default_rng(n_trs).normal(size=(n_trs, 5)).cumsum(0).astype(np.float32)
    bold = values.copy()
    design = regressors(n_trs, TR_S, high_pass_hz=high_pass_hz, detrend=detrend)
    clean_in_place(bold, design, detrend=detrend)
    left = Drift(high_pass_hz, detrend).out_of(values, TR_S)
    # Without a trend nilearn takes out the cosines, and the mean stays.
    np.testing.assert_allclose(left - left.mean(0), bold - bold.mean(0), atol=1e-3)
    np.testing.assert_allclose(left, Drift(high_pass_hz, detrend).out_of(left, TR_S), atol=1e-3)


def test_the_basis_is_orthonormal():
    basis = Drift(0.008, detrend=True).basis(500, TR_S)
    assert basis.shape == (500, 2 + 12)  # mean, trend, cosines of 2 * 750 s * 0.008 Hz
    np.testing.assert_allclose(basis.T @ basis, np.eye(14), atol=1e-12)


def test_without_a_filter_nothing_changes():
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    np.testing.assert_array_equal(Drift(0, detrend=False).out_of(values, TR_S), values)


@pytest.mark.parametrize("n_trs", [1, 2, 3])
def test_runs_of_a_few_volumes(n_trs):
    left = Drift(0.008, detrend=True).out_of(np.ones((n_trs, 2), np.float32), TR_S)
    np.testing.assert_array_equal(left, 0)


def test_of_columns_that_are_all_drift_nothing_is_left():
    """Not even rounding, which a later z-score would blow up."""
    time = np.arange(200)
    slow = np.cos(np.pi * 2 * (time + 0.5) / 200)
    values = np.stack([np.full(200, 0.3), 5 + 0.1 * time, 7 * slow, time % 2], 1)
    left = Drift(0.008, detrend=True).out_of(values.astype(np.float32), TR_S)
    assert not left[:, :3].any()
    assert left[:, 3].std() == pytest.approx(0.5, rel=0.01)


def test_a_study_that_does_not_say_how_it_was_cleaned_is_refused(tmp_path):
    with h5py.File(tmp_path / "study.h5", "w") as study:
        study.attrs["high_pass_hz"] = 0.01
        with pytest.raises(BrainError, match=r"study\.h5: does not say the detrend of its scans"):
            Drift.of(study)
        study.attrs["detrend"] = False
        assert Drift.of(study) == Drift(0.01, detrend=False)


def test_the_slow_part_is_told_by_the_told_trs_alone():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 4)).cumsum(0).astype(np.float32)
    told = np.zeros(300, bool)
    told[20:200] = True
    changed = np.where(told[:, None], values, 50 * rng.normal(size=values.shape))
    drift = Drift(0.008, detrend=True)
    left = drift.out_of_told(values, TR_S, told)
    np.testing.assert_array_equal(
        left[told], drift.out_of_told(changed.astype(np.float32), TR_S, told)[told]
    )
    # There it is the residual of least squares on the slow columns that the told TRs hold.
    slow = drift.basis(300, TR_S)[told]
    u, s, _ = np.linalg.svd(slow, full_matrices=False)
    u = u[:, s > 0.1 * s[0]]
    expected = values[told] - u @ (u.T @ values[told])
    np.testing.assert_allclose(left[told], expected, atol=1e-3)
    # Over the whole run nothing of the difference is left.
    np.testing.assert_allclose(
        drift.out_of(left, TR_S), drift.out_of(values, TR_S), atol=1e-3 * np.abs(values).max()
    )


def test_told_by_all_trs_is_the_whole_runs():
    values = np.random.default_rng(1).normal(size=(120, 3)).cumsum(0).astype(np.float32)
    basis = Drift(0.008, detrend=True).basis(120, TR_S).astype(float)
    expected = values - basis @ (basis.T @ values.astype(float))
    np.testing.assert_allclose(Drift(0.008, detrend=True).out_of(values, TR_S), expected, atol=1e-5)
