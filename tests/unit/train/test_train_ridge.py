"""The closed-form start, against scikit-learn and against what was planted."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge

from giblet.brain.drift import Drift
from giblet.train import ridge
from giblet.train.build import build_network
from giblet.train.data import open_study
from giblet.train.predict import predicted_bold
from giblet.train.start import Choice, choose_own, start_from_ridge
from giblet.train.start_refine import correlation, supported_map
from giblet.train.windows import Window
from tests.support.caches import edited
from tests.support.networks import NETWORK
from tests.support.study_files import make_study


@pytest.fixture(scope="module")
def problem():
    g = torch.Generator().manual_seed(0)
    bands = [torch.randn(60, p, generator=g) for p in (5, 30)]
    y = bands[0] @ torch.randn(5, 4, generator=g) + 0.3 * torch.randn(60, 4, generator=g)
    return bands, y + 2


def test_dual_solution_is_scikit_learns(problem):
    bands, y = problem
    design = ridge.Bands.of(bands)
    mix, alpha = (1.0, 0.1), 3.0
    gram = design.mixed(mix)
    solver = ridge.Solver.of(gram)
    coefficients = ridge.dual(gram, y, torch.full((4,), alpha))
    weight = design.weight(mix, torch.arange(60), coefficients)
    x = torch.cat(bands, dim=1)
    found = (x - x.mean(0)) @ weight + y.mean(0)
    centred = np.concatenate(
        [
            (band - band.mean(0)).numpy() * np.sqrt(w / scale)
            for band, w, scale in zip(bands, mix, design.scales, strict=True)
        ],
        axis=1,
    )
    reference = KernelRidge(alpha=solver.penalty(alpha), kernel="linear")
    reference.fit(centred, (y - y.mean(0)).numpy())
    np.testing.assert_allclose(
        found, reference.predict(centred) + y.mean(0).numpy(), rtol=1e-3, atol=1e-3
    )


def test_held_out_errors_are_those_of_predictions(problem):
    bands, y = problem
    design = ridge.Bands.of(bands)
    fit, score = torch.arange(40), torch.arange(40, 60)
    errors = ridge.errors(design.mixed((1.0, 1.0)), y, [(fit, score)])
    for row, alpha in [(0, ridge.ALPHAS[0]), (4, ridge.ALPHAS[4])]:
        gram = design.mixed((1.0, 1.0))[fit][:, fit]
        coefficients = ridge.dual(gram, y[fit], torch.full((4,), alpha))
        weight = design.weight((1.0, 1.0), fit, coefficients)
        x = torch.cat(bands, dim=1)
        predicted = (x[score] - x[fit].mean(0)) @ weight + y[fit].mean(0)
        expected = (predicted - y[score]).square().sum(0) / (
            y[score] - y[fit].mean(0)
        ).square().sum(0)
        torch.testing.assert_close(errors[row], expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(errors[-1], torch.ones(4), rtol=1e-3, atol=1e-3)


def test_low_rank_keeps_what_the_best_rank_keeps():
    g = torch.Generator().manual_seed(1)
    x, weight = torch.randn(50, 20, generator=g), torch.randn(20, 30, generator=g)
    inward, outward = ridge.low_rank(x, weight, 5)
    assert inward.shape == (20, 5)
    values = torch.linalg.svdvals(x @ weight)
    lost = (x @ weight - x @ inward @ outward).square().sum()
    assert float(lost) == pytest.approx(float(values[5:].square().sum()), rel=1e-3)
    inward, outward = ridge.low_rank(x, weight, 100)
    torch.testing.assert_close(inward @ outward, weight, rtol=1e-2, atol=1e-2)


def test_candidates_hold_each_direction_once():
    found = ridge.band_candidates(3)
    assert found[0] == (1.0, 1.0, 1.0)
    assert len(set(found)) == len(found) == 19
    assert {(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)} <= set(found)


def supported(planted_rank, signal, max_rank=0, seed=2):
    """A noisy map of 300 voxels that is of low rank underneath, at two delays' features."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(120, 20, generator=g)
    true = torch.randn(20, planted_rank, generator=g) @ torch.randn(planted_rank, 300, generator=g)
    bold = signal * x @ true / 4 + torch.randn(120, 300, generator=g)
    fit = x[:80] - x[:80].mean(0)
    weight = torch.linalg.lstsq(fit, bold[:80] - bold[:80].mean(0)).solution
    designs = [ridge.Bands.of([x + delay]) for delay in (0.0, 5.0)]
    shift = torch.arange(300) % 2
    maps = supported_map(
        designs, shift, x[:80], weight, bold, n_train=80, max_rank=max_rank
    )  # fmt: skip
    return true * signal / 4, weight, maps


def test_rank_of_a_map_is_the_one_that_was_planted():
    true, weight, (inward, outward) = supported(3, 1.0)
    assert outward.shape == (3, 300)
    error, error_before = ((w - true).square().sum() for w in (inward @ outward, weight))
    assert error < 0.4 * error_before


def test_rank_stays_within_the_layers():
    _, _, (inward, outward) = supported(6, 1.0, max_rank=4)
    assert inward.shape == (20, 4)
    assert outward.shape == (4, 300)


