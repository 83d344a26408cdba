"""Frames are those on the screen at the right moment, in the right place of the frame."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet import store
from giblet.stimulus.video import Shown, extract_frames, shown_at
from giblet.timing import frame_times
from tests.support.real import real_file
from tests.unit.stimulus.made_films import (
    even_times,
    last_before,
    make_film,
    numbered,
    read_frames,
    read_number,
    tone,
)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 60), unique=True, max_size=12).map(sorted),
    st.lists(st.integers(-5, 80), max_size=30).map(sorted),
    st.integers(1, 10),
)
def test_the_picture_shown_is_the_last_one_started(starts, times, length):
    items = [Shown(Fraction(t), Fraction(t + length), t) for t in starts]
    got = list(shown_at(items, [Fraction(t) for t in times]))
    for time, shown in zip(times, got, strict=True):
        index = bisect_right(starts, time) - 1
        over = bool(starts) and time >= starts[-1] + length
        expected = None if index < 0 or over else starts[index]
        assert (None if shown is None else shown.frame) == expected


def check_numbers(path: Path, starts: list[Fraction], n_trs: int, tr_s: str, parts: int, onset=0):
    """Each sampled frame is the numbered one on the screen then, counted from film time 0."""
    frames, valid, time_s = read_frames(path)
    wanted = frame_times(n_trs, tr_s, parts, onset)
    expected = [last_before(starts, time) for time in wanted]
    numbers = [read_number(frame) for frame in frames.reshape(-1, *frames.shape[2:])]
    for slot, index in enumerate(expected):
        assert valid.flat[slot] == (index >= 0)
        if index >= 0:
            assert numbers[slot] == index % 256
            assert time_s.flat[slot] == pytest.approx(float(starts[index]), abs=2e-3)
        else:
            assert np.isnan(time_s.flat[slot])
            assert not frames.reshape(-1, *frames.shape[2:])[slot].any()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_constant_rate_with_b_frames(tmp_path, suffix):
    starts = even_times(5)
    movie = make_film(tmp_path / f"film.{suffix}", starts, ticks=90000)
    extract_frames(movie, tmp_path / "f.h5", tr_s="1.5", n_trs=3, frames_per_tr=8)
    check_numbers(tmp_path / "f.h5", starts, 3, "1.5", 8)


def test_pictures_of_an_avi_with_b_frames_are_put_in_order(tmp_path):
    """Its stamps count pictures in the order of decoding."""
    starts = even_times(4)
    movie = make_film(tmp_path / "film.avi", starts, ticks=24)
    extract_frames(movie, tmp_path / "f.h5", tr_s=1, n_trs=3, frames_per_tr=24)
    check_numbers(tmp_path / "f.h5", starts, 3, "1", 24)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_frame_rate(tmp_path, suffix):
    rng = np.random.default_rng(1)
    steps = rng.integers(20, 400, 60)
    starts = [Fraction(0), *(Fraction(int(t), 1000) for t in np.cumsum(steps))]
    movie = make_film(tmp_path / f"vfr.{suffix}", starts, ticks=1000)
    n_trs = int(starts[-1] / 2)
    extract_frames(movie, tmp_path / "f.h5", tr_s=2, n_trs=n_trs, frames_per_tr=7)
    check_numbers(tmp_path / "f.h5", starts, n_trs, "2", 7)


@pytest.mark.parametrize("onset", ["2.25", "-1.75"])
def test_the_film_starts_at_its_onset(tmp_path, onset):
    starts = even_times(8)
    movie = make_film(tmp_path / "film.mp4", starts)
    extract_frames(
        movie, tmp_path / "f.h5", tr_s="1.5", n_trs=4, frames_per_tr=4, movie_onset_s=onset
    )
    check_numbers(tmp_path / "f.h5", starts, 4, "1.5", 4, onset)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_picture_that_starts_after_the_sound(tmp_path, suffix):
    starts = even_times(4, start_s=0.75)
    movie = make_film(tmp_path / f"late.{suffix}", starts, sound=tone(4.7))
    extract_frames(movie, tmp_path / "f.h5", tr_s=1, n_trs=4, frames_per_tr=8)
    check_numbers(tmp_path / "f.h5", starts, 4, "1", 8)


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_time_stamps_that_do_not_start_at_zero(tmp_path, suffix):
    starts = even_times(4, start_s=10)
    movie = make_film(tmp_path / f"ten.{suffix}", starts, sound=tone(4), sound_start_s=10)
    extract_frames(movie, tmp_path / "f.h5", tr_s=1, n_trs=3, frames_per_tr=8)
    frames, valid, time_s = read_frames(tmp_path / "f.h5")
    assert valid.all()
    shown = [read_number(frame) for frame in frames.reshape(-1, *frames.shape[2:])]
    # The sound's codec delay may move film time zero by one block of 1024 samples.
    due = [int(t * 24) for t in frame_times(3, 1, 8)]
    assert np.abs(np.array(shown) - due).max() <= 1
    assert time_s[0, 0] < 0.1


def test_beyond_the_end_nothing_is_shown(tmp_path):
    movie = make_film(tmp_path / "film.mp4", even_times(2.0))
    extract_frames(movie, tmp_path / "f.h5", tr_s="1.5", n_trs=3, frames_per_tr=4)
    frames, valid, time_s = read_frames(tmp_path / "f.h5")
    due = np.array([float(t) for t in frame_times(3, "1.5", 4)]).reshape(3, 4)
    np.testing.assert_array_equal(valid, due < 2.0)
    assert not frames[~valid].any()
    assert np.isnan(time_s[~valid]).all()


def test_the_run_is_as_long_as_the_film_when_not_told(tmp_path):
    movie = make_film(tmp_path / "film.mp4", even_times(4.6))
    extract_frames(movie, tmp_path / "f.h5", run="run-1", tr_s="1.5", frames_per_tr=2)
    frames, valid, _ = read_frames(tmp_path / "f.h5")
    assert frames.shape == (3, 2, 90, 160, 3)
    assert valid.all()


def test_what_the_file_says_of_itself(tmp_path):
    movie = make_film(tmp_path / "film.mp4", even_times(3))
    extract_frames(movie, tmp_path / "f.h5", run="run-1", tr_s="3/2", n_trs=2, frames_per_tr=4)
    with store.reading(tmp_path / "f.h5", stage="stimulus", tr_s="1.5") as file:
        pictures = store.dataset(file, "frames", dtype="uint8", shape=(2, 4, 90, 160, 3))
        assert pictures.chunks == (1, 4, 90, 160, 3)
        assert file.attrs["run"] == "run-1"
        assert file.attrs["frames_per_tr"] == 4
        assert list(file.attrs["content_box"]) == [0, 0, 160, 90]


@pytest.mark.parametrize(
    ("source", "size", "box"),
    [
        ((480, 204), (160, 90), [0, 11, 160, 68]),
        ((120, 160), (160, 90), [46, 0, 68, 90]),
        ((101, 67), (63, 45), [0, 1, 63, 42]),
    ],
)
def test_letterbox_keeps_the_whole_picture(tmp_path, source, size, box):
    movie = make_film(tmp_path / "film.mkv", even_times(1), [numbered(0b10100101, *source)] * 24)
    extract_frames(
        movie, tmp_path / "f.h5", tr_s=1, n_trs=1, frames_per_tr=1, width=size[0], height=size[1]
    )
    with h5py.File(tmp_path / "f.h5") as file:
        assert list(file.attrs["content_box"]) == box
        frame = file["frames"][0, 0]
    x, y, wide, high = box
    assert read_number(frame[y : y + high, x : x + wide]) == 0b10100101
    outside = np.ones(frame.shape[:2], bool)
    outside[y : y + high, x : x + wide] = False
    assert not frame[outside].any()


def test_crop_fills_the_frame_with_the_centre(tmp_path):
    picture = np.zeros((90, 320, 3), np.uint8)
    picture[:, 80:240] = (30, 200, 40)
    movie = make_film(tmp_path / "wide.mp4", even_times(1), [picture] * 24)
    extract_frames(
        movie, tmp_path / "f.h5", tr_s=1, n_trs=1, frames_per_tr=1, width=80, height=45, fit="crop"
    )
    frame = read_frames(tmp_path / "f.h5")[0][0, 0]
    assert frame.shape == (45, 80, 3)
    np.testing.assert_allclose(frame[:, 2:-2].mean((0, 1)), (30, 200, 40), atol=6)


@pytest.mark.parametrize("height", [90, 720])
def test_colours_come_out_as_they_went_in(tmp_path, height):
    colour = (200, 60, 120)
    width = height * 16 // 9
    picture = np.broadcast_to(np.array(colour, np.uint8), (height, width, 3)).copy()
    if height == 720:
        # x264 is fed BT.709 samples, as players assume of untagged high definition.
        movie = make_hd(tmp_path / "hd.mp4", picture)
    else:
        movie = make_film(tmp_path / "sd.mp4", even_times(0.5), [picture] * 12)
    extract_frames(movie, tmp_path / "f.h5", tr_s="0.5", n_trs=1, frames_per_tr=1)
    frame = read_frames(tmp_path / "f.h5")[0][0, 0]
    np.testing.assert_allclose(frame.reshape(-1, 3).mean(0), colour, atol=4)


def make_hd(path: Path, picture: np.ndarray) -> Path:
    """One second of an untagged BT.709 film, its samples computed here (ITU-R BT.709)."""
    import av

    red, green, blue = (picture[0, 0] / 255).tolist()
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    values = (
        16 + 219 * luma,
        128 + 224 * (blue - luma) / 1.8556,
        128 + 224 * (red - luma) / 1.5748,
    )
    height, width = picture.shape[:2]
    sizes = (height * width, height * width // 4, height * width // 4)
    flat = [np.full(size, round(value)) for size, value in zip(sizes, values, strict=True)]
    planes = np.concatenate(flat).astype(np.uint8).reshape(height * 3 // 2, width)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for _ in range(24):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        out.mux(stream.encode(None))
    return path


def test_pixels_that_are_not_square(tmp_path):
    import av

    path = tmp_path / "anamorphic.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 90, 90, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 9)
        for _ in range(24):
            white = np.full((90, 90, 3), 235, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(white, format="rgb24")))
        out.mux(stream.encode(None))
    extract_frames(path, tmp_path / "f.h5", tr_s=1, n_trs=1, frames_per_tr=1)
    assert read_frames(tmp_path / "f.h5")[0].min() > 200


def test_real_trailer_against_a_plain_decode(tmp_path):
    import av

    movie = real_file("sintel_trailer.mp4")
    with av.open(str(movie)) as container:
        truth = [
            (frame.pts * frame.time_base, frame.to_ndarray(format="rgb24").mean())
            for frame in container.decode(video=0)
        ]
    starts = [Fraction(time) for time, _ in truth]
    assert len(starts) == 1252
    extract_frames(movie, tmp_path / "f.h5", tr_s="1.5", frames_per_tr=36, width=80, height=34)
    frames, valid, time_s = read_frames(tmp_path / "f.h5")
    assert frames.shape[:2] == (34, 36)
    assert valid.all()
    # 36 samples a TR at 24 frames a second: every frame of the first 51 s is met exactly once.
    assert [round(t * 24) for t in time_s.ravel()] == list(range(34 * 36))
    due = [last_before(starts, time) for time in frame_times(34, "1.5", 36)]
    np.testing.assert_allclose(time_s.ravel(), [float(starts[i]) for i in due], atol=1e-9)
    brightness = frames.reshape(34 * 36, -1).mean(1)
    np.testing.assert_allclose(brightness, [truth[i][1] for i in due], atol=2)
