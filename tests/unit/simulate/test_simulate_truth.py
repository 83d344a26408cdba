"""What is planted is what the truth states."""

import json

import h5py
import numpy as np
import pytest

from giblet.errors import ConfigError
from giblet.simulate.bold import noiseless
from giblet.simulate.noise import without_drift
from giblet.simulate.truth import delayed_responses


def correlation(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0) + 1e-12)


def over_runs(study, read, subject):
    return np.concatenate([without_drift(read(subject, run), 1.5) for run in ("run-1", "run-2")])


def test_measured_and_noiseless_correlate_as_stated(wordless):
    study = wordless
    r = correlation(over_runs(study, study.load, "sub-01"), over_runs(study, study.clean, "sub-01"))
    ceiling = study.truth["ceiling"]
    responsive = ceiling > 0
    assert np.abs(np.median(r[responsive] - ceiling[responsive])) < 0.01
    # 400 TRs of noise with memory: about 300 independent ones.
    expected_sd = (1 - ceiling[responsive] ** 2) / np.sqrt(300)
    assert np.std((r[responsive] - ceiling[responsive]) / expected_sd) < 1.3
    assert np.corrcoef(r[responsive], ceiling[responsive])[0, 1] > 0.9
    assert ceiling[responsive].min() >= 0.3
    assert ceiling[responsive].max() <= 0.8


def test_voxels_that_respond_to_nothing_follow_no_response(study):
    measured = over_runs(study, study.load, "sub-01")
    clean = over_runs(study, study.clean, "sub-01")
    null = study.truth["ceiling"] == 0
    assert np.all(clean[:, null] == 0)
    others = correlation(measured[:, null][:, :100], clean[:, ~null][:, :100])
    assert abs(others.mean()) < 0.03
    assert others.std() < 0.12


def test_the_stated_share_of_voxels_responds_each_region_to_its_own(study):
    region, names = study.truth["region"], study.truth["names"]
    assert np.mean(region > 0) == pytest.approx(0.6, abs=0.01)
    assert np.array_equal(study.truth["responds"].any(axis=1), region > 0)
    assert np.array_equal(study.truth["ceiling"] > 0, region > 0)
    responds = {name: study.truth["responds"][region == k] for k, name in enumerate(names)}
    assert all(len(rows) >= 20 for rows in responds.values())
    assert responds["picture+sound"].all(axis=0).tolist() == [True, True, False]
    assert responds["words"].all(axis=0).tolist() == [False, False, True]
    assert responds["all"].all()
    assert not responds["nothing"].any()
    with h5py.File(study.path) as file:
        modality = file["drive_modality"][:]
    used = np.stack([np.any(study.truth["weights"][:, modality == k], axis=1) for k in range(3)], 1)
    assert np.array_equal(used, study.truth["responds"])


@pytest.mark.parametrize("delay_s", [3.0, 5.0, 6.5])
def test_the_response_peaks_at_the_stated_delay_and_never_precedes_its_cause(delay_s):
    fine_tr = "0.25"
    drive = np.zeros((200, 1))
    drive[40] = 1
    response = delayed_responses(drive, np.array([delay_s]), fine_tr)[0, :, 0]
    rest = response[:40]
    assert np.ptp(rest) < 1e-12
    # An event of one TR peaks half a TR after a moment's would.
    peak_s = (response.argmax() - 40) * 0.25
    assert peak_s == pytest.approx(delay_s, abs=0.25)


def test_measured_bold_lags_the_drive_by_the_planted_delay(make_study):
    study = make_study(
        ceiling_low=0.9,
        ceiling_high=0.9,
        delay_jitter_s=1.5,
    )
    with h5py.File(study.path) as file:
        weights = file["weights/sub-01"][:]
        drives = {run: file[f"drives/{run}"][:] for run in ("run-1", "run-2")}
    lags = range(0, 9)
    scores = np.zeros((len(lags), len(weights)))
    for run, drive in drives.items():
        bold = without_drift(study.load("sub-01", run), 1.5)
        cause = drive @ weights.T
        scores += [correlation(cause[: len(cause) - lag], bold[lag:]) for lag in lags]
    responsive = study.truth["ceiling"] > 0
    best = 1.5 * np.array([_peak(column) for column in scores[:, responsive].T])
    planted = study.truth["delay_s"][responsive]
    # The centre of mass of the response lies a little after its peak.
    assert np.corrcoef(best, planted)[0, 1] > 0.8
    assert 0 < np.median(best - planted) < 1


