"""Inter-subject correlation against brute force, and planted ceilings recovered."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.brain import isc as module
from giblet.brain.ceiling import ceiling_from_isc, make_ceiling
from giblet.brain.isc import comparisons, correlation
from giblet.errors import BrainError
from giblet.notices import InputWarning
from giblet.store import writing

N_TRS, N_VOXELS = 200, 12
DRAWS = {"isc_n_bootstrap": 50, "isc_block_trs": 10, "seed": 3}
DRAWS |= {"repeats": {}, "ceiling_from": "auto"}


def write_run(folder, name, bold, valid=None, tr_s="1.5"):
    path = folder / f"{name}.h5"
    with writing(path, stage="brain", run=name.split("/")[1], tr_s=tr_s) as file:
        file["bold"] = bold.astype(np.float32)
        file["valid"] = np.ones(bold.shape[1], bool) if valid is None else valid
    return path


def film_viewers(rho, n_subjects, n_trs=N_TRS, seed=0):
    """BOLD of subjects whose voxels correlate with one shared response by `rho`."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n_trs, len(rho)))
    noise = rng.standard_normal((n_subjects, n_trs, len(rho)))
    level = 1 + 9 * rng.random((n_subjects, 1, len(rho)))  # of any scale: z-scores come later
    return level * (rho * shared + np.sqrt(1 - rho**2) * noise)


def leave_one_out(bold, valid):
    found = [(correlation(own, rest), n) for own, rest, n in comparisons(bold, valid)]
    return tuple(np.stack(one) for one in zip(*found, strict=True))


def brute_force(bold, valid):
    """The definition, one voxel at a time."""
    r = np.full(valid.shape, np.nan)
    for s in range(bold.shape[0]):
        for v in range(bold.shape[2]):
            others = [k for k in range(bold.shape[0]) if k != s and valid[k, v]]
            if valid[s, v] and others:
                z = [(bold[k, :, v] - bold[k, :, v].mean()) / bold[k, :, v].std() for k in others]
                r[s, v] = np.corrcoef(bold[s, :, v], np.mean(z, axis=0))[0, 1]
    return r


@pytest.mark.parametrize("n_subjects", [1, 2, 5])
def test_leave_one_out_is_its_definition(n_subjects):
    bold = film_viewers(np.linspace(0, 0.9, N_VOXELS), n_subjects)
    valid = np.random.default_rng(1).random((n_subjects, N_VOXELS)) > 0.3
    expected = brute_force(bold, valid)
    r, n_others = leave_one_out(bold.copy(), valid)
    np.testing.assert_allclose(r, expected, atol=1e-12)
    np.testing.assert_array_equal(n_others[valid], (valid.sum(0) - valid)[valid])


def test_runs_are_averaged_as_fisher_z_by_their_length(tmp_path, monkeypatch):
    # Blocks of one voxel: the seams must not show.
    monkeypatch.setattr(module, "BLOCK_BYTES", 1)
    rho = np.linspace(0.1, 0.9, N_VOXELS)
    bold = {"run-1": film_viewers(rho, 3, 200, 1), "run-2": film_viewers(rho, 3, 80, 2)}
    names = [f"sub-{s}/{run}" for s in range(3) for run in bold]
    paths = [write_run(tmp_path, n, bold[n[6:]][int(n[4])]) for n in names]
    make_ceiling(tmp_path / "ceiling.h5", paths, scan_names=names, tr_s="1.5", **DRAWS)
    every = np.ones((3, N_VOXELS), bool)
    z = [np.arctanh(brute_force(bold[run].astype(np.float32), every)) for run in bold]
    expected = np.tanh((197 * z[0] + 77 * z[1]) / (197 + 77))
    with h5py.File(tmp_path / "ceiling.h5") as file:
        assert file.attrs["n_subjects"] == 3
        assert file.attrs["note"] == ""
        for s in range(3):
            np.testing.assert_allclose(file[f"isc/sub-{s}"][:], expected[s], atol=1e-5)
            assert file[f"ceiling/sub-{s}"].dtype == np.float32


def test_runs_are_cut_to_the_shortest_scan(tmp_path):
    bold = film_viewers(np.full(N_VOXELS, 0.8), 2)
    paths = [
        write_run(tmp_path, "sub-1/run-1", bold[0]),
        write_run(tmp_path, "sub-2/run-1", bold[1, :150]),
    ]
    names = ["sub-1/run-1", "sub-2/run-1"]
    make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)
    expected = brute_force(bold[:, :150], np.ones((2, N_VOXELS), bool))
    with h5py.File(tmp_path / "c.h5") as file:
        np.testing.assert_allclose(file["isc/sub-2"][:], expected[1], atol=1e-5)


