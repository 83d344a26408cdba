"""The circular-shift test: exact under the null, powerful under a signal, honest in the tail."""

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from giblet.errors import ValidationError
from giblet.hrf import hrf_kernel
from giblet.validate.permutation import ShiftNull, circular_covariance, draw_orders, shift_test
from giblet.validate.statistics import centred, fdr, pearson

OPTIONS = {"n_permutations": 300, "min_shift_trs": 7}
KERNEL = hrf_kernel("glover", "1.5")


def noise(rng, lengths, n_columns, phi):
    """AR(1) noise, a new stretch in each segment."""
    parts = [
        lfilter([1], [1, -phi], rng.normal(size=(n + 60, n_columns)), axis=0)[60:] for n in lengths
    ]
    return np.concatenate(parts)


def smooth(rng, lengths, n_columns, n_drives=12):
    """Predictions as an encoding model makes them: a few drives through the HRF, mixed."""
    parts = [
        lfilter(KERNEL, [1], rng.normal(size=(n + 40, n_drives)), axis=0)[40:] for n in lengths
    ]
    return np.concatenate(parts) @ rng.normal(size=(n_drives, n_columns))


@pytest.mark.parametrize(
    ("lengths", "phi", "n_columns"), [((60, 60), 0.5, 600), ((30, 25, 30), 0.3, 300)]
)
def test_null_studies_are_calibrated(lengths, phi, n_columns):
    below, anything, uniform = [], 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        y = centred(noise(rng, lengths, n_columns, phi), lengths)
        x = centred(smooth(rng, lengths, n_columns), lengths)
        p = shift_test(y, x, lengths, seed=seed, **OPTIONS)
        below.append((p < 0.05).mean())
        anything += (fdr(p) < 0.05).any()
        uniform += stats.kstest(p, "uniform").pvalue > 0.001
    assert 0.03 <= np.mean(below) <= 0.065
    assert np.min(below) >= 0.02
    assert np.max(below) <= 0.08
    assert anything <= 6
    assert uniform >= 34


def test_ignoring_autocorrelation_would_not_be_calibrated():
    # The reason for the shifts: a plain t test calls three times too many voxels.
    lengths, below = (60, 60), []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        y = centred(noise(rng, lengths, 600, 0.7), lengths)
        x = centred(smooth(rng, lengths, 600), lengths)
        r = pearson(y, x)
        t = r * np.sqrt(118 / (1 - r**2))
        below.append((stats.t.sf(t, 118) < 0.05).mean())
    assert np.mean(below) > 0.1


def test_planted_signal_is_found_and_null_voxels_are_not():
    lengths, n_null, n_signal = (60, 60), 400, 400
    fractions, power = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = smooth(rng, lengths, n_null + n_signal)
        y = noise(rng, lengths, n_null + n_signal, 0.4)
        y[:, n_null:] += 1.2 * x[:, n_null:] * y.std() / x.std(0)[n_null:]
        p = shift_test(centred(y, lengths), centred(x, lengths), lengths, seed=seed, **OPTIONS)
        found = fdr(p) < 0.05
        fractions.append(found[:n_null].sum() / max(found.sum(), 1))
        power.append(found[n_null:].mean())
    assert np.mean(fractions) <= 0.05
    assert np.mean(power) >= 0.95


@pytest.mark.parametrize("lengths", [(60, 60), (20, 20)])
def test_null_voxels_beside_responding_ones_are_calibrated(lengths):
    # Pooling the shifts of all voxels would call twice as many null voxels here.
    below = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, y = smooth(rng, lengths, 500), noise(rng, lengths, 500, 0.3)
        y[:, 200:] += 1.5 * x[:, 200:] * y.std() / x.std(0)[200:]
        p = shift_test(centred(y, lengths), centred(x, lengths), lengths, seed=seed, **OPTIONS)
        below.append((p[:200] < 0.05).mean())
    assert 0.03 <= np.mean(below) <= 0.07


def test_all_voxels_responding_still_get_small_p():
    rng = np.random.default_rng(0)
    x = smooth(rng, (60, 60), 100)
    y = x / x.std(0) + 0.3 * noise(rng, (60, 60), 100, 0.3)
    p = shift_test(centred(y, [60, 60]), centred(x, [60, 60]), [60, 60], seed=0, **OPTIONS)
    assert (p < 0.01).all()


