"""Synthesised speech: audible, repeatable, and clear about what it cannot do."""

import time

import numpy as np
import pytest

from giblet.errors import ConfigError
from giblet.speech import synthesise

TEXT = "A red balloon rises over the harbour."


def test_speech_has_the_energy_of_a_voice():
    samples, rate = synthesise(TEXT)
    assert rate == 22050
    assert samples.dtype == np.float32
    assert 1.2 < len(samples) / rate < 3.5
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    assert power[(hz > 80) & (hz < 4000)].sum() > 0.8 * power.sum()
    assert 0.3 < np.abs(samples).max() <= 1


@pytest.mark.parametrize("voice", ["en", "en-us+f3"])
def test_same_text_gives_the_same_samples_whatever_was_said_before(voice):
    first, _ = synthesise(TEXT, voice)
    other, _ = synthesise("Something else.", "en-us+m3")
    # The synthesiser would seed its noise by the clock, in seconds.
    time.sleep(1.05)
    again, _ = synthesise(TEXT, voice)
    assert np.array_equal(first, again)
    assert len(other) != len(first)


def test_rate_pitch_and_voice_change_the_speech():
    slow, _ = synthesise(TEXT, rate_wpm=100)
    fast, _ = synthesise(TEXT, rate_wpm=250)
    assert len(slow) > 1.5 * len(fast)
    low, _ = synthesise(TEXT, pitch=10)
    high, _ = synthesise(TEXT, pitch=90)
    assert not np.array_equal(low[:5000], high[:5000])


def test_nothing_to_say_is_silence_of_no_length():
    samples, rate = synthesise("  ")
    assert samples.shape == (0,)
    assert rate == 22050


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"voice": "klingonx"}, "'klingonx' is not one of"),
        ({"rate_wpm": 20}, "20 words a minute: use 80 to 450"),
        ({"pitch": 120}, "pitch is 120: use 0 to 100"),
    ],
)
def test_impossible_speech_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        synthesise(TEXT, **settings)
