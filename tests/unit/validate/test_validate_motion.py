"""Motion energy: known for a moving edge, matched over time, blind to which way."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from giblet.validate.motion import motion_energy, motion_series
from giblet.validate.settings import Settings
from giblet.validate.testset import TestSet
from giblet.validate.tr_series import series_r

GRID = (2, 2)
SETTINGS = Settings(0, 100, 100, 4, 3.0, 3.0)


def made(*lengths):
    trs = np.concatenate([100 * k + np.arange(n) for k, n in enumerate(lengths)])
    return TestSet(("run-1",), (1000,), (trs,), Fraction(3, 2), ("sub-01",))


def motion_r(true, frames, tests):
    return series_r(*(motion_series(f, tests, GRID) for f in (true, frames)), tests, SETTINGS)


def film(n, per_tr=2, seed=0):
    """Noise whose brightness changes by a random amount at every frame, cell by cell."""
    rng = np.random.default_rng(seed)
    cells = 128 + 10 * rng.normal(size=(n, per_tr, 2, 2, 1))
    big = cells.repeat(4, 2).repeat(6, 3).repeat(3, 4)
    return np.clip(big, 0, 255).astype(np.uint8)


def test_energy_is_the_root_mean_square_change_of_the_luma():
    frames = np.zeros((3, 2, 8, 12, 3), np.uint8)
    # The left half brightens by 10 at every frame, the right stands still.
    for place in range(6):
        frames[place // 2, place % 2, :, :6] = 10 * place
    found = motion_energy(frames, GRID)
    np.testing.assert_allclose(found, [[10, 0, 10, 0]] * 2, rtol=1e-6)


def test_long_films_are_done_in_pieces(monkeypatch):
    frames = film(40)
    whole = motion_energy(frames, GRID)
    monkeypatch.setattr("giblet.validate.motion.FRAMES_AT_ONCE", 7)
    np.testing.assert_allclose(motion_energy(frames, GRID), whole)


def test_r_is_scipys_over_time_within_a_segment():
    true, other = film(30, seed=1), film(30, seed=2)
    mixed = ((true.astype(int) + other) // 2).astype(np.uint8)
    r, draws, n = motion_r(true, mixed, made(30))
    x, y = motion_energy(true, GRID), motion_energy(mixed, GRID)
    expected = [stats.pearsonr(x[:, k], y[:, k]).statistic for k in range(4)]
    assert r == pytest.approx(np.mean(expected), abs=1e-9)
    assert n == 29
    assert np.percentile(draws, 2.5) < r < np.percentile(draws, 97.5)


def test_the_same_film_is_perfect_even_with_its_brightness_turned_round():
    true = film(20)
    tests = made(12, 8)
    assert motion_r(true, true, tests)[0] == pytest.approx(1)
    assert motion_r(true, 255 - true, tests)[0] == pytest.approx(1)
    assert motion_r(true, true, tests)[2] == 18


def test_cuts_between_segments_are_no_motion():
    true = film(20)
    jump = true.copy()
    jump[12:] = 255 - jump[12:]
    assert motion_r(true, jump, made(12, 8))[0] == pytest.approx(1)
    assert motion_r(true, jump, made(20))[0] < 0.99


def test_a_still_picture_has_none_and_a_still_film_nothing_to_match():
    true = film(20)
    still = np.broadcast_to(true[:1, :1], true.shape)
    assert motion_r(true, still, made(20))[0] == 0
    r, draws, n = motion_r(still, true, made(20))
    assert np.isnan(r)
    assert (len(draws), n) == (0, 0)
