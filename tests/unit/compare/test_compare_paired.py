"""Intervals of differences: they cover the truth, and what both runs share is not in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giblet.resampling import blocks
from giblet.validate.compare.paired import paired_interval
from giblet.validate.statistics import bootstrap_interval, bootstrap_mean_interval


def cases(rng, n=80, shift=0.0, shared=3.0, n_subjects=2):
    """Items with a large part in common, half of it per block, and noise of each run's own."""
    block = blocks([n // 2, n // 2], 8)
    film = shared * rng.normal(size=block.max() + 1)[block]
    out = []
    for _ in range(n_subjects):
        one, other = film + rng.normal(size=n), film + shift + rng.normal(size=n)
        out.append((one, other, block))
    return out


@pytest.mark.parametrize("over", [np.mean, np.median])
def test_interval_covers_a_difference_of_nothing_about_as_often_as_it_says(over):
    rng = np.random.default_rng(0)
    outside = 0
    for _ in range(200):
        low, high = paired_interval(cases(rng), over, 200).interval
        outside += low > 0 or high < 0
    # Blocks are few, which makes percentile intervals somewhat too narrow.
    assert outside / 200 <= 0.15


def test_a_true_difference_is_found_where_two_intervals_side_by_side_overlap():
    found, apart = 0, 0
    for seed in range(30):
        made = cases(np.random.default_rng(seed), shift=0.7)
        low, _ = paired_interval(made, np.mean, 200).interval
        found += low > 0
        one, other, block = made[0]
        rng = np.random.default_rng(1)
        apart += (
            bootstrap_interval(one, block, 200, rng)[1]
            < bootstrap_interval(other, block, 200, rng)[0]
        )
    assert found >= 28
    assert apart == 0


def test_of_means_it_is_the_interval_of_the_mean_difference():
    made = cases(np.random.default_rng(2), shift=0.3)
    found = paired_interval(made, np.mean, 300)
    _, expected = bootstrap_mean_interval(
        [(other - one, block) for one, other, block in made], 300, np.random.default_rng(0)
    )
    np.testing.assert_allclose(found.interval, expected)
    assert found.n == 160


@given(st.integers(0, 10_000), st.sampled_from([np.mean, np.median]))
def test_changing_sides_changes_the_sign(seed, over):
    made = cases(np.random.default_rng(seed), n=32, n_subjects=1, shift=0.2)
    low, high = paired_interval(made, over, 60).interval
    back = paired_interval([(b, a, k) for a, b, k in made], over, 60).interval
    np.testing.assert_allclose(back, (-high, -low))


def test_items_that_one_run_could_not_score_do_not_count():
    one, other, block = cases(np.random.default_rng(3), n_subjects=1)[0]
    with_gap = one.copy()
    with_gap[:10] = np.nan
    found = paired_interval([(with_gap, other, block)], np.mean, 100)
    expected = paired_interval([(one[10:], other[10:], block[10:])], np.mean, 100)
    assert found == expected


def test_nothing_and_a_single_block_have_no_interval_and_say_why():
    nothing = np.full(4, np.nan)
    assert paired_interval([(nothing, nothing, np.arange(4))], np.mean, 100).reason
    flat = np.arange(4.0)
    found = paired_interval([(flat, flat + 1, np.zeros(4, int))], np.mean, 100)
    assert found.reason == "there is one block of test TRs only"
