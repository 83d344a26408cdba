"""Sound measures against pystoi, closed forms and what they must not notice."""

import numpy as np
import pytest
from pystoi import stoi

from giblet.sound_scores import (
    at_stoi_rate,
    is_silent,
    log_spectral_distance,
    pesq_wideband,
    si_sdr,
    stoi_10khz,
)
from giblet.speech import synthesise
from giblet.validate.clip_scores import ClipScores


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


@pytest.mark.parametrize("seed", range(2))
def test_extended_stoi_is_pystois_and_another_measure(seed):
    rng = np.random.default_rng(seed)
    clean = speechlike(rng, 30000)
    noisy = clean + 0.1 * rng.normal(size=30000)
    found = stoi_10khz(clean, noisy, extended=True)
    assert found == pytest.approx(stoi(clean, noisy, 10000, extended=True), abs=1e-9)
    assert found < stoi_10khz(clean, noisy)


def test_pesq_is_best_for_the_same_and_worse_with_noise():
    pytest.importorskip("pesq", reason="needs the optional package pesq")
    samples, rate_hz = synthesise("The old king opens the door and laughs again.", "en-us", 160, 50)
    rng = np.random.default_rng(0)
    scores = [
        pesq_wideband(samples, samples + level * rng.normal(size=len(samples)), rate_hz)
        for level in (0, 0.005, 0.05)
    ]
    assert scores[0] == pytest.approx(4.64, abs=0.02)
    assert scores[0] > scores[1] > scores[2] >= 1
    assert np.isnan(pesq_wideband(np.zeros(30000), rng.normal(size=30000), rate_hz))


def test_clips_without_speech_have_no_score_of_speech():
    rng = np.random.default_rng(0)
    clean = speechlike(rng, 40000).astype(np.float32)
    scores = ClipScores(12000, 320, 16)
    said, unsaid = (scores.of(scores.reference(clean, spoken), clean) for spoken in (True, False))
    assert said["stoi"] == pytest.approx(1)
    assert said["estoi"] == pytest.approx(1)
    assert set(said) == set(unsaid) == set(scores.units)
    assert all(np.isnan(unsaid[name]) for name in scores.speech)
    assert unsaid["log_mel_distance"] == 0


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