def test_a_map_of_noise_keeps_no_direction():
    _, _, (inward, outward) = supported(3, 0.0)
    assert inward.shape == (20, 0)
    assert not (inward @ outward).any()


def test_own_penalty_is_finite_only_where_something_drives_the_voxel():
    g = torch.Generator().manual_seed(3)
    x = torch.randn(60, 15, generator=g)
    differences = [x @ torch.randn(15, 8, generator=g) for _ in range(2)]
    nothing = torch.zeros(8, dtype=torch.long)
    explained = torch.tensor([0.5] * 4 + [0.0] * 4)
    choice = Choice(nothing, nothing, torch.ones(8), explained)
    folds = [(torch.arange(40), torch.arange(40, 60))]
    alpha = choose_own(ridge.Bands.of([x, x, x]), differences, folds, choice)
    assert (alpha[:4] == ridge.ALPHAS[0]).all()
    assert torch.isinf(alpha[4:]).all()


def test_correlation_is_numpys():
    g = torch.Generator().manual_seed(4)
    x, y = torch.randn(30, 3, generator=g), torch.randn(30, 3, generator=g)
    y[:, 2] = 7
    expected = [np.corrcoef(x[:, k], y[:, k])[0, 1] for k in range(2)]
    np.testing.assert_allclose(correlation(x, y), [*expected, 0], atol=1e-6)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    path = tmp_path_factory.mktemp("start") / "study.h5"
    planted = make_study(
        path, (150, 150), n_voxels=40, noise=0.5, delay_shift_s=(-1.0, 0.0, 1.0), gap_trs=18
    )
    choices = {k: v for k, v in NETWORK.items() if k != "name"}
    with open_study(path) as study:
        net, _ = build_network(study, seed=0, **choices)
        report = start_from_ridge(net, study)
        yield planted, net, study, report


def predictions(net, study, run, subject):
    window = study.segments("test")[run]
    batch = study.batch(
        [window], length=window.stop - window.start, context=net.context_trs, follow=0,
        subjects=[subject], split=None,
    )  # fmt: skip
    with torch.no_grad():
        bold = net.bold(net.encode(batch.stimulus, subject), window.stop - window.start)
    return bold[0].numpy(), slice(window.start, window.stop)


def test_start_predicts_held_out_bold(started):
    planted, net, study, report = started
    predicted, trs = predictions(net, study, 0, 0)
    driven = planted.responds.any(1)
    response = planted.response["run-1"][trs]
    r = [np.corrcoef(predicted[:, v], response[:, v])[0, 1] for v in np.flatnonzero(driven)]
    assert np.median(r) > 0.7
    assert report["start_voxels_explained"] >= 0.6 * driven.sum()


def test_start_finds_the_planted_delays(started):
    planted, net, _, _ = started
    driven = planted.responds.any(1)
    found = net.hrf.delay_s.detach().numpy()[net.hrf.group.numpy()] + 5
    assert np.median(np.abs(found - planted.delay_s)[driven]) <= 0.5


def test_voxels_that_follow_nothing_are_trusted_less(started):
    planted, net, _, _ = started
    driven = planted.responds.any(1)
    gain = net.gain.detach().numpy()
    assert np.median(gain[~driven]) < 0.5 * np.median(gain[driven])


def test_decoding_starts_below_the_constant_predictor(started):
    report = started[-1]
    assert report["start_decoding_audio"] < 0.9
    assert report["start_decoding_video"] < 0.9


def test_the_start_is_fitted_without_the_drift_that_bold_has_lost(tmp_path):
    """Voxels follow a film that changes slowly, and lose that part; the weights must not."""
    path = tmp_path / "study.h5"
    planted = make_study(path, (200, 200), n_voxels=40, noise=0.3, gap_trs=18, high_pass_hz=0.02)
    drift = Drift(0.02, detrend=True)
    with edited(path) as file:
        for run in planted.runs:
            for subject in planted.subjects:
                bold = file[f"runs/{run}/bold/{subject}"]
                bold[:] = drift.out_of(bold[:], 1.5)
    choices = {k: v for k, v in NETWORK.items() if k != "name"}
    driven = np.flatnonzero(planted.responds.any(1))
    slopes, levels = {}, {}
    for told in (True, False):
        with edited(path) as file:
            file.attrs["high_pass_hz"], file.attrs["detrend"] = (0.02, True) if told else (0, False)
        with open_study(path) as study:
            net, _ = build_network(study, seed=0, **choices)
            start_from_ridge(net, study)
            window = Window(0, 0, study.runs[0].n_trs)
            with torch.no_grad():
                found = predicted_bold(net, study, window)["sub-01"].numpy()
        x, y = found[:, driven], planted.response["run-1"][:, driven]
        x, y = x - x.mean(0), y - y.mean(0)
        slopes[told] = float(np.median((x * y).sum(0) / (y * y).sum(0)))
        levels[told] = float(np.abs(found.mean(0)).mean())
    assert slopes[False] < 0.95 * slopes[True] < 1.1  # the slow part shrinks the others' weights
    assert levels[True] < 0.3  # standard deviations
