"""Identification: perfect, useless and in-between predictions get what they deserve."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giblet.validate.identification import (
    Shifted,
    chance,
    distractors,
    identify,
    mean_of,
    shift_scores,
    similarity,
    unit_rows,
)
from giblet.validate.items import Scorer
from giblet.validate.permutation import draw_orders
from giblet.validate.settings import Settings
from giblet.validate.table import MetricTable
from giblet.validate.testset import TestSet


def two_runs(n=40):
    run = np.repeat([0, 1], n // 2)
    return run, np.tile(np.arange(n // 2) * 1.5, 2)


def test_similarity_is_numpys_correlation():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 6, 30))
    np.testing.assert_allclose(similarity(a, b), np.corrcoef(a, b)[:6, 6:], atol=1e-12)


def test_perfect_prediction_is_always_first():
    rng = np.random.default_rng(0)
    items = rng.normal(size=(40, 20))
    found = identify(similarity(items, items), distractors(*two_runs(), 6))
    assert (found.rank == 1).all()
    assert (found.top1 == 1).all()
    assert (found.pairwise == 1).all()


@given(st.integers(2, 30), st.floats(0, 20))
def test_prediction_without_information_is_exactly_at_chance(n, distance):
    run, time_s = np.zeros(n, int), np.arange(n) * 1.5
    found = identify(np.zeros((n, n)), distractors(run, time_s, distance))
    expected = chance(found.n_candidates)
    if np.isfinite(found.rank).any():
        assert np.nanmean(found.top1) == pytest.approx(expected["top1"])
        assert np.nanmean(found.top5) == pytest.approx(expected["top5"])
        assert np.nanmean(found.pairwise) == pytest.approx(0.5)
        assert np.nanmedian(found.rank) == pytest.approx(expected["rank"])


def test_random_predictions_are_at_chance_on_average():
    allowed = distractors(*two_runs(), 6)
    hits = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        found = identify(similarity(*rng.normal(size=(2, 40, 10))), allowed)
        hits.append(found.pairwise.mean())
    assert abs(np.mean(hits) - 0.5) < 0.02


def test_near_neighbours_are_no_distractors_but_other_runs_are():
    allowed = distractors(np.array([0, 0, 0, 1]), np.array([0, 1.5, 30, 0]), 15)
    expected = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]], bool)
    np.testing.assert_array_equal(allowed, expected)
    # Item 1 looks more like item 0's prediction than item 0 does, but stands too near to count.
    scores = np.array([[0.5, 0.9, 0.1, 0.1]] * 4)
    assert identify(scores, allowed).rank[0] == 1


def test_item_without_distractors_is_not_scored():
    found = identify(np.eye(2), distractors(np.zeros(2, int), np.array([0, 1.5]), 30))
    assert np.isnan(found.rank).all()
    assert np.isnan(list(chance(found.n_candidates).values())).all()


def test_p_is_small_for_a_signal_and_calibrated_without():
    run, time_s = two_runs(80)
    allowed = distractors(run, time_s, 9)
    null, signal, top1 = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        # Neighbouring items look alike, which a plain shuffle would mistake for a finding.
        true, other = (np.repeat(rng.normal(size=(20, 15)), 4, axis=0) for _ in range(2))
        for out, predicted in ((null, other), (signal, true + rng.normal(size=true.shape))):
            scores = similarity(predicted, true)
            found = shift_scores(scores, allowed, draw_orders([40, 40], 200, 4, [rng, rng]))
            out.append(found["pairwise"].p)
            if out is null:
                top1.append(found["top1"].p)
    assert max(signal) < 0.02
    assert np.mean(np.array(top1) < 0.05) <= 0.15
    assert np.mean(np.array(null) < 0.05) <= 0.15
    assert 0.3 < np.mean(null) < 0.7


def test_observed_scores_are_those_of_the_items():
    run, time_s = two_runs(40)
    allowed = distractors(run, time_s, 6)
    rng = np.random.default_rng(3)
    scores = similarity(*rng.normal(size=(2, 40, 10)))
    orders = draw_orders([20, 20], 100, 3, [rng, rng])
    found, shifted = identify(scores, allowed), shift_scores(scores, allowed, orders)
    assert shifted["pairwise"].observed == pytest.approx(found.pairwise.mean())
    assert shifted["top1"].observed == pytest.approx(found.top1.mean())
    # A shift is the identification of predictions that stand against other truths.
    first = np.mean([identify(scores[:, orders[0]], allowed[orders[0]][:, orders[0]]).top1])
    assert shifted["top1"].null[0] == pytest.approx(first)


def test_p_over_subjects_is_that_of_their_mean():
    rng = np.random.default_rng(0)
    # What subjects share, the film, moves all their nulls together.
    film = rng.normal(size=999)
    subjects = [Shifted(2.0, film + 0.1 * rng.normal(size=999)) for _ in range(5)]
    expected = (1 + (np.mean([one.null for one in subjects], axis=0) >= 2).sum()) / 1000
    assert mean_of(subjects).p == pytest.approx(expected)
    assert mean_of(subjects).p > 0.005
    assert np.isnan(mean_of([Shifted(np.nan, np.zeros(0))]).p)


def test_zero_rows_stay_zero():
    assert (unit_rows(np.full((2, 5), 0.1)) == 0).all()


def test_a_film_shown_again_is_the_same_film():
    """The second showing's TRs are no distractors of the first's, which they equal."""
    trs = (np.arange(40), np.arange(5, 45), np.arange(40))
    tests = TestSet(("a", "b", "c"), (45, 45, 45), trs, Fraction(2), ("s",), {"c": "a"})
    assert (tests.run_number == np.repeat([0, 1, 2], 40)).all()
    assert (tests.film_number == np.repeat([0, 1, 0], 40)).all()
    settings = Settings(0, 20, 20, 10, 4, 6)
    patterns = np.eye(80)[np.r_[:80, :40]]
    for known, expected in ((tests, 1.0), (replace(tests, repeats={}), 2 / 3)):
        table = MetricTable("text", 20, 0)
        Scorer(table, settings, known).identify("model", "", patterns, patterns, known)
        rows = pd.DataFrame(table.rows).set_index(["metric", "source"])["value"]
        for name in ("identification_top1", "identification_all_top1"):
            assert rows[name, "model"] == pytest.approx(expected)