@pytest.mark.parametrize("names", [["sub-1/run-1", "sub-1/run-2"], ["sub-1/run-1", "sub-2/run-2"]])
def test_without_company_there_is_no_ceiling(tmp_path, names):
    bold = film_viewers(np.full(N_VOXELS, 0.8), 2)
    paths = [write_run(tmp_path, name, bold[k]) for k, name in enumerate(names)]
    with pytest.warns(InputWarning, match="nobody to compare with"):
        make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)
    with h5py.File(tmp_path / "c.h5") as file:
        assert "no run was seen by two subjects" in file.attrs["note"]
        assert np.isnan(file["isc/sub-1"][:]).all()
        assert np.isnan(file["ceiling/sub-1"][:]).all()


def test_a_subject_alone_in_a_run_is_compared_in_the_others(tmp_path):
    bold = film_viewers(np.full(N_VOXELS, 0.8), 2)
    names = ["sub-1/run-1", "sub-2/run-1", "sub-1/run-2"]
    other = np.random.default_rng(1).standard_normal((N_TRS, N_VOXELS))
    paths = [write_run(tmp_path, n, b) for n, b in zip(names, (*bold, other), strict=True)]
    make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)
    expected = brute_force(bold, np.ones((2, N_VOXELS), bool))
    with h5py.File(tmp_path / "c.h5") as file:
        np.testing.assert_allclose(file["isc/sub-1"][:], expected[0], atol=1e-5)


def test_invalid_voxels_have_no_ceiling_and_spoil_none(tmp_path):
    bold = film_viewers(np.full(N_VOXELS, 0.8), 3)
    bold[1, :, 4] = 0
    valid = np.ones((3, N_VOXELS), bool)
    valid[1, 4] = False
    names = [f"sub-{s}/run-1" for s in range(3)]
    paths = [write_run(tmp_path, n, bold[s], valid[s]) for s, n in enumerate(names)]
    make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)
    with h5py.File(tmp_path / "c.h5") as file:
        assert np.isnan(file["ceiling/sub-1"][4])
        assert np.isfinite(np.delete(file["ceiling/sub-1"][:], 4)).all()
        pair = np.corrcoef(bold[0, :, 4], bold[2, :, 4])[0, 1]
        assert file["isc/sub-0"][4] == pytest.approx(pair, abs=1e-5)
        assert file["ceiling/sub-0"][4] == pytest.approx(np.sqrt(pair), abs=1e-5)


@pytest.mark.parametrize("n_subjects", [2, 3, 10])
@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
def test_a_planted_ceiling_is_recovered(n_subjects, rho):
    bold = film_viewers(np.full(400, rho), n_subjects, n_trs=400)
    r, n_others = leave_one_out(bold, np.ones((n_subjects, 400), bool))
    assert np.median(ceiling_from_isc(r, n_others)) == pytest.approx(rho, abs=0.03)


@given(st.floats(-1, 1), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_the_ceiling_solves_the_equation_it_comes_from(isc, n):
    rho = float(ceiling_from_isc(np.array([isc]), np.array([n]))[0])
    positive = max(isc, 0)
    assert rho * np.sqrt(n * rho**2 / (1 + (n - 1) * rho**2)) == pytest.approx(positive, abs=1e-9)
    assert positive - 1e-12 <= rho <= 1


def test_negative_is_zero_and_unknown_stays_unknown():
    found = ceiling_from_isc(np.array([-0.4, 0.0, np.nan, 0.25]), np.array([3, 3, 3, 1]))
    np.testing.assert_array_equal(found[:2], 0)
    assert np.isnan(found[2])
    assert found[3] == pytest.approx(0.5)


def test_copies_of_one_recording_do_not_break_fishers_z(tmp_path):
    bold = film_viewers(np.full(N_VOXELS, 0.5), 1)[0]
    names = ["sub-1/run-1", "sub-2/run-1"]
    noise = np.random.default_rng(1).standard_normal((2, *bold.shape)) * 0.05 * bold.std(0)
    paths = [write_run(tmp_path, name, bold + noise[k]) for k, name in enumerate(names)]
    with pytest.warns(InputWarning, match=r"sub-2 run-1 follows that of sub-1 run-1 with r 1\.00"):
        make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)
    with h5py.File(tmp_path / "c.h5") as file:
        np.testing.assert_allclose(file["ceiling/sub-1"][:], 1, atol=5e-3)