def _peak(scores):
    """Place of the highest of some scores, between them by a parabola."""
    top = int(np.clip(scores.argmax(), 1, len(scores) - 2))
    low, middle, high = scores[top - 1 : top + 2]
    return top + 0.5 * (low - high) / (low - 2 * middle + high)


def test_an_earlier_scene_is_not_felt_before_it_happens():
    rng = np.random.default_rng(0)
    drive = rng.standard_normal((120, 2))
    changed = drive.copy()
    changed[80:] += 5
    delays_s = np.array([3.0, 5.0, 8.0])
    before = delayed_responses(drive, delays_s, "1.5")
    after = delayed_responses(changed, delays_s, "1.5")
    # Only the run's mean, which is removed, knows of what comes later.
    assert np.allclose(np.diff(before[:, :80], axis=1), np.diff(after[:, :80], axis=1))
    assert not np.allclose(np.diff(before[:, 80:], axis=1), np.diff(after[:, 80:], axis=1))


def test_subjects_share_the_stated_part_of_their_response(study):
    responsive = study.truth["ceiling"] > 0
    first = over_runs(study, study.clean, "sub-01")[:, responsive]
    second = over_runs(study, study.clean, "sub-02")[:, responsive]
    r = correlation(first, second)
    assert np.mean(r) == pytest.approx(0.6, abs=0.05)
    sd = np.concatenate([first, second], axis=1).std(axis=0)
    assert np.allclose(sd, np.tile(study.truth["ceiling"][responsive], 2), rtol=1e-3)


def test_delays_scatter_as_stated(study):
    assert np.mean(study.truth["delay_s"]) == pytest.approx(5.0, abs=0.1)
    assert np.std(study.truth["delay_s"]) == pytest.approx(0.7, abs=0.1)


def test_without_signal_there_is_nothing_to_find(silent):
    study = silent
    assert not study.truth["responds"].any()
    assert not study.truth["ceiling"].any()
    assert not study.truth["weights"].any()
    assert np.abs(study.clean("sub-01", "run-1")).max() == 0
    assert study.load("sub-01", "run-1").std() > 0.5


def test_half_the_signal_lowers_the_ceiling_accordingly(make_study, wordless):
    weak = make_study(signal=0.5, scans=False)
    full = wordless.truth["ceiling"]
    expected = 0.5 * full / np.sqrt(0.25 * full**2 + 1 - full**2)
    assert np.allclose(weak.truth["ceiling"], expected, atol=1e-5)


def test_regions_of_what_the_film_lacks_fall_silent(make_study):
    study = make_study(sound=False, scans=False)
    names = study.truth["names"]
    ceiling, region = study.truth["ceiling"], study.truth["region"]
    for name in ("sound", "words", "sound+words", "nothing"):
        assert not ceiling[region == names.index(name)].any()
    assert (ceiling[region == names.index("picture+sound")] > 0).all()
    assert json.loads(study.truth["attrs"]["film_has"]) == ["picture"]
    assert not study.truth["responds"][:, 1:].any()


def test_another_subject_leaves_the_others_as_they_were(make_study, wordless):
    more = make_study(subjects=("sub-00", "sub-01"), scans=False)
    with h5py.File(wordless.path) as one, h5py.File(more.path) as both:
        assert np.array_equal(both["weights/sub-01"][:], one["weights/sub-01"][:])
        assert np.array_equal(noiseless(both, "sub-01", "run-2"), noiseless(one, "sub-01", "run-2"))


def test_ceilings_in_the_wrong_order_are_refused(make_study):
    with pytest.raises(ConfigError, match=r"ceiling_low is 0\.9 and ceiling_high is 0\.8"):
        make_study(ceiling_low=0.9)


def test_voxels_larger_than_brains_are_refused(make_study):
    with pytest.raises(ConfigError, match=r"voxel_mm is 40: only \d+ voxels"):
        make_study(voxel_mm=40)
