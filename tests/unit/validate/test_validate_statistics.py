"""Correlation, false discovery rate, blocks and intervals against other implementations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from giblet.resampling import blocks, bootstrap_correlations, percentile_interval
from giblet.validate.statistics import (
    bootstrap_interval,
    bootstrap_mean_interval,
    centred,
    fdr,
    fdr_over_subjects,
    pearson,
)


def test_pearson_is_scipys():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50, 20))
    found = pearson(centred(x, [50]), centred(y, [50]))
    expected = [stats.pearsonr(x[:, k], y[:, k]).statistic for k in range(20)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_constant_prediction_scores_zero():
    y = np.random.default_rng(0).normal(size=(30, 2))
    assert (pearson(centred(np.full((30, 2), 3.7), [30]), centred(y, [30])) == 0).all()


def test_level_of_a_segment_does_not_count():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 40, 5))
    shifted = x + np.repeat([[0.0], [9.0]], 20, axis=0)
    np.testing.assert_allclose(centred(shifted, [20, 20]), centred(x, [20, 20]), atol=1e-12)
    assert not np.allclose(centred(shifted, [40]), centred(x, [40]))
    assert np.abs(pearson(centred(x, [20, 20]), centred(y, [20, 20]))).max() < 0.7


@given(hnp.arrays(float, st.integers(1, 60), elements=st.floats(0, 1)))
def test_fdr_is_the_step_up_procedure(p):
    n = len(p)
    by_hand = np.array(
        [min(1.0, min(n * q / (p <= q).sum() for q in p[p >= value])) for value in p]
    )
    np.testing.assert_allclose(fdr(p), by_hand, rtol=1e-12, atol=1e-300)


def test_fdr_leaves_unknown_voxels_out():
    p = np.array([0.01, np.nan, 0.04, np.nan])
    np.testing.assert_allclose(fdr(p), [0.02, np.nan, 0.04, np.nan])
    assert np.isnan(fdr(np.full(3, np.nan))).all()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 20))
def test_blocks_do_not_span_segments_and_are_about_as_long_as_asked(lengths, block_trs):
    found = blocks(lengths, block_trs)
    assert len(found) == sum(lengths)
    assert (np.diff(found) >= 0).all()
    edges = np.cumsum(lengths)[:-1]
    assert all(found[edge - 1] != found[edge] for edge in edges)
    assert np.bincount(found).max() <= max(2 * block_trs, 1)


def test_block_bootstrap_covers_the_mean_of_autocorrelated_items():
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        slow = np.repeat(rng.normal(size=30), 10)
        low, high = bootstrap_interval(slow, blocks([300], 10), 300, rng)
        covered += low <= 0 <= high
    assert covered >= 51
    single = bootstrap_interval(slow, np.arange(300), 300, rng)
    assert np.subtract(*single[::-1]) < 0.6 * (high - low)


def test_interval_of_a_median_and_of_too_few_blocks():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 1, size=200)
    low, high = bootstrap_interval(values, blocks([200], 5), 300, rng, np.median)
    assert low < np.median(values) < high
    assert np.isnan(bootstrap_interval(values, np.zeros(200, int), 100, rng)).all()
    assert np.isnan(bootstrap_interval(np.full(4, np.nan), np.arange(4), 100, rng)).all()


def test_bootstrap_correlations_are_those_of_the_resampled_rows():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 40, 3))
    block = blocks([40], 10)
    found = bootstrap_correlations(x, y, block, 50, np.random.default_rng(9))
    draws = np.random.default_rng(9).integers(4, size=(50, 4))
    for draw, row in zip(draws, found, strict=True):
        rows = np.concatenate([np.flatnonzero(block == name) for name in draw])
        expected = [np.corrcoef(x[rows, k], y[rows, k])[0, 1] for k in range(3)]
        np.testing.assert_allclose(row, expected, atol=1e-4)


def test_one_block_has_no_interval():
    x = np.random.default_rng(0).normal(size=(10, 4))
    draws = bootstrap_correlations(x, x, np.zeros(10, int), 50, np.random.default_rng(0))
    assert draws.shape == (0, 4)
    assert np.isnan(percentile_interval(draws.mean(1))).all()


@pytest.mark.parametrize("n", [3, 10])
def test_percentile_interval_is_numpys(n):
    values = np.random.default_rng(n).normal(size=n)
    assert percentile_interval(values) == pytest.approx(np.percentile(values, [2.5, 97.5]))


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_interval_of_one_subject_is_the_plain_one(statistic):
    values, block = np.random.default_rng(0).normal(size=120), np.arange(120) // 10
    plain = bootstrap_interval(values, block, 300, np.random.default_rng(1), statistic)
    value, interval = bootstrap_mean_interval(
        [(values, block)], 300, np.random.default_rng(1), statistic
    )
    assert value == pytest.approx(statistic(values))
    assert interval == pytest.approx(plain)


def test_interval_over_subjects_keeps_what_they_share():
    rng = np.random.default_rng(0)
    block = np.arange(240) // 10
    film = np.repeat(rng.normal(size=24), 10)
    own = [film + 0.1 * rng.normal(size=240) for _ in range(4)]
    value, (low, high) = bootstrap_mean_interval(
        [(values, block) for values in own], 500, np.random.default_rng(1)
    )
    assert value == pytest.approx(np.mean(own))
    # Four viewers of one film are not four films: the interval does not shrink by their number.
    assert high - low == pytest.approx(4 * film.std() / np.sqrt(24), rel=0.25)


def test_subject_without_values_does_not_count():
    block = np.arange(40) // 10
    missing = np.where(block < 2, np.nan, 1.0)
    value, interval = bootstrap_mean_interval(
        [(np.ones(40), block), (missing, block), (np.full(40, np.nan), block)],
        100,
        np.random.default_rng(0),
    )
    assert value == 1
    assert interval == (1, 1)


def test_q_over_subjects_changes_nothing_where_all_respond():
    rng = np.random.default_rng(0)
    q = [fdr(np.concatenate([np.full(20, 1e-6), rng.uniform(size=50), [np.nan]])) for _ in "abc"]
    for before, after in zip(q, fdr_over_subjects(q), strict=True):
        np.testing.assert_allclose(after, before, atol=2e-5)


def test_q_over_subjects_is_what_two_steps_find():
    rng = np.random.default_rng(3)
    for _ in range(50):
        p = [np.minimum(1, rng.uniform(size=30) ** rng.choice([1, 2, 4])) for _ in range(5)]
        q = [fdr(one) for one in p]
        after = fdr_over_subjects(q)
        for rate in (0.01, 0.05, 0.2):
            selected = fdr(np.array([one.min() for one in q])) <= rate
            for one, found, chosen in zip(q, after, selected, strict=True):
                expected = chosen & (one <= rate * selected.mean() + 1e-12)
                np.testing.assert_array_equal(found <= rate + 1e-12, expected)


def test_noise_in_many_subjects_shows_something_as_rarely_as_asked_for():
    rng = np.random.default_rng(0)
    any_within, any_over = 0, 0
    for _ in range(400):
        q = [fdr(rng.uniform(size=40)) for _ in range(6)]
        any_within += any((one < 0.05).any() for one in q)
        any_over += any((one < 0.05).any() for one in fdr_over_subjects(q))
    assert any_within / 400 > 0.2
    assert 0.02 < any_over / 400 < 0.08


def test_subject_of_noise_is_not_filled_by_the_others():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(50):
        strong = [fdr(np.full(200, 1e-6)) for _ in range(5)]
        asleep = fdr(rng.uniform(size=200))
        shares.append((fdr_over_subjects([*strong, asleep])[-1] < 0.05).mean())
    assert np.mean(shares) < 0.005


def test_subject_without_tested_voxels_does_not_count():
    q = [np.full(5, np.nan), fdr(np.array([0.001, 0.5]))]
    after = fdr_over_subjects(q)
    assert np.isnan(after[0]).all()
    np.testing.assert_allclose(after[1], q[1])
