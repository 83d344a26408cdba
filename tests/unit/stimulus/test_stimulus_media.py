"""Length of a run, damaged films, and memory that does not grow with the film."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from giblet.errors import MediaError
from giblet.stimulus.audio import extract_audio
from giblet.stimulus.media import film_duration, open_film, run_length
from giblet.stimulus.video import extract_frames
from tests.support.real import real_file
from tests.unit.stimulus.made_films import (
    even_times,
    make_film,
    numbered,
    read_frames,
    read_wav,
    tone,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_film_covers_its_whole_trs_only(tmp_path, suffix):
    movie = make_film(tmp_path / f"film.{suffix}", even_times(4.5), ticks=90000)
    assert run_length(movie, "1.5") == 3
    assert run_length(movie, "1.6") == 2
    assert run_length(movie, "1.5", "1.5") == 4
    assert run_length(movie, "1.5", "-0.1") == 2


def test_a_given_length_needs_no_film(tmp_path):
    assert run_length(tmp_path / "missing.mp4", "1.5", 0, 946) == 946


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_duration_runs_from_the_earlier_stream_to_the_later_end(tmp_path, suffix):
    movie = make_film(
        tmp_path / f"film.{suffix}", even_times(2, start_s=1.5), sound=tone(3), sound_start_s=1
    )
    with open_film(movie) as film:
        # mp4 states the empty time before the first stream, so a player starts there.
        start = film.zero_s
        assert film_duration(film.timeline) == pytest.approx(4 - start, abs=0.05)
        assert start == pytest.approx(1, abs=0.03)


def test_real_trailer_lasts_as_long_as_its_picture():
    with open_film(real_file("sintel_trailer.mp4")) as film:
        assert film.zero_s == 0
        assert film_duration(film.timeline) == Fraction(1252, 24)


def test_cover_art_is_no_picture(tmp_path):
    path = tmp_path / "podcast.mp3"
    with av.open(str(path), "w") as out:
        audio = out.add_stream("libmp3lame", rate=44100, layout="mono")
        cover = out.add_stream("mjpeg", rate=1, width=64, height=64, pix_fmt="yuvj420p")
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame(64, 64, "yuvj420p")
        picture.pts = 0
        out.mux([*cover.encode(picture), *cover.encode(None)])
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), "fltp", "mono")
        sound.sample_rate, sound.pts = 44100, 0
        out.mux([*audio.encode(sound), *audio.encode(None)])
    with open_film(path) as film:
        assert len(film.container.streams.video) == 1
        assert film.video is None


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, Path]:
    """A film of 12 s whole, cut after 60 % and with 5 % of noise in its middle."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 255, (288, 90, 160, 3), dtype=np.uint8))
    paths = {}
    for suffix in ("mp4", "mkv"):
        options = {"movflags": "faststart"} if suffix == "mp4" else {}
        whole = make_film(
            folder / f"whole.{suffix}", even_times(12), pictures, sound=tone(12), options=options
        )
        data = bytearray(whole.read_bytes())
        cut = folder / f"cut.{suffix}"
        cut.write_bytes(data[: len(data) * 6 // 10])
        middle, length = len(data) // 2, len(data) // 20
        data[middle : middle + length] = rng.bytes(length)
        spoilt = folder / f"spoilt.{suffix}"
        spoilt.write_bytes(data)
        paths |= {f"whole.{suffix}": whole, f"cut.{suffix}": cut, f"spoilt.{suffix}": spoilt}
    return paths


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("n_trs", [0, 8])
def test_a_film_cut_short_is_refused(tmp_path, films, suffix, n_trs):
    settings = {"tr_s": "1.5", "n_trs": n_trs}
    says = rf"cut\.{suffix}: the film breaks off or is damaged at [67]\.\d+ s of 12\.\d+ s"
    with pytest.raises(MediaError, match=says):
        extract_frames(films[f"cut.{suffix}"], tmp_path / "f.h5", **settings)
    with pytest.raises(MediaError, match=says):
        extract_audio(films[f"cut.{suffix}"], tmp_path / "a.wav", sample_rate_hz=8000, **settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_what_is_left_of_a_film_cut_short_can_be_used(tmp_path, films, suffix):
    settings = {"tr_s": "1.5", "n_trs": 8, "damaged": "partial", "movie_onset_s": 1}
    with pytest.warns(UserWarning, match="breaks off or is damaged"):
        extract_frames(films[f"cut.{suffix}"], tmp_path / "f.h5", frames_per_tr=4, **settings)
    with pytest.warns(UserWarning, match="breaks off or is damaged"):
        extract_audio(films[f"cut.{suffix}"], tmp_path / "a.wav", sample_rate_hz=8000, **settings)
    _, valid, _ = read_frames(tmp_path / "f.h5")
    _, sound = read_wav(tmp_path / "a.wav")
    shown, heard = np.flatnonzero(valid) * 0.375, np.flatnonzero(sound) / 8000
    assert shown[0] == pytest.approx(1, abs=0.4)
    assert heard[0] == pytest.approx(1, abs=0.05)
    assert 6.5 < shown[-1] < 9
    assert 6.5 < heard[-1] < 9
    with pytest.warns(UserWarning, match="breaks off or is damaged"):
        assert run_length(films[f"cut.{suffix}"], "1.5", damaged="partial") in (4, 5)


def test_the_undamaged_beginning_of_a_film_cut_short_is_fine(tmp_path, films):
    extract_frames(films["cut.mp4"], tmp_path / "f.h5", tr_s="1.5", n_trs=3)
    assert read_frames(tmp_path / "f.h5")[1].all()


def test_damage_in_the_middle(tmp_path, films):
    movie = films["spoilt.mp4"]
    with pytest.raises(MediaError, match=r"damaged at [56]\.\d+ s of 12\.\d+ s \(Invalid data"):
        extract_frames(movie, tmp_path / "f.h5", tr_s="1.5")
    with pytest.warns(UserWarning, match=r"damaged at [56]\.\d+ s .* is left out"):
        extract_audio(
            movie, tmp_path / "a.wav", tr_s="1.5", sample_rate_hz=44100, damaged="partial"
        )
    _, sound = read_wav(tmp_path / "a.wav")
    # After the damage the tone is where it belongs again.
    expected = tone(12)
    late = slice(9 * 44100, 11 * 44100)
    shift = [float(sound[late] @ np.roll(expected, lag)[late]) for lag in range(-50, 51)]
    assert abs(int(np.argmax(shift)) - 50) <= 1


PEAK = """
import resource, sys
from giblet.stimulus.audio import extract_audio
from giblet.stimulus.video import extract_frames
movie, folder = sys.argv[1:]
extract_frames(movie, folder + "/f.h5", tr_s=1, width=320, height=180)
extract_audio(movie, folder + "/a.wav", tr_s=1, sample_rate_hz=44100)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_film(tmp_path):
    """Seven times the film, no more memory; all of its frames would be 55 MB, not 8."""
    pictures = [numbered(n, 64, 36) for n in range(24)]
    peaks_mb = {}
    for seconds in (6, 40):
        times = even_times(seconds)
        movie = tmp_path / f"{seconds}.mp4"
        make_film(movie, times, pictures * seconds, sound=tone(seconds))
        command = [sys.executable, "-c", PEAK, str(movie), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        peaks_mb[seconds] = int(done.stdout) / 1024
    assert peaks_mb[40] < 1.15 * peaks_mb[6]
