"""The pieces of the linear baseline: folds, kernels, ridge, delays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.brain.drift import Drift
from giblet.errors import TrainError
from giblet.hrf import convolve_causal, hrf_kernel
from giblet.train.baseline_decode import decoding_kernel, decoding_rows
from giblet.train.baseline_delay import peak_of, shifts, standard_peak_s
from giblet.train.baseline_design import Timeline, filtered, folds, kernel, settled, varying
from giblet.train.baseline_encode import Search, build_kernels, encode
from giblet.train.baseline_ridge import band_weights, fit_ridge

UNFILTERED = Drift(0, detrend=False)


def timeline(*splits: Any) -> Timeline:
    """Rows of runs given by their split codes."""
    lengths = tuple(len(split) for split in splits)
    return Timeline(
        tuple(f"run-{k + 1}" for k in range(len(splits))),
        lengths,
        np.repeat(np.arange(len(splits)), lengths),
        np.concatenate([np.arange(length) for length in lengths]),
        np.concatenate([np.asarray(split, np.int8) for split in splits]),
    )


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(20, 120), min_size=1, max_size=3),
    n_folds=st.integers(2, 6),
    gap_trs=st.integers(0, 20),
)
def test_folds_are_apart_and_cover_train(lengths: list[int], n_folds: int, gap_trs: int) -> None:
    line = timeline(*([0] * length for length in lengths))
    rows = line.train_rows(line.runs)
    found = folds(line, rows, n_folds, gap_trs)
    assert len(found) >= 2
    widest = -(-len(rows) // n_folds)
    for kept, held in found:
        assert not set(kept) & set(held)
        assert (np.diff(held) == 1).all()
        if sum(lengths) > 3 * (widest + 2 * gap_trs):  # long enough for the whole gap
            for run in np.unique(line.run[rows[held]]):
                mine = line.tr[rows[held]][line.run[rows[held]] == run]
                theirs = line.tr[rows[kept]][line.run[rows[kept]] == run]
                near = np.abs(theirs[:, None] - mine[None]).min(initial=10**6)
                assert near > gap_trs
    if gap_trs == 0:
        held = np.concatenate([held for _, held in found])
        assert sorted(held) == list(range(len(rows)))


def test_folds_stay_inside_train() -> None:
    line = timeline([0] * 60 + [-1] * 10 + [2] * 30)
    rows = line.train_rows(["run-1"])
    assert rows.max() == 59
    assert all(max(kept.max(), held.max()) < 60 for kept, held in folds(line, rows, 4, 5))


def test_too_little_training_data() -> None:
    line = timeline([0] * 7)
    with pytest.raises(TrainError, match=r"7 training TRs are too few for 4 folds"):
        folds(line, line.train_rows(line.runs), 4, 2)


def test_a_gap_too_long_for_the_data_is_halved(capsys: pytest.CaptureFixture) -> None:
    line = timeline([0] * 24)
    assert len(folds(line, line.train_rows(line.runs), 4, 40)) >= 2
    assert "halving" in capsys.readouterr().out


def test_kernels_know_only_training_rows() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, size=(50, 300)).astype(np.float32)
    values[:, 5] = 1.0
    train = np.arange(10, 40)
    before = kernel(values, train)
    assert np.diagonal(before)[train].mean() == pytest.approx(1, abs=1e-5)
    values[40:] = 1e3 * rng.normal(size=(10, 300))
    assert np.array_equal(kernel(values, train)[:40, :40], before[:40, :40])


def test_bands_that_do_not_vary_are_left_out(capsys: pytest.CaptureFixture) -> None:
    bands = {"audio": np.zeros((20, 3), np.float32), "video": np.eye(20, dtype=np.float32)}
    assert list(varying(bands, np.arange(10))) == ["video"]
    assert "audio: constant on the training TRs" in capsys.readouterr().out
    with pytest.raises(TrainError, match="the film is black, silent and without text"):
        varying({"audio": bands["audio"]}, np.arange(10))


def test_ridge_equals_the_closed_form() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 8)).astype(np.float32)
    y = (x @ rng.normal(size=(8, 5)) + rng.normal(size=(60, 5))).astype(np.float32)
    train = np.arange(40)
    y_train = y[train] - y[train].mean(0)
    product = x @ x.T
    alpha = np.array([2.0], np.float32)
    cv = [(np.arange(20), np.arange(20, 40)), (np.arange(20, 40), np.arange(20))]
    fitted = fit_ridge(
        product[None], y_train, train, cv, np.ones((1, 1), np.float32), alpha, batch=3
    )
    weights = np.linalg.solve(x[train].T @ x[train] + 2 * np.eye(8), x[train].T @ y_train)
    assert np.allclose(fitted.predict(product[None], train), x @ weights, atol=1e-3)


def test_ridge_finds_the_band_that_matters() -> None:
    rng = np.random.default_rng(2)
    bands = [rng.normal(size=(120, 40)).astype(np.float32) for _ in range(3)]
    targets = np.concatenate([x @ rng.normal(size=(40, 6)) / 6 for x in bands], axis=1)
    targets = (targets + 0.3 * rng.normal(size=targets.shape)).astype(np.float32)
    train = np.arange(100)
    line = timeline([0] * 100 + [2] * 20)
    kernels = np.stack([kernel(x, train) for x in bands])
    fitted = fit_ridge(
        kernels,
        targets[train] - targets[train].mean(0),
        train,
        folds(line, train, 5, 0),
        band_weights(3, 7, 0),
        np.logspace(-2, 2, 5, dtype=np.float32),
        batch=100,
    )
    share = fitted.scales / fitted.scales.sum(0)
    for band in range(3):
        assert share[band, band * 6 : (band + 1) * 6].mean() > 0.8


def test_weightings_sum_to_one_and_start_with_the_corners() -> None:
    found = band_weights(3, 12, 5)
    assert np.allclose(found.sum(1), 1)
    assert np.allclose(found[0], 1 / 3)
    assert np.array_equal(found[1:4], np.eye(3))
    assert len(found) == 12
    assert np.array_equal(found, band_weights(3, 12, 5))
    assert band_weights(1, 12, 5).tolist() == [[1.0]]


def test_the_standard_response_peaks_where_nilearns_does() -> None:
    from nilearn.glm.first_level.hemodynamic_models import glover_hrf

    fine = glover_hrf(1.0, oversampling=1000, time_length=32.0)
    assert standard_peak_s() == pytest.approx(np.argmax(fine) / 1000, abs=0.05)
    assert standard_peak_s() == pytest.approx(5, abs=0.1)


def test_the_parabola_finds_a_peak_between_samples() -> None:
    places = shifts(-3, 3, 0.5)
    truth = np.array([-1.3, 0.0, 0.2, 2.74])
    scores = -((places[:, None] - truth) ** 2)
    assert np.allclose(peak_of(scores, places), truth)
    assert peak_of(np.arange(13.0)[:, None], places)[0] == 3.0


def test_planted_delays_are_recovered_within_half_a_second() -> None:
    """With noise of 1.5 times the response the best possible correlation is 0.55."""
    rng = np.random.default_rng(3)
    n_trs, n_voxels, noise = 252, 60, 1.5
    line = timeline([0] * n_trs, [0] * n_trs)
    raw = np.repeat(rng.normal(size=(2 * n_trs // 3, 10)), 3, axis=0).astype(np.float32)
    shift_s = np.resize([-1.5, -0.8, 0.0, 0.7, 1.6], n_voxels)
    drive = raw @ rng.normal(size=(10, n_voxels))
    bold = np.zeros_like(drive)
    for shift in np.unique(shift_s):
        mine = shift_s == shift
        weights = hrf_kernel("glover", "1.5", shift_s=float(shift))
        for run in line.runs:
            part = line.rows_of(run)
            bold[part, mine] = convolve_causal(drive[part][:, mine], weights)
    bold = bold / bold.std(0) + noise * rng.normal(size=bold.shape)
    train = line.train_rows(line.runs)
    delays = shifts(-3, 3, 0.5)
    fir = np.concatenate([np.roll(raw, delay, axis=0) for delay in (2, 3, 4)], axis=1)
    kernels = build_kernels({"video": (fir, raw)}, line, train, delays, "1.5", UNFILTERED)
    alphas = np.logspace(-1, 3, 5, dtype=np.float32)
    search = Search(band_weights(1, 1, 0), alphas, delays, 4, 20, 100)
    found = encode(kernels, bold.astype(np.float32), train, folds(line, train, 4, 20), search)
    error = found.delay_s - (standard_peak_s() + shift_s)
    assert np.median(np.abs(error)) < 0.5
    assert abs(np.median(error)) < 0.2
    assert found.cv_r.min() > 0.2
    assert found.uses_hrf.mean() > 0.5


def test_an_anti_causal_world_is_not_predicted() -> None:
    """BOLD that precedes the stimulus by the same HRF: the causal model finds nothing."""
    rng = np.random.default_rng(4)
    line = timeline([0] * 400)
    raw = rng.normal(size=(400, 5)).astype(np.float32)
    drive = raw @ rng.normal(size=(5, 20))
    weights = hrf_kernel("glover", "1.5", duration_s=30)
    bold = convolve_causal(drive[::-1], weights)[::-1]
    train = line.train_rows(line.runs)
    delays = shifts(-1, 1, 0.5)
    kernels = build_kernels({"video": (raw, raw)}, line, train, delays, "1.5", UNFILTERED)
    search = Search(
        band_weights(1, 1, 0), np.logspace(-1, 3, 5, dtype=np.float32), delays, 4, 20, 100
    )
    found = encode(kernels, bold.astype(np.float32), train, folds(line, train, 4, 20), search)
    assert np.median(found.cv_r) < 0.25
    forward = convolve_causal(drive, weights).astype(np.float32)
    found = encode(kernels, forward, train, folds(line, train, 4, 20), search)
    assert np.median(found.cv_r) > 0.9


def test_filtering_starts_from_rest_in_each_run() -> None:
    line = timeline([0] * 30, [0] * 30)
    raw = np.zeros((60, 1), np.float32)
    raw[29] = 1
    assert not filtered(raw, line, "1.5", 0.0, UNFILTERED)[30:].any()


def test_predictions_lose_each_runs_drift_whatever_was_fitted_on() -> None:
    """What training rows tell of the drift cancels once the whole run's is taken out."""
    line = timeline([0] * 100 + [2] * 50, [2] * 30 + [0] * 60)
    raw = np.random.default_rng(0).normal(size=(240, 3)).astype(np.float32).cumsum(0)
    drift = Drift(0.008, detrend=True)
    whole = settled(filtered(raw, line, "1.5", 0.0, UNFILTERED), line, "1.5", drift)
    told = settled(filtered(raw, line, "1.5", 0.0, drift), line, "1.5", drift)
    np.testing.assert_allclose(told, whole, atol=1e-3)
    for run, n_trs in zip(line.runs, line.lengths, strict=True):
        slow = drift.basis(n_trs, 1.5).T @ told[line.rows_of(run)]
        assert np.abs(slow).max() < 1e-4 * np.abs(whole).max()