def test_runs_of_different_masks_are_refused(tmp_path):
    names = ["sub-1/run-1", "sub-2/run-1"]
    shapes = ((N_TRS, 5), (N_TRS, 6))
    paths = [write_run(tmp_path, n, np.ones(s)) for n, s in zip(names, shapes, strict=True)]
    with pytest.raises(BrainError, match="'sub-1': 5, 'sub-2': 6"):
        make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)


def test_interval_of_the_ceiling_holds_the_truth_as_often_as_it_says(tmp_path):
    """400 voxels of one truth: about 95 % of their intervals hold it, and the mean's does."""
    rho, names = 0.6, ["sub-1/run-1", "sub-2/run-1", "sub-3/run-1"]
    bold = film_viewers(np.full(400, rho), 3, n_trs=400)
    paths = [write_run(tmp_path, name, bold[k]) for k, name in enumerate(names)]
    draws = {**DRAWS, "isc_n_bootstrap": 400}
    make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **draws)
    with h5py.File(tmp_path / "c.h5") as file:
        low, high = file["ceiling_interval/sub-1"][:]
        assert 0.9 <= ((low <= rho) & (rho <= high)).mean() <= 0.98
        value, below, above = file["ceiling/sub-1"].attrs["mean"]
        assert value == pytest.approx(file["ceiling/sub-1"][:].mean(), abs=1e-6)
        assert below < value < above
        assert above - below < (high - low).mean() / 4
        middle, below, above = file["ceiling/sub-1"].attrs["median"]
        assert below <= middle <= above
        isc_low, isc_high = file["isc_interval/sub-1"][:]
        isc = file["isc/sub-1"][:]
        assert ((isc_low < isc) & (isc < isc_high)).mean() > 0.99


def test_intervals_do_not_depend_on_the_blocks_of_voxels(tmp_path, monkeypatch):
    names = [f"sub-{s}/{run}" for s in range(3) for run in ("run-1", "run-2")]
    bold = {f"run-{k}": film_viewers(np.linspace(0.1, 0.9, N_VOXELS), 3, seed=k) for k in (1, 2)}
    paths = [write_run(tmp_path, name, bold[name[6:]][int(name[4])]) for name in names]
    make_ceiling(tmp_path / "all.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)
    monkeypatch.setattr(module, "BLOCK_BYTES", 1)
    make_ceiling(tmp_path / "one.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)
    with h5py.File(tmp_path / "all.h5") as all_, h5py.File(tmp_path / "one.h5") as one:
        for name in ("isc_interval", "ceiling_interval"):
            np.testing.assert_allclose(one[f"{name}/sub-1"][:], all_[f"{name}/sub-1"][:], atol=1e-5)
        for name in ("mean", "median"):
            found = (file["ceiling/sub-1"].attrs[name] for file in (one, all_))
            np.testing.assert_allclose(*found, atol=1e-5)


def test_runs_too_short_to_resample_have_no_interval(tmp_path):
    names = ["sub-1/run-1", "sub-2/run-1"]
    bold = film_viewers(np.full(N_VOXELS, 0.8), 2, n_trs=12)
    paths = [write_run(tmp_path, name, bold[k]) for k, name in enumerate(names)]
    make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)
    with h5py.File(tmp_path / "c.h5") as file:
        assert np.isfinite(file["ceiling/sub-1"][:]).all()
        assert np.isnan(file["ceiling_interval/sub-1"][:]).all()
        assert np.isnan(file["ceiling/sub-1"].attrs["mean"][1:]).all()


def saw_it_again(folder, shared, own, n_trs=400, n_voxels=300):
    """Two subjects, each twice in one film: shared response, a response of one's own, noise."""
    rng = np.random.default_rng(5)
    common = rng.standard_normal((n_trs, n_voxels))
    names, paths = [], []
    for s in (1, 2):
        private = rng.standard_normal((n_trs, n_voxels))
        for run in ("run-1", "run-2"):
            noise = rng.standard_normal((n_trs, n_voxels))
            bold = shared * common + own * private + np.sqrt(1 - shared**2 - own**2) * noise
            names.append(f"sub-{s}/{run}")
            paths.append(write_run(folder, names[-1], bold))
    return names, paths


def test_repeats_give_the_ceiling_with_what_is_the_subjects_own(tmp_path, capsys):
    names, paths = saw_it_again(tmp_path, 0.5, 0.5)
    given_ = {**DRAWS, "repeats": {"run-2": "run-1"}, "isc_n_bootstrap": 400}
    make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **given_)
    subjects = {**given_, "ceiling_from": "subjects"}
    make_ceiling(tmp_path / "s.h5", paths, scan_names=names, tr_s=1.5, **subjects)
    with h5py.File(tmp_path / "c.h5") as file, h5py.File(tmp_path / "s.h5") as other:
        assert file["ceiling/sub-1"].attrs["ceiling_from"] == "repeats"
        assert other["ceiling/sub-1"].attrs["ceiling_from"] == "subjects"
        assert np.median(file["repeat_r/sub-1"]) == pytest.approx(0.5, abs=0.03)
        assert np.median(file["ceiling/sub-1"]) == pytest.approx(np.sqrt(0.5), abs=0.03)
        assert np.median(other["ceiling/sub-1"]) == pytest.approx(0.5, abs=0.03)
        low, high = file["ceiling_interval/sub-1"][:]
        assert 0.9 <= ((low <= np.sqrt(0.5)) & (np.sqrt(0.5) <= high)).mean() <= 0.98
        np.testing.assert_array_equal(file["isc/sub-1"][:], other["isc/sub-1"][:])
    assert "ceiling from repeats 0.7" in capsys.readouterr().out


