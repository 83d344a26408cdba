"""Sound measures against pystoi, closed forms and what they must not notice."""

import numpy as np
import pytest
from pystoi import stoi

from giblet.sound_scores import (
    at_stoi_rate,
    is_silent,
    log_spectral_distance,
    si_sdr,
    stoi_10khz,
)


def speechlike(rng, n):
    """Noise with a syllable rhythm: STOI leaves silent frames out."""
    return (1.1 + np.sin(np.arange(n) / 400)) * 0.1 * rng.normal(size=n)


@pytest.mark.parametrize("seed", range(3))
def test_stoi_is_pystois(seed):
    rng = np.random.default_rng(seed)
    clean = speechlike(rng, 30000)
    noisy = clean + 0.1 * rng.normal(size=30000)
    assert stoi_10khz(clean, noisy) == pytest.approx(stoi(clean, noisy, 10000), abs=1e-9)
    resampled = stoi_10khz(at_stoi_rate(clean, 12000), at_stoi_rate(noisy, 12000))
    assert resampled == pytest.approx(stoi(clean, noisy, 12000), abs=0.02)


def test_si_sdr_of_noise_at_a_known_level():
    rng = np.random.default_rng(0)
    s = rng.normal(size=100_000)
    noise = rng.normal(size=100_000)
    noise -= noise @ s / (s @ s) * s
    other = 3 * s + 3 * noise * np.linalg.norm(s) / np.linalg.norm(noise) / 10
    assert si_sdr(s, other) == pytest.approx(20, abs=0.01)
    assert si_sdr(s, 0.01 * other) == pytest.approx(si_sdr(s, other), abs=1e-6)


def test_log_spectral_distance_of_a_change_of_level_is_that_level():
    s = np.random.default_rng(0).normal(size=20_000)
    assert log_spectral_distance(s, s) == 0
    assert log_spectral_distance(s, s / 10) == pytest.approx(20, abs=1e-3)


def test_silence_cannot_be_scored_and_silent_output_scores_badly():
    s = speechlike(np.random.default_rng(0), 20_000)
    silence = np.zeros_like(s)
    assert is_silent(silence)
    for measure in (stoi_10khz, si_sdr, log_spectral_distance):
        assert np.isnan(measure(silence, s))
    assert si_sdr(s, silence) == -100
    assert log_spectral_distance(s, silence) > 20
    assert stoi_10khz(s, silence) < 0.1


def test_too_short_a_sound_for_stoi_is_unknown_not_zero():
    s = speechlike(np.random.default_rng(0), 2000)
    assert np.isnan(stoi_10khz(s, s))