def test_filtered_regressors_lose_each_runs_drift() -> None:
    line = timeline([0] * 150, [0] * 90)
    raw = np.random.default_rng(0).normal(size=(240, 3)).astype(np.float32).cumsum(0)
    drift = Drift(0.008, detrend=True)
    found = filtered(raw, line, "1.5", 0.0, drift)
    for run, n_trs in zip(line.runs, line.lengths, strict=True):
        part, basis = found[line.rows_of(run)], drift.basis(n_trs, 1.5)
        assert np.abs(basis.T @ part).max() < 1e-4 * np.abs(part).max()
        whole = filtered(raw, line, "1.5", 0.0, UNFILTERED)[line.rows_of(run)]
        np.testing.assert_allclose(part, whole - basis @ (basis.T @ whole), atol=1e-4)


def test_the_decoding_kernel_is_that_of_the_bold_that_follows() -> None:
    rng = np.random.default_rng(5)
    line = timeline([0] * 8, [0] * 6)
    bold = rng.normal(size=(14, 4)).astype(np.float32)
    design = np.zeros((14, 2, 4), np.float32)
    for row in range(14):
        for place, delay in enumerate((1, 3)):
            if line.tr[row] + delay < line.lengths[line.run[row]]:
                design[row, place] = bold[row + delay]
    flat = design.reshape(14, -1)
    expected = flat @ flat.T
    rows = np.arange(14)
    expected /= np.diagonal(expected).mean()
    assert np.allclose(decoding_kernel(bold, line, [1, 3], rows), expected, atol=1e-5)


def test_decoding_fits_on_no_row_that_reads_test_bold() -> None:
    line = timeline([0] * 10 + [-1] * 2 + [2] * 6 + [0] * 4)
    train = line.train_rows(line.runs)
    kept = decoding_rows(line, train, [2, 5])
    assert kept.tolist() == [0, 1, 2, 3, 4, 5, 6, 18, 19, 20, 21]
