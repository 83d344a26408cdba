"""Shifted, swapped and doubled scans are found, and chance is not taken for them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from giblet.brain.ceiling import make_ceiling
from giblet.brain.lags import check_scans, lag_curve, misfits, most_shared
from giblet.errors import BrainError
from giblet.notices import InputWarning
from giblet.store import writing

RESPONSE = np.exp(-((np.arange(14) - 4.0) ** 2) / 6)


def slow(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Autocorrelated noise of variance 1 over the first axis."""
    return lfilter([0.87], [1, -0.5], rng.standard_normal(shape), axis=0)


def viewers(
    rng: np.random.Generator,
    isc: float,
    *,
    subjects: int = 5,
    n_runs: int = 2,
    n_trs: int = 240,
    n_voxels: int = 60,
    shift: tuple[int, int, int] = (0, 0, 0),
    swapped: int | None = None,
) -> dict[tuple[str, str], np.ndarray]:
    """Scans whose pairs correlate by `isc` in half of the voxels; the rest is noise.

    Parameters
    ----------
    shift : subject, run, and the TRs that its response comes later there
    swapped : subject whose first two runs stand for each other
    """
    scans = {}
    mixed = rng.standard_normal((15, n_voxels))
    for run in range(n_runs):
        film = lfilter(RESPONSE, [1], slow(rng, n_trs + 60, n_voxels), axis=0)
        film /= film.std(0)
        film[:, n_voxels // 2 :] = 0
        for subject in range(subjects):
            # What voxels of one head have in common: movement, breath.
            own = slow(rng, n_trs + 60, 15) @ mixed + 3 * slow(rng, n_trs + 60, n_voxels)
            bold = np.sqrt(isc) * film + np.sqrt(1 - isc) * own / own.std(0)
            start = 30 - (shift[2] if shift[:2] == (subject, run) else 0)
            scans[f"sub-{subject}", f"run-{run}"] = bold[start : start + n_trs]
    if swapped is not None:
        one, two = ((f"sub-{swapped}", f"run-{run}") for run in (0, 1))
        scans[one], scans[two] = scans[two], scans[one]
    return scans


def found(scans: dict[tuple[str, str], np.ndarray], repeats: dict[str, str] | None = None):
    half = next(iter(scans.values())).shape[1] // 2
    unit = {}
    for name, bold in scans.items():
        own = bold[:, :half] - bold[:, :half].mean(0)
        unit[name] = (own / np.linalg.norm(own, axis=0)).astype(np.float32)
    return list(misfits(unit, repeats or {}))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), isc=st.sampled_from([0, 0.03, 0.1, 0.3]))
def test_viewers_who_fit_or_share_nothing_are_left_alone(seed: int, isc: float) -> None:
    assert found(viewers(np.random.default_rng(seed), isc)) == []


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    lag=st.integers(3, 25).flatmap(lambda lag: st.sampled_from([lag, -lag])),
    subjects=st.integers(4, 6),
)
def test_a_shifted_scan_is_found_with_its_lag(seed: int, lag: int, subjects: int) -> None:
    scans = viewers(np.random.default_rng(seed), 0.2, subjects=subjects, shift=(1, 1, lag))
    (one,) = found(scans)
    assert (one.subject, one.run, one.run_instead) == ("sub-1", "run-1", "")
    assert abs(one.lag - lag) <= 1
    assert one.n_others == subjects - 1
    assert one.r_there > one.r


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), n_runs=st.integers(2, 3))
def test_swapped_runs_are_found_in_both(seed: int, n_runs: int) -> None:
    scans = viewers(np.random.default_rng(seed), 0.2, n_runs=n_runs, swapped=2)
    assert [(one.subject, one.run, one.run_instead) for one in found(scans)] == [
        ("sub-2", "run-0", "run-1"),
        ("sub-2", "run-1", "run-0"),
    ]


def test_runs_of_one_film_are_not_taken_for_swapped() -> None:
    scans = viewers(np.random.default_rng(0), 0.2, n_runs=1)
    again = viewers(np.random.default_rng(0), 0.2, n_runs=1)
    rng = np.random.default_rng(1)
    for (subject, _), bold in again.items():
        scans[subject, "run-1"] = bold + rng.standard_normal(bold.shape)
    assert found(scans, {"run-1": "run-0"}) == []


def test_of_two_subjects_either_may_be_shifted() -> None:
    scans = viewers(np.random.default_rng(2), 0.4, subjects=2, shift=(1, 0, 7))
    (one,) = found(scans)
    assert (one.n_others, one.run) == (1, "run-0")
    assert abs(one.lag + 7) <= 1


