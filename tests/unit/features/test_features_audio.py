"""audio.h5: whole streams, exact TR ranges, and sound that does not fit."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet import timing
from giblet.errors import CodecError, MediaError
from giblet.features.audio import codec_of, extract_audio
from giblet.features.codec import Codec
from giblet.features.codec_rate import CodecRate
from giblet.features.mel import log_mel
from giblet.store import reading
from tests.support.caches import edited
from tests.unit.features.conftest import noise, random_encodec

RATE_HZ = 12000


def write_sound(
    path: Path, n_trs: int, tr_s: str, rate_hz: int = RATE_HZ, channels: int = 1
) -> Path:
    n_samples = timing.n_items(n_trs, tr_s, rate_hz)
    sound = np.repeat(noise(n_samples)[:, None], channels, axis=1)
    soundfile.write(path, sound, rate_hz, subtype="PCM_16")
    return path


def extract(audio: Path, **changed: Any) -> Path:
    out = audio.with_suffix(".h5")
    extract_audio(audio, out, run="run-1", **{"tr_s": "1.5", "bandwidth_kbps": 3.0} | changed)
    return out


@pytest.mark.parametrize(("tr_s", "n_trs"), [("1.5", 7), ("1.49", 5), ("2", 3), ("1.1", 4)])
def test_the_stream_is_whole(tmp_path: Path, tr_s: str, n_trs: int) -> None:
    audio = write_sound(tmp_path / "audio.wav", n_trs, tr_s)
    sound = soundfile.read(audio, dtype="float32")[0]
    codec = Codec.load("giblet-12khz", RATE_HZ, 8)
    codes, latents = codec.encode(sound)
    with reading(extract(audio, tr_s=tr_s, chunk_s=2.0), stage="features", tr_s=tr_s) as file:
        n_frames = timing.n_items(n_trs, tr_s, codec.frame_rate_hz)
        assert file["codes"].shape == (8, n_frames)
        np.testing.assert_array_equal(file["codes"], codes)
        # Pieces of 2 s and of 30 s differ in the last digit, which can round either way.
        np.testing.assert_allclose(file["latents"], latents, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(file["log_mel"], log_mel(sound, RATE_HZ, 320), atol=1e-2)
        index = file["index"][:]
        assert index.shape == (n_trs, 2)
        rejoined = np.concatenate([file["codes"][:, a:b] for a, b in index], axis=1)
        np.testing.assert_array_equal(rejoined, codes)
        assert dict(file.attrs)["n_codebooks"] == 8
        assert codec_of(file).bandwidth_kbps == 3
        assert (file["codes"].dtype, file["latents"].dtype) == (np.int16, np.float16)


@settings(max_examples=40, deadline=None)
@given(
    tr_s=st.sampled_from(["1.5", "2.0", "1.49", "2.5", "0.72", "4/3"]),
    frame_rate=st.sampled_from([Fraction(75, 2), Fraction(75), Fraction(11025, 320)]),
)
def test_ten_thousand_trs_rejoin_exactly(tr_s: str, frame_rate: Fraction) -> None:
    n_trs = 10_000
    index = timing.tr_ranges(n_trs, tr_s, frame_rate)
    stream = np.arange(timing.n_items(n_trs, tr_s, frame_rate))
    rejoined = np.concatenate([stream[a:b] for a, b in index])
    np.testing.assert_array_equal(rejoined, stream)
    # Each frame starts within its TR, at the end of the run as at its beginning.
    for k in (0, 1, n_trs // 2, n_trs - 1):
        first = index[k, 0]
        assert (
            k * timing.as_fraction(tr_s) <= first / frame_rate < (k + 1) * timing.as_fraction(tr_s)
        )


THREE_HOURS_S = 3 * 3600
STREAM = np.random.default_rng(0).integers(0, 1024, (8, 405_000), dtype=np.int16)


@pytest.mark.parametrize("tr_s", ["1.5", "2.0", "1.49", "2.5"])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_tr_slices_of_three_hours_rejoin(tr_s: str, data: st.DataObject) -> None:
    """Of a stream of codes as it is stored: all of it, and any stretch of TRs of it."""
    frame_rate = Fraction(75, 2)
    n_trs = int(THREE_HOURS_S / timing.as_fraction(tr_s))
    n_frames = timing.n_items(n_trs, tr_s, frame_rate)
    assert n_frames == 405_000 or tr_s == "1.49"
    assert 405_000 - n_frames < timing.max_items_per_tr(tr_s, frame_rate)
    index = timing.tr_ranges(n_trs, tr_s, frame_rate)
    first = data.draw(st.integers(0, n_trs - 1), label="first TR")
    last = data.draw(st.integers(first + 1, n_trs), label="TR after the last")
    rejoined = np.concatenate([STREAM[:, a:b] for a, b in index[first:last]], axis=1)
    np.testing.assert_array_equal(rejoined, STREAM[:, index[first, 0] : index[last - 1, 1]])
    assert (index[0, 0], index[-1, 1]) == (0, n_frames)
    np.testing.assert_array_equal(index[1:, 0], index[:-1, 1])
    sizes = index[:, 1] - index[:, 0]
    exact = timing.as_fraction(tr_s) * frame_rate
    assert set(sizes) <= {math.floor(exact), math.ceil(exact)}


@settings(max_examples=15, deadline=None)
@given(
    n_trs=st.integers(1, 9),
    tr_s=st.sampled_from(["1.5", "2.0", "1.49", "2.5", "0.72", "4/3"]),
    rate_hz=st.sampled_from([8000, 11025, 12000, 24000]),
    rest=st.integers(0, 700),
)
def test_a_decoded_run_is_as_long_as_the_original(
    n_trs: int, tr_s: str, rate_hz: int, rest: int
) -> None:
    """To the sample, for runs of whole TRs and for sounds of any odd length."""
    codec = tiny_codec(rate_hz)
    for n_samples in (timing.n_items(n_trs, tr_s, rate_hz), 3200 + rest):
        sound = noise(n_samples)
        codes, latents = codec.encode(sound)
        assert codec.decode(codes, n_samples).shape == sound.shape
        assert codec.decode(latents, n_samples).shape == sound.shape


@functools.cache
def tiny_model() -> Any:
    return random_encodec(codebook_size=64)


def tiny_codec(rate_hz: int) -> Codec:
    return Codec(tiny_model(), CodecRate("tiny", rate_hz, 320, 64, 32), 2, chunk_s=30)


@settings(max_examples=60, deadline=None)
@given(
    n_trs=st.integers(1, 10_000),
    tr_s=st.sampled_from(["1.5", "2.0", "1.49", "2.5", "0.72", "4/3"]),
    rate_hz=st.sampled_from([8000, 11025, 12000, 24000]),
)
def test_frames_of_the_samples_are_frames_of_the_trs(n_trs: int, tr_s: str, rate_hz: int) -> None:
    """Counting frames from the samples or from the TRs gives the same number."""
    n_samples = timing.n_items(n_trs, tr_s, rate_hz)
    assert -(-n_samples // 320) == timing.n_items(n_trs, tr_s, Fraction(rate_hz, 320))


def test_another_rate_is_refused(tmp_path: Path) -> None:
    audio = write_sound(tmp_path / "audio.wav", 2, "1.5", rate_hz=24000)
    with pytest.raises(MediaError, match=r"at 24000 Hz, features/audio/sample_rate_hz is 12000"):
        extract(audio)


def test_stereo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="has 2 channels, the codec takes mono"):
        extract(write_sound(tmp_path / "audio.wav", 2, "1.5", channels=2))


def test_sound_of_another_tr_is_refused(tmp_path: Path) -> None:
    audio = write_sound(tmp_path / "audio.wav", 2, "1.5")
    with pytest.raises(MediaError, match=r"36000 samples .* TRs of 2 s \(1 TRs are 24000 samples"):
        extract(audio, tr_s="2")


def test_sound_shorter_than_a_tr_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "audio.wav", noise(100), RATE_HZ)
    with pytest.raises(MediaError, match="not a whole number of TRs"):
        extract(tmp_path / "audio.wav")


def test_a_file_that_is_no_sound(tmp_path: Path) -> None:
    (tmp_path / "audio.wav").write_text("not a sound")
    with pytest.raises(MediaError, match=r"audio\.wav: cannot be read as sound"):
        extract(tmp_path / "audio.wav")


def test_a_sample_that_is_no_number_is_named(tmp_path: Path) -> None:
    sound = noise(timing.n_items(30, "1.5", RATE_HZ))
    sound[400_000] = np.nan
    soundfile.write(tmp_path / "audio.wav", sound, RATE_HZ, subtype="FLOAT")
    with pytest.raises(MediaError, match=r"audio\.wav: sample 400000 \(33\.333 s\) is nan"):
        extract(tmp_path / "audio.wav")
    assert not (tmp_path / "audio.h5").exists()


def test_a_codec_that_changed_behind_a_file_is_refused(tmp_path: Path) -> None:

    out = extract(write_sound(tmp_path / "audio.wav", 1, "1.5"))
    with edited(out) as file:
        file.attrs["hop_length"] = 160
        with pytest.raises(CodecError, match=r"made with hop_length 160, codec .* has 320"):
            codec_of(file)
