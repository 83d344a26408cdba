"""Sound is heard when it should be, at the right pitch and level."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.stimulus.audio import continuous, exactly, extract_audio, nearest, resampled
from giblet.stimulus.video import extract_frames
from giblet.timing import n_items
from tests.support.real import real_file
from tests.unit.stimulus.made_films import (
    burst,
    even_times,
    make_film,
    onsets,
    read_frames,
    read_wav,
    tone,
)

BLOCK_S = 1024 / 44100


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(-200, 400))
def test_unbroken_blocks_come_out_whole(lengths, start):
    rate = 100
    signal = np.arange(1, sum(lengths) + 1, dtype=np.float32)
    edges = np.cumsum([0, *lengths])
    blocks = [(Fraction(int(a), rate), signal[a:b]) for a, b in pairwise(edges)]
    got = np.concatenate(
        [np.zeros(0, np.float32), *continuous(blocks, rate, Fraction(start, rate))]
    )
    expected = signal[start:] if start >= 0 else np.r_[np.zeros(-start), signal]
    np.testing.assert_array_equal(got, expected)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), min_size=1, max_size=8),
    st.integers(0, 100),
)
def test_gaps_are_silent_and_overlaps_are_cut(steps, start):
    rate = 1000
    blocks, at = [], 0
    truth = np.zeros(10_000)
    for number, (gap, length) in enumerate(steps, 1):
        # Further apart than the container's rounding, or touching.
        at += gap if gap > 10 else 0
        blocks.append((Fraction(at, rate), np.full(length, number, np.float32)))
        truth[at : at + length] = number
        at += length
    got = np.concatenate(
        [np.zeros(0, np.float32), *continuous(blocks, rate, Fraction(start, rate))]
    )
    np.testing.assert_array_equal(got, truth[start:at] if start < at else [])


@given(st.fractions(), st.fractions(), st.integers(1, 400_000))
def test_the_nearest_sample(time, start, rate):
    assert nearest(time, start, rate) == round((time - start) * rate)


def test_rounded_time_stamps_leave_no_holes():
    rate = 44100
    signal = np.sin(np.arange(44100)).astype(np.float32)
    rounded = [
        (Fraction(round(1000 * first / rate), 1000), signal[first : first + 1024])
        for first in range(0, len(signal), 1024)
    ]
    np.testing.assert_array_equal(
        np.concatenate(list(continuous(rounded, rate, Fraction(0)))), signal
    )


def test_overlapping_blocks_are_cut():
    ones, twos = np.ones(100, np.float32), np.full(100, 2, np.float32)
    got = np.concatenate(
        list(continuous([(Fraction(0), ones), (Fraction(1, 2), twos)], 100, Fraction(0)))
    )
    np.testing.assert_array_equal(got, np.r_[np.ones(100), np.full(50, 2)])


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=8), st.integers(0, 100))
def test_exactly_as_many_as_asked(lengths, n):
    blocks = [np.ones(length, np.float32) for length in lengths]
    got = np.concatenate([np.zeros(0), *exactly(blocks, n)])
    assert len(got) == n
    assert got.sum() == min(n, sum(lengths))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=10), st.sampled_from([12000, 24000]))
def test_resampling_in_pieces_equals_resampling_at_once(lengths, new_rate):
    import soxr

    signal = np.sin(np.arange(sum(lengths)) * 0.05).astype(np.float32)
    pieces = np.split(signal, np.cumsum(lengths)[:-1])
    got = np.concatenate(list(resampled(pieces, 44100, new_rate)))
    whole = soxr.resample(signal, 44100, new_rate, quality="HQ")
    assert abs(len(got) - len(whole)) <= 1
    n = min(len(got), len(whole))
    np.testing.assert_allclose(got[:n], whole[:n], atol=1e-5)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_a_tone_keeps_its_phase_pitch_and_level(tmp_path, suffix):
    movie = make_film(tmp_path / f"film.{suffix}", even_times(3), sound=tone(3))
    extract_audio(movie, tmp_path / "a.wav", tr_s="1.5", n_trs=2, sample_rate_hz=12000)
    rate, sound = read_wav(tmp_path / "a.wav")
    assert (rate, len(sound)) == (12000, 36000)
    inner = slice(3000, 33000)
    expected = tone(3, rate_hz=12000)
    shift = best_shift(sound[inner], expected, 3000)
    assert abs(shift) <= 0.008 * rate
    level = np.sqrt(np.mean(sound[inner] ** 2))
    assert level == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def best_shift(part: np.ndarray, whole: np.ndarray, start: int, reach: int = 100) -> int:
    """Samples by which `part` lags `whole[start:]`."""
    scores = {
        lag: float(part @ whole[start - lag : start - lag + len(part)])
        for lag in range(-reach, reach + 1)
        if start - lag + len(part) <= len(whole)
    }
    return max(scores, key=lambda lag: scores[lag])


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_mixing_down_neither_clips_nor_loses_speech(tmp_path, layout):
    voice = 1.8 * tone(1)
    channels = {
        "mono": voice[None],
        "stereo": np.stack([voice, voice]),
        # In 5.1, speech is in the centre, the third channel.
        "5.1": np.stack([0 * voice, 0 * voice, voice, 0 * voice, 0 * voice, 0 * voice]),
    }[layout]
    movie = make_film(tmp_path / "f.mkv", even_times(1), sound=channels, audio_codec="flac")
    extract_audio(movie, tmp_path / "a.wav", tr_s=1, n_trs=1, sample_rate_hz=44100)
    _, sound = read_wav(tmp_path / "a.wav")
    peak = np.abs(sound).max()
    assert peak <= 0.91
    assert peak >= (0.25 if layout == "5.1" else 0.89)
    shape = np.corrcoef(sound, voice)[0, 1]
    assert shape > 0.999


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize(
    ("picture_s", "sound_s", "onset"),
    [(0, 0, "1.7"), (0.5, 0, "0"), (0, 0.6, "-0.9"), (3, 3.4, "0"), (3, 3.4, "-0.9")],
)
def test_flash_and_click_stay_together(tmp_path, suffix, picture_s, sound_s, onset):
    zero = min(picture_s, sound_s)
    at_s = [1.25, 2.5, 4.0]
    times = even_times(6, start_s=picture_s)
    flash = {round((t + zero - picture_s) * 24) for t in at_s}
    pictures = [
        np.full((36, 64, 3), 235 if n in flash else 16, np.uint8) for n in range(len(times))
    ]
    sound = burst(6, [t + zero - sound_s for t in at_s])
    movie = make_film(
        tmp_path / f"film.{suffix}", times, pictures, sound=sound, sound_start_s=sound_s
    )
    common = {"tr_s": "1.5", "n_trs": 5, "movie_onset_s": onset}
    extract_frames(movie, tmp_path / "f.h5", width=32, height=18, frames_per_tr=180, **common)
    extract_audio(movie, tmp_path / "a.wav", sample_rate_hz=12000, **common)
    frames = read_frames(tmp_path / "f.h5")[0].reshape(5 * 180, -1).mean(1) / 255
    seen = onsets(frames, 120, 0.5)
    heard = onsets(read_wav(tmp_path / "a.wav")[1], 12000)
    due = [t + float(onset) for t in at_s if 0 <= t + float(onset) < 7.5]
    np.testing.assert_allclose(seen, due, atol=1 / 24)
    np.testing.assert_allclose(heard, due, atol=BLOCK_S)
    np.testing.assert_allclose(seen, heard, atol=1 / 24)


def test_sound_shorter_than_the_picture_ends_in_silence(tmp_path):
    movie = make_film(tmp_path / "film.mp4", even_times(4), sound=tone(2))
    extract_audio(movie, tmp_path / "a.wav", tr_s=1, sample_rate_hz=12000)
    _, sound = read_wav(tmp_path / "a.wav")
    assert len(sound) == 48000
    assert np.abs(sound[:23000]).max() > 0.4
    assert not sound[round(2.05 * 12000) :].any()


def test_no_sound_is_silence_with_a_warning(tmp_path):
    movie = make_film(tmp_path / "mute.mp4", even_times(3))
    with pytest.warns(UserWarning, match=r"mute\.mp4: has no sound; silence is used"):
        extract_audio(movie, tmp_path / "a.wav", tr_s="1.5", n_trs=2, sample_rate_hz=12000)
    rate, sound = read_wav(tmp_path / "a.wav")
    assert (rate, len(sound), sound.any()) == (12000, 36000, False)


def test_real_trailer_against_a_plain_decode(tmp_path):
    import av
    import soxr

    movie = real_file("sintel_trailer.mp4")
    with av.open(str(movie)) as container:
        parts, first = [], None
        for frame in container.decode(audio=0):
            first = frame.pts * frame.time_base if first is None else first
            parts.append(frame.to_ndarray().mean(0))
    # A decoder overshoots full scale here and there; 16-bit sound cannot.
    truth = np.clip(np.concatenate(parts), -1, 1)
    assert len(truth) == pytest.approx(2299904, abs=1024)
    extract_audio(movie, tmp_path / "a.wav", tr_s="1.5", n_trs=36, sample_rate_hz=12000)
    rate, sound = read_wav(tmp_path / "a.wav")
    assert len(sound) == n_items(36, "1.5", rate) == 648000
    expected = np.clip(soxr.resample(truth, 44100, rate), -1, 1)
    last = np.flatnonzero(sound)[-1] / rate
    assert last == pytest.approx(np.flatnonzero(np.abs(expected) > 1e-4)[-1] / rate, abs=BLOCK_S)
    assert first == 0
    n = len(expected)
    np.testing.assert_allclose(sound[:n], expected, atol=2 / 32768)
    assert not sound[n + 1 :].any()
