"""One clock for picture, sound and length, whatever a film's time stamps do."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from giblet.stimulus.clock import BrokenStamps, make_clock
from giblet.stimulus.gaps import troubles
from giblet.stimulus.tracks import Track
from tests.support.counting_films import counting_film, read_all

TICK = Fraction(1, 90000)
RATE = 25
BLOCK_S = 0.02


def track(
    kind: str, times: np.ndarray, lengths: float | np.ndarray, keys=None, order=None
) -> Track:
    """A track of one packet for each time."""
    n = len(times)
    return Track(
        0 if kind == "video" else 1,
        kind,
        TICK,
        Fraction(1, RATE),
        np.round(times / float(TICK)).astype(np.int64),
        np.round(np.broadcast_to(lengths, n) / float(TICK)).astype(np.int64),
        np.ones(n, bool) if keys is None else keys,
        np.zeros(n, bool),
        np.zeros(n, bool),
        np.arange(n) if order is None else order,
    )


def decoding_order(n: int) -> np.ndarray:
    """Numbers of pictures as they are stored: of each four, the last one first."""
    numbers = np.arange(n)
    for first in range(1, n - 3, 4):
        numbers[first : first + 4] = [first + 3, first + 1, first, first + 2]
    return numbers


def recording(start_s: float, seconds: float, late_s: float):
    """Stamps of pictures with B-frames and of blocks of sound."""
    pictures = start_s + decoding_order(round(seconds * RATE)) / RATE
    blocks = start_s + late_s + np.arange(round(seconds / BLOCK_S)) * BLOCK_S
    return pictures, blocks


def interleaved(pictures: list[np.ndarray], blocks: list[np.ndarray]) -> tuple[Track, Track]:
    """Tracks of recordings one after the other, each interleaved by its own time."""
    kinds, orders = [], []
    for seen, heard in zip(pictures, blocks, strict=True):
        stored = np.r_[np.sort(seen), heard]
        kind = np.r_[np.zeros(len(seen)), np.ones(len(heard))]
        kinds.append(kind[np.argsort(stored, kind="stable")])
    kind = np.concatenate(kinds)
    orders = [np.flatnonzero(kind == number) for number in (0, 1)]
    shown = np.concatenate(pictures)
    keys = np.concatenate([np.arange(len(part)) == 0 for part in pictures])
    return (
        track("video", shown, 1 / RATE, keys, orders[0]),
        track("audio", np.concatenate(blocks), BLOCK_S, None, orders[1]),
    )


RECORDINGS = st.lists(
    st.tuples(st.integers(0, 50_000), st.integers(2, 12), st.sampled_from([0, 0.1, -0.2])),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=30)
@given(RECORDINGS)
def test_joined_recordings_are_played_one_after_the_other(parts):
    """Every picture and block has its place in its recording, and recordings follow each other."""
    starts = [float(start) for start, _, _ in parts]
    # What continues another one within 10 s is a hole, not a further recording.
    for at in range(1, len(starts)):
        ahead = starts[at] - (starts[at - 1] + parts[at - 1][1])
        if -0.3 < ahead < 11:
            starts[at] += 20
    made = [
        recording(start, seconds, late)
        for start, (_, seconds, late) in zip(starts, parts, strict=True)
    ]
    video, audio = interleaved([m[0] for m in made], [m[1] for m in made])
    first = Fraction(min(made[0][0].min(), made[0][1].min())).limit_denominator(90000)
    clock = make_clock([video, audio], first, discontinuous=True)
    assert len(clock.joins_s) == len(parts) - 1
    end = 0.0
    for number, (pictures, blocks) in enumerate(made):
        zero = min(pictures.min(), blocks.min())
        for index, stamps in ((0, pictures), (1, blocks)):
            piece = clock.pieces[index][number]
            played = video.seconds(piece.ticks) + float(piece.shift_s - clock.zero_s)
            np.testing.assert_allclose(played, stamps - zero + end, atol=1e-4)
        end += max(pictures.max() + 1 / RATE, blocks.max() + BLOCK_S) - zero
    assert float(clock.end_s) == pytest.approx(end, abs=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 4000), min_size=2, max_size=60), st.booleans(), st.booleans())
def test_any_steps_of_pictures_are_no_break(steps, reordered, discontinuous):
    """A film of varying frame rate, also one of slides, plays as it is stamped."""
    times = np.cumsum(np.array(steps) / 100)
    if reordered:
        times = times[decoding_order(len(times))]
    keys = np.arange(len(times)) == 0
    # Each second of sound lies in the file where its picture does.
    seconds = np.arange(0, times.max(), 0.5)
    place = np.searchsorted(np.sort(times), seconds)
    order = np.searchsorted(place, np.arange(len(times)), side="right") + np.arange(len(times))
    free = np.setdiff1d(np.arange(len(times) + len(seconds)), order)
    sound = track("audio", seconds, 0.5, None, free[: len(seconds)])
    clock = make_clock([track("video", times, 0, keys, order), sound], Fraction(0), discontinuous)
    assert clock.as_stamped


def test_a_jump_of_one_stream_only_is_refused():
    """In transport streams as in others: there the sound goes on over the jump."""
    pictures, blocks = recording(0, 60, 0)
    moved = pictures + np.where(pictures > 20, 1000, 0)
    video, audio = interleaved([pictures], [blocks])
    video = track("video", moved, 1 / RATE, video.keys, video.order)
    with pytest.raises(BrokenStamps, match="picture break there, those of its sound run on"):
        make_clock([video, audio], Fraction(0), discontinuous=True)
    clock = make_clock([video, audio], Fraction(0), discontinuous=False)
    found = [trouble for trouble in troubles(clock, None, True) if trouble.fatal]
    assert "jump from 20.0" in found[0].text


@pytest.mark.parametrize("discontinuous", [False, True])
@pytest.mark.parametrize("away", [-3000.0, 17.0, 1e6])
def test_one_stamp_out_of_line_is_put_in_place(away, discontinuous):
    pictures, blocks = recording(100, 40, 0)
    video, audio = interleaved([pictures], [blocks])
    moved = pictures.copy()
    moved[300] += away
    spoilt = track("video", moved, 1 / RATE, video.keys, video.order)
    clock = make_clock([spoilt, audio], Fraction(100), discontinuous)
    assert list(clock.strays[0]) == [300]
    assert abs(clock.strays[0][300] * TICK - Fraction(pictures[300])) < Fraction(4, RATE)
    assert float(clock.end_s) == pytest.approx(40, abs=0.05)


def test_stamps_at_random_are_refused():
    times = np.random.default_rng(0).uniform(0, 1000, 3000)
    with pytest.raises(BrokenStamps, match="out of order throughout"):
        make_clock([track("video", times, 0)], Fraction(0), discontinuous=False)


@pytest.mark.parametrize(
    ("moved", "stated", "says"),
    [
        (1e9, None, "jump from"),
        (700, None, "jump from"),
        (50, 42, "beyond the 42.000 s its header states"),
    ],
)
def test_a_hole_larger_than_a_film_is_refused(moved, stated, says):
    pictures, blocks = recording(0, 40, 0)
    shift = np.where(pictures > 30, moved, 0), np.where(blocks > 30, moved, 0)
    video, audio = interleaved([pictures + shift[0]], [blocks + shift[1]])
    clock = make_clock([video, audio], Fraction(0), discontinuous=False)
    found = troubles(clock, None if stated is None else Fraction(stated), True)
    assert [trouble.fatal for trouble in found] == [True]
    assert says in found[0].text


@settings(deadline=None, max_examples=4, derandomize=True)
@given(st.lists(st.integers(0, 90_000), min_size=2, max_size=3))
def test_joined_transport_streams_show_and_sound_the_same_numbers(tmp_path_factory, starts):
    assume(not any(0 <= b - a - 2 < 11 for a, b in pairwise(starts)))
    folder = tmp_path_factory.mktemp("joined")
    parts = [
        counting_film(folder / f"{n}.ts", 2, first=20 * n, start_s=start).read_bytes()
        for n, start in enumerate(starts)
    ]
    path = folder / "film.ts"
    path.write_bytes(b"".join(parts))
    numbers = [20 * n + second for n in range(len(starts)) for second in (0, 1)]
    with pytest.warns(UserWarning, match="time stamps start anew"):
        assert read_all(path) == (len(numbers), numbers, numbers)
