"""The same film is known by what moves in it; films that only look alike are not taken for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.align.matching import Stretch, common_stretches
from giblet.align.signature import Track, sound_track
from giblet.store import writing
from giblet.timing import n_items, tr_ranges
from tests.support.moving_films import checkerboard, scenes, slides, track


def stretches(*tracks: Track) -> list[Stretch]:
    """What all pairs share, and what each repeats."""
    n = len(tracks)
    return common_stretches(tracks, [(a, b) for a in range(n) for b in range(a, n)])


def at(onset_s: float, from_s: float = 0.0, speed: float = 1.0, stop_s: float = np.inf):
    """Film time of a run that shows a film, or a part of it, from `onset_s` on."""

    def film_s(scanner_s: np.ndarray) -> np.ndarray:
        since = scanner_s - onset_s
        return np.where((since >= 0) & (since < stop_s), from_s + speed * since, np.nan)

    return film_s


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    onset_s=st.floats(0, 30),
    later_s=st.floats(-15, 30),
    gain=st.floats(0.5, 1.2),
    noise=st.floats(0, 0.7),
    per_tr=st.integers(2, 8),
)
def test_a_film_at_another_onset_is_found(seed, onset_s, later_s, gain, noise, per_tr):
    film = scenes(seed)
    one = track(film, 80, film_s=at(onset_s), per_tr=per_tr)
    two = track(film, 80, film_s=at(onset_s + later_s), per_tr=per_tr, noise=noise, gain=gain)
    found = [one for one in stretches(one, two) if one.first != one.second]
    assert found
    covered = sum(one.stop_s - one.start_s for one in found)
    start, stop = max(onset_s, -later_s), min(120, 120 - later_s)
    assert covered > 0.8 * (stop - start) - 12
    for one in found:
        assert one.later_s == pytest.approx(later_s, abs=2 * 1.5 / per_tr)
        assert start - 3 <= one.start_s < one.stop_s <= stop + 3


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size_s=st.floats(18, 40),
    from_s=st.floats(0, 40),
    place_s=st.floats(5, 60),
)
def test_a_clip_inside_another_film_is_found_where_it_is(seed, size_s, from_s, place_s):
    whole = track(scenes(seed), 60, film_s=at(0))
    other, clip = scenes(seed + 1), at(place_s, from_s, stop_s=size_s)

    def film(moments, height, width):
        # Other film before and after the clip: moments are those of the scanner.
        inside = np.isfinite(clip(moments))
        shown = other(moments, height, width)
        shown[inside] = scenes(seed)(clip(moments)[inside], height, width)
        return shown

    mixed = track(film, 80, film_s=at(0))
    found = [one for one in stretches(whole, mixed) if one.first != one.second]
    assert found
    for one in found:
        assert one.later_s == pytest.approx(place_s - from_s, abs=0.5)
        assert from_s - 2 <= one.start_s < one.stop_s <= from_s + size_s + 2
    assert sum(one.stop_s - one.start_s for one in found) > 0.6 * size_s - 3


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), per_tr=st.integers(2, 8))
def test_different_films_share_nothing(seed, per_tr):
    tracks = [track(scenes(seed + k), 100, film_s=at(0), per_tr=per_tr) for k in range(3)]
    assert stretches(*tracks) == []


def test_a_film_played_faster_is_followed():
    film = scenes(5)
    two = track(film, 120, film_s=at(3, speed=25 / 24), per_tr=8)
    found = stretches(track(film, 120, film_s=at(0), per_tr=8), two)
    assert sum(one.stop_s - one.start_s for one in found) > 120
    assert {one.later_s > 0 for one in found} == {True, False}


@pytest.mark.parametrize("loops", [3, 6])
def test_a_clip_shown_again_and_again_is_found(loops):
    looped = track(scenes(3), 20 * loops, film_s=lambda scanner_s: scanner_s % 30)
    found = stretches(looped)
    lags = {round(one.later_s / 30) for one in found}
    assert lags == set(range(1, loops))
    assert all(one.later_s % 30 == pytest.approx(0, abs=0.4) for one in found if one.later_s > 29)


def test_a_slide_show_is_found_by_its_order():
    order = list(np.random.default_rng(0).permutation(60))
    one = track(slides(order, 4.0), 100, film_s=at(0))
    two = track(slides(order, 4.0), 100, film_s=at(20.3))
    (found,) = (one for one in stretches(one, two) if one.first != one.second)
    assert found.later_s == pytest.approx(20.3, abs=0.4)


@pytest.mark.parametrize("each_s", [0.5, 2.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_few_pictures_in_random_order_are_no_film_shown_again(each_s, seed):
    rng = np.random.default_rng(seed)
    shown = [slides(list(rng.integers(0, 8, 150)), each_s, 1.0) for _ in range(2)]
    assert stretches(*(track(one, 150, film_s=at(0)) for one in shown)) == []


@pytest.mark.parametrize("flicker_hz", [1.0, 4.0, 8.0])
def test_a_checkerboard_is_no_film_shown_again(flicker_hz):
    board = checkerboard(flicker_hz)
    assert stretches(track(board, 150, film_s=at(0)), track(board, 150, film_s=at(4.2))) == []


def test_black_grey_and_still_films_share_nothing():
    black = track(lambda moments, h, w: np.zeros((len(moments), h, w)), 100, film_s=at(0))
    title = track(slides([1], 1e6), 100, film_s=at(0))
    assert stretches(black, black) == stretches(title, title) == []


def sound(path, mel, tr_s="1.5"):
    n_trs = int(len(mel) / 37.5 / 1.5)
    with writing(path, stage="features", tr_s=tr_s) as file:
        file["log_mel"] = mel[: n_items(n_trs, tr_s, "37.5")].astype(np.float16)
        file["index"] = tr_ranges(n_trs, tr_s, "37.5")
        file.attrs["sample_rate_hz"], file.attrs["hop_length"] = 12000, 320
    return sound_track(path, tr_s, n_trs)


def test_sound_is_known_too(tmp_path):
    rng = np.random.default_rng(0)
    notes = [
        np.repeat(rng.normal(-4, 2, (1, 64)), int(n), axis=0) for n in rng.integers(5, 20, 300)
    ]
    mel = np.concatenate(notes)
    later = np.concatenate([np.full((123, 64), -11.5), mel])
    one = sound(tmp_path / "one.h5", mel + rng.normal(0, 0.2, mel.shape))
    two = sound(tmp_path / "two.h5", later + rng.normal(0, 0.2, later.shape))
    found = [one for one in stretches(one, two) if one.first != one.second]
    assert sum(one.stop_s - one.start_s for one in found) > 80
    assert all(one.later_s == pytest.approx(123 / 37.5, abs=0.2) for one in found)