def test_one_subject_who_saw_it_twice_has_a_ceiling(tmp_path):
    names, paths = saw_it_again(tmp_path, 0.6, 0.0)
    given_ = {**DRAWS, "repeats": {"run-2": "run-1"}}
    make_ceiling(tmp_path / "c.h5", paths[:2], scan_names=names[:2], tr_s=1.5, **given_)
    with h5py.File(tmp_path / "c.h5") as file:
        assert file.attrs["note"] == ""
        assert np.isnan(file["isc/sub-1"][:]).all()
        assert np.median(file["ceiling/sub-1"]) == pytest.approx(0.6, abs=0.03)


def test_repeats_asked_for_and_not_there_are_refused(tmp_path):
    names, paths = saw_it_again(tmp_path, 0.6, 0.0, n_trs=40, n_voxels=3)
    given_ = {**DRAWS, "ceiling_from": "repeats"}
    with pytest.raises(BrainError, match="no subject has two runs that show the same"):
        make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **given_)


def test_draws_of_the_ceiling_are_those_of_its_intervals(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", 200_000)  # several blocks of voxels
    bold = film_viewers(np.linspace(0.1, 0.9, N_VOXELS), 3)
    names = [f"sub-{s}/run-1" for s in range(3)]
    paths = [write_run(tmp_path, name, bold[s]) for s, name in enumerate(names)]
    make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)
    with h5py.File(tmp_path / "c.h5") as file:
        for subject in ("sub-0", "sub-2"):
            draws = file[f"ceiling_draws/{subject}"][:].astype(float)
            assert draws.shape == (50, N_VOXELS)
            expected = np.percentile(draws, [2.5, 97.5], axis=0)
            np.testing.assert_allclose(file[f"ceiling_interval/{subject}"][:], expected, atol=1e-3)
            low_high = np.percentile(draws.mean(1), [2.5, 97.5]) - draws.mean()
            value, *ends = file[f"ceiling/{subject}"].attrs["mean"]
            np.testing.assert_allclose(ends, value + low_high, atol=1e-3)


def test_interval_holds_the_value_where_nothing_is_shared(tmp_path):
    # Ceilings are cut off at 0, so those of resampled noise lie above that of the noise itself.
    bold = film_viewers(np.zeros(400), 2)
    names = [f"sub-{s}/run-1" for s in range(2)]
    paths = [write_run(tmp_path, name, bold[s]) for s, name in enumerate(names)]
    make_ceiling(tmp_path / "c.h5", paths, scan_names=names, tr_s=1.5, **DRAWS)
    with h5py.File(tmp_path / "c.h5") as file:
        assert file["ceiling_draws/sub-0"][:].mean() > 1.1 * file["ceiling/sub-0"][:].mean()
        for name in ("mean", "median"):
            value, low, high = file["ceiling/sub-0"].attrs[name]
            assert low < value < high