def test_p_is_fine_enough_for_thousands_of_voxels():
    rng = np.random.default_rng(0)
    lengths, n, n_signal = (60, 60), 3600, 36
    x, y = smooth(rng, lengths, n), noise(rng, lengths, n, 0.4)
    y[:, :n_signal] = x[:, :n_signal] / x[:, :n_signal].std(0) + 0.3 * y[:, :n_signal]
    p = shift_test(centred(y, lengths), centred(x, lengths), lengths, seed=1, **OPTIONS)
    assert p.min() < 3e-6
    assert np.median(p[:n_signal]) < 2e-5
    # One voxel in a hundred responds; they survive the correction for 3,600.
    found = fdr(p) < 0.05
    assert found[:n_signal].mean() > 0.9
    assert found[n_signal:].sum() <= 0.1 * found.sum()


def test_prediction_that_comes_out_backwards_is_no_evidence():
    rng = np.random.default_rng(0)
    x = smooth(rng, (80,), 50)
    p = shift_test(-centred(x, [80]), centred(x, [80]), [80], seed=0, **OPTIONS)
    assert (p > 0.9).all()


def test_constant_prediction_has_p_one():
    y = centred(np.random.default_rng(0).normal(size=(60, 3)), [60])
    assert (shift_test(y, np.zeros_like(y), [60], seed=0, **OPTIONS) == 1).all()


def test_same_seed_same_p_however_the_columns_are_fed(monkeypatch):
    rng = np.random.default_rng(3)
    x, y = centred(smooth(rng, (60,), 30), [60]), centred(noise(rng, (60,), 30, 0.3), [60])
    whole = shift_test(y, x, [60], seed=4, **OPTIONS)
    monkeypatch.setattr("giblet.validate.permutation.COLUMNS_AT_ONCE", 7)
    np.testing.assert_array_equal(shift_test(y, x, [60], seed=4, **OPTIONS), whole)


def test_circular_covariance_is_the_sum_over_rolled_products():
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=(2, 9, 4))
    expected = [(y * np.roll(x, shift, axis=0)).sum(0) for shift in range(9)]
    np.testing.assert_allclose(circular_covariance(y, x), expected, atol=1e-12)


def test_orders_stay_within_segments_and_move_far_enough():
    orders = draw_orders([30, 1, 24], 50, 5, [np.random.default_rng(0)] * 3)
    assert orders.shape == (50, 55)
    assert (np.sort(orders, axis=1) == np.arange(55)).all()
    assert (np.sort(orders[:, :30], axis=1) == np.arange(30)).all()
    moved = (orders[:, 0] - 0) % 30
    assert (np.minimum(moved, 30 - moved) >= 5).all()


def test_too_short_test_blocks_are_refused():
    y = np.zeros((10, 3))
    with pytest.raises(ValidationError, match=r"longest test block has 5 TRs.*at least 8.*align"):
        shift_test(y, y, [5, 5], seed=0, **OPTIONS)


def groups_p(y, x, lengths, groups, seed):
    null = ShiftNull(lengths, 300, 7, seed, groups)
    null.add(centred(y, lengths), centred(x, lengths))
    return null.group_p_values()


def test_regions_of_voxels_that_share_noise_are_calibrated():
    lengths, below = (60, 60), []
    groups = np.repeat(np.eye(4, dtype=bool), 25, axis=1)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        # Voxels of a region repeat each other; their number must not count as evidence.
        y = np.repeat(noise(rng, lengths, 4, 0.4), 25, axis=1)
        y += 0.3 * rng.normal(size=y.shape)
        x = np.repeat(smooth(rng, lengths, 4), 25, axis=1)
        below.append((groups_p(y, x, lengths, groups, seed) < 0.05).mean())
    assert 0.02 <= np.mean(below) <= 0.09


def test_a_region_is_found_that_no_voxel_shows(monkeypatch):
    monkeypatch.setattr("giblet.validate.permutation.COLUMNS_AT_ONCE", 30)
    rng = np.random.default_rng(0)
    lengths = (60, 60)
    drive = smooth(rng, lengths, 1)
    x = np.repeat(drive / drive.std(), 80, axis=1)
    y = noise(rng, lengths, 80, 0.3)
    y[:, :40] += 0.25 * x[:, :40] * y.std()
    groups = np.stack([np.arange(80) < 40, np.arange(80) >= 40, np.zeros(80, bool)])
    found = groups_p(y, x, lengths, groups, 0)
    assert found[0] == 1 / 301
    assert found[1] > 0.02
    assert np.isnan(found[2])
