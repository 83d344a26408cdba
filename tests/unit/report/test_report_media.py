"""Sounds, films and pictures inside the page: right length, no loss, within the budget."""

import base64
import io
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from giblet.errors import ValidationError
from giblet.validate.report.media import TOO_LARGE, Budget, Media, film, picture, sound

RATE = 12000


def decoded(uri):
    head, _, body = uri.partition(";base64,")
    return head.removeprefix("data:"), base64.b64decode(body)


@pytest.fixture
def wav(tmp_path):
    samples = np.random.default_rng(0).integers(-9000, 9000, 3 * RATE).astype(np.int16)
    soundfile.write(tmp_path / "run-1_model.wav", samples, RATE, subtype="PCM_16")
    return tmp_path / "run-1_model.wav", samples


def test_sound_is_cut_and_embedded_without_loss(wav):
    path, samples = wav
    media = sound(path, Budget(10**6), clip_s=2.0, audio_format="flac")
    kind, data = decoded(media.uri)
    back, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    assert (kind, rate) == ("audio/flac", RATE)
    np.testing.assert_array_equal(back, samples[: 2 * RATE])
    assert (media.duration_s, media.of_s, media.cut) == (2.0, 3.0, True)


def test_opus_is_smaller_and_as_long(wav):
    path, _ = wav
    budget = Budget(10**6)
    flac = sound(path, budget, 30, "flac")
    opus = sound(path, budget, 30, "opus")
    assert len(opus.uri) < len(flac.uri) / 3
    assert soundfile.info(io.BytesIO(decoded(opus.uri)[1])).duration == pytest.approx(3, abs=0.05)
    assert not opus.cut


def test_what_does_not_fit_is_left_out_and_named(wav):
    path, _ = wav
    media = sound(path, Budget(1000), 30, "flac")
    assert media.uri == ""
    assert "max_mb" in media.reason
    assert media.name == "run-1_model.wav"


def test_budget_counts_base64():
    budget = Budget(8)
    assert budget.embed(b"12345", ".png")
    assert budget.used == 8
    assert budget.embed(b"1", ".png") == ""


def test_all_or_nothing_takes_back_the_room():
    budget = Budget(20)
    items = []
    with budget.all_or_nothing(items):
        items += [Media("a", budget.embed(b"123", ".png")), Media("b", reason=TOO_LARGE)]
    assert budget.used == 0
    assert [media.uri for media in items] == ["", ""]
    assert {media.reason for media in items} == {TOO_LARGE}


def make_film(path, n_frames, rate=Fraction(12)):
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(n_frames):
            pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_short_film_is_embedded_as_it_is(tmp_path):
    path = make_film(tmp_path / "run-1_model.mp4", 24)
    media = film(path, Budget(10**7), clip_s=30)
    assert decoded(media.uri) == ("video/mp4", path.read_bytes())
    assert media.duration_s == pytest.approx(2.0, abs=0.05)


def test_long_film_is_cut_by_copying_packets(tmp_path):
    path = make_film(tmp_path / "run-1_model.mp4", 120)
    media = film(path, Budget(10**7), clip_s=3)
    with av.open(io.BytesIO(decoded(media.uri)[1])) as cut, av.open(str(path)) as whole:
        frames = [frame.to_ndarray(format="rgb24") for frame in cut.decode(video=0)]
        first = next(whole.decode(video=0)).to_ndarray(format="rgb24")
    assert 34 <= len(frames) <= 38
    np.testing.assert_array_equal(frames[0], first)
    assert media.cut
    assert media.of_s == pytest.approx(10, abs=0.1)


def test_absent_file_says_so():
    assert picture(None, Budget(100)).reason == "this file was not made"


@pytest.mark.parametrize("name", ["broken.wav", "broken.mp4"])
def test_damaged_file_says_what_to_do(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"not media")
    with pytest.raises(ValidationError, match=f"{name}: not a readable .*delete it"):
        if name.endswith("wav"):
            sound(path, Budget(100), 30, "flac")
        else:
            film(path, Budget(100), 30)
