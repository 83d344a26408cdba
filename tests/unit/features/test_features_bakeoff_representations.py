"""What the bake-off's entrants store, counted, and what comes back, against known answers."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from giblet.features import bakeoff_packing as packing
from giblet.features.bakeoff_cqt import ConstantQ
from giblet.features.bakeoff_opus import Opus, opus_rate_hz
from giblet.features.bakeoff_spectral import (
    Coefficients,
    MelBands,
    Stft,
    griffin_lim,
    power_of_bands,
)
from giblet.features.bakeoff_waveform import MuLaw, Pcm, SpectrumNoise
from giblet.features.mel import mel_filters
from giblet.sound_scores import si_sdr, stoi_10khz

RATE = 12_000
STFT = Stft(window=600, hop=150)
CQT = ConstantQ(RATE, bins_per_octave=24)


def noise(n_samples, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(n_samples)


def tone(hz, n_samples=RATE):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(n_samples) / RATE)


def coefficients(transform, *, bits, with_phase, steps=20):
    return Coefficients(
        label="x",
        family="x",
        sample_rate_hz=RATE,
        frame_rate_hz=Fraction(80),
        transform=transform,
        bits=bits,
        with_phase=with_phase,
        steps=steps,
        seed=1,
    )


def every_value_fits(packed):
    return all(values.min() >= 0 and values.max() < 2**bits for values, bits in packed.fields)


def test_bits_are_those_of_all_values_and_the_header():
    fields = ((np.zeros((3, 5), int), 10), (np.zeros(7, int), 4))
    assert packing.Packed(fields, (1.0,)).n_bits == 150 + 28 + 32


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_amplitudes_are_at_most_half_a_step_off(bits):
    amplitude = 10 ** (-np.linspace(0, packing.RANGE_DB - 0.01, 500) / 20) * 0.7
    levels, peak = packing.quantise_amplitude(amplitude, bits)
    assert levels.max() == 2**bits - 1
    back = packing.dequantise_amplitude(levels, peak, bits)
    half_step_db = packing.RANGE_DB / (2**bits - 2) / 2
    assert np.abs(20 * np.log10(back / amplitude)).max() <= half_step_db + 1e-5


def test_amplitudes_below_the_range_and_silence_are_silence():
    levels, peak = packing.quantise_amplitude(np.array([1.0, 1e-8, 0.0]), 4)
    assert packing.dequantise_amplitude(levels, peak, 4).tolist() == [1.0, 0.0, 0.0]
    levels, peak = packing.quantise_amplitude(np.zeros(3), 4)
    assert packing.dequantise_amplitude(levels, peak, 4).tolist() == [0.0, 0.0, 0.0]


@given(st.floats(-10, 10), st.sampled_from([2, 4, 8]))
def test_phases_are_at_most_half_a_step_off(phase, bits):
    level = packing.quantise_phase(np.array([phase]), bits)
    assert 0 <= level[0] < 2**bits
    turn = np.exp(1j * (packing.dequantise_phase(level, bits)[0] - phase))
    assert abs(np.angle(turn)) <= np.pi / 2**bits + 1e-9


def test_mu_law_is_g711s_curve():
    # Half of full scale is at ln(1 + 255 / 2) / ln 256 of the levels' range.
    assert packing.mu_law(np.array([-1.0, 0.5, 1.0])).tolist() == [0, 239, 255]
    levels = np.arange(256)
    assert packing.mu_law(packing.from_mu_law(levels)).tolist() == levels.tolist()


def test_mu_law_costs_exactly_eight_bits_a_sample():
    packed = MuLaw("x", 375).encode(noise(375 * 4))
    assert packed.n_bits / 4 == 3000
    assert every_value_fits(packed)


def test_pcm_gives_16_bit_sound_back_exactly():
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 1000) / 2**15
    packed = Pcm(RATE).encode(samples)
    assert packed.n_bits == 16_000
    assert np.array_equal(Pcm(RATE).decode(packed, 1000), samples)


def test_the_floor_has_the_spectrum_and_level_of_the_sound_and_nothing_else():
    sound = np.convolve(noise(20 * RATE), np.ones(8) / 8, "same")
    entrant = SpectrumNoise(RATE, seed=3)
    made = entrant.decode(entrant.encode(sound), len(sound))
    assert np.std(made) == pytest.approx(np.std(sound), rel=0.03)
    low = [np.sum(np.abs(np.fft.rfft(x)[: len(x) // 16]) ** 2) for x in (sound, made)]
    assert low[1] == pytest.approx(low[0], rel=0.05)
    assert si_sdr(sound, made) < -30


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3000), st.sampled_from([(600, 150), (512, 256), (500, 130)]))
def test_stft_is_inverted_to_float_precision(n_samples, sizes):
    sound = noise(n_samples, seed=n_samples)
    stft = Stft(*sizes)
    np.testing.assert_allclose(stft.synthesise(stft.analyse(sound), n_samples), sound, atol=1e-12)


def test_stft_has_the_magnitudes_of_scipys():
    sound = noise(6000)
    scipys = ShortTimeFFT(hann(600, sym=False), hop=150, fs=1).stft(sound)
    ours = STFT.analyse(sound)
    # Frame 3 of ours begins with the sound; scipy's frame p is centred on sample p hop.
    inner = np.abs(ours)[:, 3:30]
    distances = [
        np.abs(np.abs(scipys)[:, at : at + inner.shape[1]] - inner).max() for at in range(6)
    ]
    assert min(distances) < 1e-10


def test_stft_with_phase_in_16_bits_is_transparent():
    sound = noise(RATE)
    entrant = coefficients(STFT, bits=16, with_phase=True)
    packed = entrant.encode(sound)
    assert every_value_fits(packed)
    assert packed.n_bits == STFT.analyse(sound).size * 32 + 32
    assert si_sdr(sound, entrant.decode(packed, len(sound))) > 70


def inconsistency(amplitude, sound):
    return np.linalg.norm(np.abs(STFT.analyse(sound)) - amplitude)


def test_each_step_of_griffin_lim_brings_the_amplitudes_nearer():
    amplitude = np.abs(STFT.analyse(noise(6000)))
    found = [
        inconsistency(
            amplitude,
            griffin_lim(
                amplitude,
                STFT.analyse,
                lambda guess: STFT.synthesise(guess, 6000),
                steps=steps,
                seed=0,
                momentum=0,
            ),
        )
        for steps in range(0, 20, 4)
    ]
    assert np.all(np.diff(found) < 0)


def test_griffin_lim_with_momentum_gets_further():
    amplitude = np.abs(STFT.analyse(noise(6000)))
    slow, fast = (
        inconsistency(
            amplitude,
            griffin_lim(
                amplitude,
                STFT.analyse,
                lambda guess: STFT.synthesise(guess, 6000),
                steps=60,
                seed=0,
                momentum=momentum,
            ),
        )
        for momentum in (0, 0.99)
    )
    assert fast < slow / 1.2


def test_power_of_bands_is_non_negative_and_has_the_bands():
    filters = mel_filters(40, 600, RATE)
    bands = filters.T @ np.random.default_rng(0).random((301, 7))
    power = power_of_bands(bands, filters, steps=300)
    assert power.min() >= 0
    np.testing.assert_allclose(filters.T @ power, bands, rtol=0.02)


def test_mel_bands_keep_a_tone_where_it_is():
    entrant = MelBands("x", "x", RATE, Fraction(80), STFT, n_mels=80, bits=8, steps=30, seed=0)
    packed = entrant.encode(tone(1000))
    assert packed.fields[0][0].shape[0] == 80
    made = entrant.decode(packed, RATE)
    assert abs(np.argmax(np.abs(np.fft.rfft(made))) - 1000) < 30
    assert np.std(made) == pytest.approx(np.std(tone(1000)), rel=0.1)


@pytest.mark.parametrize("n_samples", [1000, 11_999, 12_000])
@pytest.mark.parametrize("bins_per_octave", [1, 12, 24])
def test_constant_q_is_inverted_to_float_precision(n_samples, bins_per_octave):
    sound = noise(n_samples)
    transform = ConstantQ(RATE, bins_per_octave)
    back = transform.synthesise(transform.analyse(sound), n_samples)
    np.testing.assert_allclose(back, sound, atol=1e-12)


def test_constant_q_keeps_the_energy_and_doubles_the_numbers():
    sound = noise(RATE)
    found = CQT.analyse(sound)
    # As many complex coefficients as samples, give or take the outermost bands.
    assert 2 * found.size == pytest.approx(2 * RATE, rel=0.02)
    # Squared windows add up to between 1/2 and 1, over one side of the spectrum.
    energy = np.sum(np.abs(found) ** 2) / (RATE / 2)
    assert 0.5 < energy / np.sum(sound**2) < 1


def test_constant_q_puts_a_tone_into_the_band_of_its_frequency():
    from giblet.features.bakeoff_cqt import _frame

    bands, _ = _frame(RATE, CQT)
    found = CQT.analyse(tone(1600))
    edges = np.cumsum([0, *(len(band.window) for band in bands)])
    energy = [np.sum(np.abs(found[a:b]) ** 2) for a, b in zip(edges, edges[1:])]
    band = bands[int(np.argmax(energy))]
    # One second of sound: bins are hertz. 1600 Hz is 120 steps above 50 Hz.
    assert band.first + np.argmax(band.window) == 1600
    assert np.sort(energy)[-3:].sum() > 0.999 * np.sum(energy)


def test_constant_q_with_phase_in_16_bits_is_transparent():
    sound = noise(RATE)
    entrant = coefficients(CQT, bits=16, with_phase=True)
    assert si_sdr(sound, entrant.decode(entrant.encode(sound), RATE)) > 70


@pytest.mark.parametrize("kbps", [8, 24, 64])
def test_opus_is_aligned_to_the_sample(kbps):
    sound = np.zeros(3 * RATE)
    burst = slice(RATE, RATE + 3000)
    sound[burst] = np.convolve(noise(3000), np.ones(4) / 2, "same")
    entrant = Opus("x", "opus", RATE, kbps)
    made = entrant.decode(entrant.encode(sound), len(sound))
    assert made.shape == sound.shape
    spectra = np.fft.rfft(np.stack([made, sound]), 2 * len(sound))
    correlation = np.fft.irfft(spectra[0] * spectra[1].conj())
    # At 8 kbps the linear-prediction half of Opus smears phases by a sample.
    allowed = {0} if kbps > 8 else {0, 1, len(correlation) - 1}
    assert int(np.argmax(correlation)) in allowed
    # All of the burst is where it was: nothing a frame (240 samples) early or late.
    outside = np.r_[made[: burst.start - 240], made[burst.stop + 240 :]]
    assert np.std(outside) < 0.05 * np.std(made[burst])


def test_opus_counts_its_packets_and_spends_about_what_it_is_asked_for():
    sound = np.convolve(noise(10 * RATE), np.ones(4) / 2, "same")
    spent = [Opus("x", "opus", RATE, kbps).encode(sound).n_bits / 10_000 for kbps in (3, 12, 24)]
    assert spent[0] > 3.5, "libopus has no 3 kbps"
    assert spent[1:] == pytest.approx([12, 24], rel=0.15)
    packed = Opus("x", "opus", RATE, 12).encode(sound)
    assert packed.n_bits == 8 * sum(len(packet) for packet, _ in packed.fields)
    assert len(packed.fields) == pytest.approx(500, abs=2)


def test_opus_takes_the_rate_that_holds_the_sound():
    assert [opus_rate_hz(rate) for rate in (8000, 11_025, 12_000, 44_100, 96_000)] == [
        8000,
        12_000,
        12_000,
        48_000,
        48_000,
    ]


def test_more_bits_and_bands_sound_nearer():
    rng = np.random.default_rng(0)
    envelope = np.repeat(rng.random(100) ** 2, RATE // 25)
    sound = np.convolve(envelope * noise(len(envelope)), np.ones(3), "same")
    found = []
    for entrant in (
        MelBands("x", "x", RATE, Fraction(80), STFT, n_mels=10, bits=4, steps=20, seed=0),
        MelBands("x", "x", RATE, Fraction(80), STFT, n_mels=80, bits=8, steps=20, seed=0),
        coefficients(STFT, bits=8, with_phase=True),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = entrant.decode(entrant.encode(sound), len(sound))
        found.append(stoi_10khz(sound[:40_000], made[:40_000]))
    assert found[0] < found[1] < found[2]
    assert found[2] > 0.99
