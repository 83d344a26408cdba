"""Log-mel bands against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.features.mel import FLOOR, log_mel, mel_filters

RATE_HZ, HOP = 12000, 320


@given(
    st.integers(8, 128), st.sampled_from([128, 640, 2048]), st.sampled_from([8000, 12000, 24000])
)
def test_no_filter_is_empty(n_mels: int, n_fft: int, rate_hz: int) -> None:
    filters = mel_filters(n_mels, n_fft, rate_hz)
    assert filters.shape == (n_fft // 2 + 1, n_mels)
    assert (filters.sum(0) > 0).all()
    assert filters.min() >= 0
    assert filters.max() <= 1


@pytest.mark.parametrize("hz", [150.0, 500.0, 1000.0, 4000.0])
@pytest.mark.parametrize("amplitude", [0.5, 0.01])
def test_a_tone_has_its_rms_in_its_bands(hz: float, amplitude: float) -> None:
    tone = amplitude * np.sin(2 * np.pi * hz * np.arange(RATE_HZ) / RATE_HZ)
    bands = np.exp(log_mel(tone, RATE_HZ, HOP)[10:-10].astype(float))
    total = np.sqrt((bands**2).sum(1))
    np.testing.assert_allclose(total, amplitude / np.sqrt(2), rtol=0.02)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 6000 / 700), 66) / 2595) - 1)
    loudest = int(bands.mean(0).argmax())
    assert edges[loudest] - 20 <= hz <= edges[loudest + 2] + 20


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 29), st.integers(0, HOP - 1))
def test_a_click_shows_in_its_own_frame(frame: int, offset: int) -> None:
    sound = np.zeros(30 * HOP)
    sound[frame * HOP + offset] = 1
    loudness = log_mel(sound, RATE_HZ, HOP).mean(1)
    assert loudness[frame] == loudness.max()
    assert (loudness[: max(0, frame - 1)] == np.float32(np.log(FLOOR))).all()


def test_silence_is_the_floor_and_no_sound_no_frames() -> None:
    np.testing.assert_allclose(log_mel(np.zeros(1000), RATE_HZ, HOP), np.log(1e-5), rtol=1e-6)
    assert log_mel(np.zeros(0), RATE_HZ, HOP).shape == (0, 64)


@given(st.integers(1, 2000))
def test_there_is_a_row_for_each_codec_frame(n_samples: int) -> None:
    assert len(log_mel(np.ones(n_samples), RATE_HZ, HOP, 16)) == -(-n_samples // HOP)