def test_the_curve_is_the_correlation_at_each_lag() -> None:
    rng = np.random.default_rng(0)
    own, rest = (x / np.linalg.norm(x, axis=0) for x in rng.standard_normal((2, 50, 4)))
    curve = lag_curve(own.astype(np.float32), rest.astype(np.float32), 5)
    for lag in range(-5, 6):
        a, b = (own[lag:], rest[: 50 - lag]) if lag >= 0 else (own[:lag], rest[-lag:])
        assert curve[lag + 5] == pytest.approx((a * b).sum(0).mean(), abs=1e-6)


def test_voxels_that_nobody_has_are_taken_last() -> None:
    shared = {"a": np.array([0.1, np.nan, 0.3]), "b": np.array([np.nan, np.nan, -0.5])}
    assert most_shared(shared).tolist() == [0, 1, 2]


def write(folder, scans, measured=None):
    paths = {}
    for (subject, run), bold in scans.items():
        path = folder / f"{subject}_{run}.h5"
        with writing(path, stage="brain", run=run, tr_s="1.5") as file:
            file["bold"] = bold.astype(np.float32)
            file["valid"] = np.ones(bold.shape[1], bool)
            if measured is not None:
                file["measured"] = measured[subject, run]
        paths.setdefault(run, {})[subject] = path
    return paths


def shared(scans):
    names = dict.fromkeys(subject for subject, _ in scans)
    n_voxels = next(iter(scans.values())).shape[1]
    isc = np.where(np.arange(n_voxels) < n_voxels // 2, 0.3, 0.0)
    return dict.fromkeys(names, isc)


def test_a_shifted_scan_is_said_in_words(tmp_path) -> None:
    scans = viewers(np.random.default_rng(0), 0.3, n_runs=1, shift=(3, 0, 4))
    with pytest.warns(
        InputWarning,
        match=r"sub-3_run-0\.h5: sub-3 run-0 looks shifted by 4 TRs \(6\.0 s\) against the other 4 "
        r"subjects: r 0\.\d\d at that lag, -?0\.\d\d as it is; check movie_onset_s",
    ):
        check_scans(write(tmp_path, scans), shared(scans), {}, "1.5")


def test_one_scan_under_two_names_is_refused(tmp_path) -> None:
    scans = viewers(np.random.default_rng(0), 0.3, subjects=3)
    scans["sub-2", "run-1"] = scans["sub-0", "run-1"].copy()
    with pytest.raises(BrainError, match="the scan of sub-2 run-1 is that of sub-0 run-1, value"):
        check_scans(write(tmp_path, scans), shared(scans), {}, "1.5")


def test_a_copy_that_was_cleaned_in_another_way_is_warned_of(tmp_path) -> None:
    rng = np.random.default_rng(0)
    scans = viewers(rng, 0.3, subjects=3)
    copy = scans["sub-0", "run-1"]
    scans["sub-2", "run-1"] = copy + 0.3 * rng.standard_normal((len(copy), 1))
    with pytest.warns(InputWarning, match=r"follows that of sub-0 run-1 with r 0\.9\d"):
        check_scans(write(tmp_path, scans), shared(scans), {}, "1.5")


def test_drift_that_was_not_cleaned_is_no_likeness(tmp_path, recwarn) -> None:
    scans = viewers(np.random.default_rng(0), 0.1, subjects=3)
    for bold in scans.values():
        bold += np.linspace(0, 40, len(bold))[:, None]
    check_scans(write(tmp_path, scans), shared(scans), {}, "1.5")
    assert not recwarn.list


def test_volumes_without_a_measurement_count_in_no_correlation(tmp_path) -> None:
    scans = viewers(np.random.default_rng(0), 0.5, subjects=3, n_runs=1, n_trs=120)
    draws = {"isc_n_bootstrap": 20, "isc_block_trs": 10, "seed": 0, "repeats": {}}
    names = [f"{subject}/{run}" for subject, run in scans]
    measured = {name: np.ones(120, bool) for name in scans}
    measured["sub-1", "run-0"][40:60] = False
    holed = {name: np.where(measured[name][:, None], bold, 0) for name, bold in scans.items()}
    kept = measured["sub-1", "run-0"]
    cut = {name: bold[kept] for name, bold in scans.items()}
    for which, data, rows in (("holed", holed, measured), ("cut", cut, None)):
        (tmp_path / which).mkdir()
        paths = write(tmp_path / which, data, rows)["run-0"].values()
        make_ceiling(
            tmp_path / f"{which}.h5",
            list(paths),
            scan_names=names,
            tr_s="1.5",
            ceiling_from="auto",
            **draws,
        )
    with h5py.File(tmp_path / "holed.h5") as one, h5py.File(tmp_path / "cut.h5") as two:
        for name in ("isc/sub-0", "isc/sub-1", "ceiling/sub-2", "ceiling_interval/sub-1"):
            np.testing.assert_allclose(one[name][:], two[name][:], atol=1e-6)
