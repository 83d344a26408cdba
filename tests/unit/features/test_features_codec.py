"""The codec: exact rates, pieces equal to the whole, and what it says to bad settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from giblet.errors import CodecError, PretrainedModelError
from giblet.features.codec import Codec
from giblet.features.codec_rate import CodecRate
from giblet.features.weights import CODECS
from tests.unit.features.conftest import noise, random_encodec


@pytest.fixture(scope="module")
def packaged() -> Codec:
    return Codec.load("giblet-12khz", 12000, 8, 3.0)


def test_the_packaged_codec_is_exactly_3_kbps(packaged: Codec) -> None:
    assert packaged.frame_rate_hz == Fraction(75, 2)
    assert packaged.bandwidth_kbps == 3
    assert (packaged.n_codebooks, packaged.codebook_size, packaged.hop_length) == (8, 1024, 320)
    codes, latents = packaged.encode(noise(12000 * 4))
    assert codes.shape == (8, 150)
    assert codes.dtype == np.int16
    assert latents.shape == (150, packaged.latent_dim)


def test_the_packaged_codec_is_small_and_says_what_it_is() -> None:
    folder = CODECS / "giblet-12khz"
    assert (folder / "model.safetensors").stat().st_size <= 12 * 2**20
    assert "STOI" in (folder / "README.md").read_text()


def test_codes_latents_and_sound_agree(packaged: Codec) -> None:
    sound = noise(12000)
    codes, latents = packaged.encode(sound)
    exact = np.concatenate(list(packaged.latent_pieces(iter([sound]))))
    np.testing.assert_array_equal(packaged.quantise(exact), codes)
    np.testing.assert_array_equal(exact.astype(np.float16), latents)
    assert packaged.codebooks.shape == (8, 1024, packaged.latent_dim)
    by_hand = sum(packaged.codebooks[q][codes[q]] for q in range(8))
    np.testing.assert_allclose(packaged.dequantise(codes), by_hand, atol=1e-5)
    decoded = packaged.decode_codes(codes)
    assert decoded.shape == (packaged.n_frames(len(sound)) * 320,)
    np.testing.assert_array_equal(packaged.decode_latents(exact, requantise=True), decoded)
    assert packaged.decode_codes(codes[:2]).shape == decoded.shape


def test_half_precision_costs_few_codes_and_no_sound(packaged: Codec) -> None:
    """What is lost by quantising the latents that encode returns instead of using its codes."""
    sound = noise(12000 * 20)
    codes, latents = packaged.encode(sound)
    assert latents.dtype == np.float16
    again = packaged.quantise(latents)
    differ = (again != codes).mean(axis=1)
    assert differ[0] < 0.005
    assert 0 < differ.max() < 0.2
    exact = np.concatenate(list(packaged.latent_pieces(iter([sound]))))
    from_exact, from_half = packaged.decode(exact), packaged.decode(latents)
    noise_db = 20 * np.log10(np.std(from_half - from_exact) / np.std(from_exact))
    assert noise_db < -45
    # The other codes are no worse: they were about equally near.
    far = [np.linalg.norm(packaged.dequantise(some) - exact) for some in (codes, again)]
    assert far[1] < 1.01 * far[0]


def test_decode_takes_codes_or_latents(packaged: Codec) -> None:
    sound = noise(12000 + 7)
    codes, latents = packaged.encode(sound)
    np.testing.assert_array_equal(packaged.decode(codes), packaged.decode_codes(codes))
    np.testing.assert_array_equal(packaged.decode(latents), packaged.decode_latents(latents))
    for form in (codes, codes[:3], latents):
        assert packaged.decode(form, len(sound)).shape == sound.shape
    with pytest.raises(CodecError, match=r"38 codec frames to decode, but .* 12161 .* has 39"):
        packaged.decode(codes, 12161)
    with pytest.raises(CodecError, match=r"cannot decode bool: give codes .*or latents"):
        packaged.decode(codes > 0)


N = 12000 * 2
SQUARE = np.sign(np.sin(2 * np.pi * 220 / 12000 * (np.arange(N) + 0.5))).astype(np.float32)
HARD_SOUNDS = {
    "digital silence": np.zeros(N, np.float32),
    "full-scale square wave": SQUARE,
    "clipped noise": np.sign(noise(N)),
    "direct current": np.full(N, 0.7, np.float32),
    "full-scale direct current": np.ones(N, np.float32),
    "far beyond full scale": 30 * SQUARE,
    "one click": np.eye(1, N, N // 2, dtype=np.float32)[0],
}


@pytest.mark.parametrize("name", HARD_SOUNDS)
def test_silence_and_clipping_survive(packaged: Codec, name: str) -> None:
    sound = HARD_SOUNDS[name]
    codes, latents = packaged.encode(sound)
    assert np.isfinite(latents).all()
    for form in (codes, latents):
        decoded = packaged.decode(form, len(sound))
        assert np.isfinite(decoded).all()
        assert np.abs(decoded).max() <= 4 * max(np.abs(sound).max(), 0.5)
    # It leaves nothing behind: from a second later on, what follows sounds as it does alone.
    tone = 0.3 * SQUARE
    after = packaged.decode(packaged.encode(np.concatenate([sound, tone]))[0])[N + 12000 :]
    alone = packaged.decode(packaged.encode(tone)[0])[12000:]
    assert np.std(after) / np.std(alone) == pytest.approx(1, abs=0.2)


def test_silence_stays_silent_and_loud_sound_loud(packaged: Codec) -> None:
    silent = packaged.decode(packaged.encode(HARD_SOUNDS["digital silence"])[0])
    assert np.sqrt(np.mean(silent**2)) < 0.01
    loud = packaged.decode(packaged.encode(SQUARE)[0])
    assert np.sqrt(np.mean(loud**2)) > 0.2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 11999, 12000 * 61])
def test_sound_that_is_not_finite_is_refused(packaged: Codec, value: float, place: int) -> None:
    sound = np.zeros(12000 * 62, np.float32)
    sound[place] = value
    message = rf"sample {place} \({place / 12000:.3f} s\) is {value}, which is no sound"
    with pytest.raises(CodecError, match=message):
        packaged.encode(sound)


def test_an_empty_stream_is_empty(packaged: Codec) -> None:
    codes, latents = packaged.encode(np.zeros(0, np.float32))
    assert codes.shape == (8, 0)
    assert packaged.decode_latents(latents).shape == (0,)


STRUCTURES = {
    "encodec_24khz": {},
    "two-sided": {"use_causal_conv": False, "upsampling_ratios": [2, 4, 5, 8]},
    "wide": {"kernel_size": 11, "residual_kernel_size": 5, "num_residual_layers": 2},
    "odd strides": {"use_causal_conv": False, "upsampling_ratios": [3, 5], "last_kernel_size": 3},
    "trimmed": {"trim_right_ratio": 0.5, "upsampling_ratios": [7, 2]},
    "zero-padded": {"pad_mode": "constant", "upsampling_ratios": [4, 2]},
}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_pieces_equal_the_whole(structure: str) -> None:
    """Against the library's own forward pass over the whole stream."""
    import torch

    model = random_encodec(**STRUCTURES[structure])
    config = model.config
    rate = CodecRate("made", config.sampling_rate, config.hop_length, 1024, 32)
    hop = config.hop_length
    sound = noise(97 * hop + hop // 3)
    whole = torch.from_numpy(np.pad(sound, (0, -len(sound) % hop)))[None, None]
    with torch.no_grad():
        latents = model.encoder(whole)
        codes = model.quantizer.encode(latents, config.target_bandwidths[-1])[:8]
        decoded = model.decoder(model.quantizer.decode(codes))[0, 0].numpy()
    scale = decoded.std()
    for n_frames in (1, 7, 16, 50, 1000):
        codec = Codec(model, rate, 8, chunk_s=float(n_frames / rate.frame_rate_hz))
        found, found_latents = codec.encode(sound)
        step = n_frames * hop
        pieces = (sound[i : i + step] for i in range(0, len(sound), step))
        exact = np.concatenate(list(codec.latent_pieces(pieces)))
        np.testing.assert_array_equal(found, codes[:, 0].numpy())
        np.testing.assert_allclose(exact.T, latents[0].numpy(), atol=1e-4)
        np.testing.assert_allclose(found_latents, exact, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(codec.decode_codes(found), decoded, atol=1e-3 * scale)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    rest=st.integers(1, 320),
    seed=st.integers(0, 99),
)
@example(lengths=[5, 28], rest=1, seed=23)  # two codes equally near in one frame
def test_any_cut_gives_the_same_codes(lengths: list[int], rest: int, seed: int) -> None:
    codec = _narrow()
    edges = np.cumsum([0, *lengths]) * codec.hop_length
    sound = noise(int(edges[-1]) + rest, seed)
    pieces = [sound[a:b] for a, b in itertools.pairwise(edges)] + [sound[edges[-1] :]]
    found = np.concatenate([codes for codes, _ in codec.encode_pieces(iter(pieces))], axis=1)
    latents = np.concatenate(list(codec.latent_pieces(iter(pieces))))
    expected, _ = codec.encode(sound)
    whole = np.concatenate(list(codec.latent_pieces(iter([sound]))))
    scale = float(np.abs(whole).max())
    np.testing.assert_allclose(latents, whole, atol=1e-5 * scale)
    assert found.shape == expected.shape == (4, codec.n_frames(len(sound)))
    for frame in np.flatnonzero((found != expected).any(axis=0)):
        assert_tie(codec, whole[frame], found[:, frame], expected[:, frame], 1e-4 * scale)


def assert_tie(codec, latent, found, expected, atol) -> None:
    """Two codings of one frame part only where two codes are equally near, but for rounding."""
    residual = latent.astype(np.float64)
    for quantiser, a, b in zip(codec.model.quantizer.layers, found, expected, strict=False):
        book = quantiser.codebook.embed.double().numpy()
        if a != b:
            near, other = (np.linalg.norm(residual - book[code]) for code in (a, b))
            assert abs(near - other) <= atol
            return
        residual = residual - book[a]


_CACHE: dict[str, Codec] = {}


def _narrow() -> Codec:
    if "narrow" not in _CACHE:
        model = random_encodec()
        _CACHE["narrow"] = Codec(model, CodecRate("made", 24000, 320, 1024, 32), 4, chunk_s=10)
    return _CACHE["narrow"]


def test_memory_does_not_grow_with_the_stream() -> None:
    import torch

    from giblet.features.codec_stream import ConvolutionStage, stages

    chain = stages(random_encodec().encoder.layers)
    held = []
    with torch.no_grad():
        for k in range(12):
            piece = torch.from_numpy(noise(320 * 20, k))[None]
            for stage in chain:
                piece = stage.push(piece, last=False)
            held.append(
                sum(s._kept.numel() for s in chain if isinstance(s, ConvolutionStage))  # type: ignore[union-attr]
            )
    assert held[-1] == held[2]
    assert held[-1] < 320 * 20


@pytest.mark.parametrize(
    ("sample_rate_hz", "bandwidth_kbps", "n_codebooks", "frames_per_s"),
    [
        (24000, 1.5, 2, 75),
        (24000, 3.0, 4, 75),
        (24000, 6, 8, 75),
        (24000, 12, 16, 75),
        (24000, "24", 32, 75),
        (12000, 3.0, 8, Fraction(75, 2)),
    ],
)
def test_bandwidths_of_the_24_khz_structure(
    meta_like: Path,
    sample_rate_hz: int,
    bandwidth_kbps: float,
    n_codebooks: int,
    frames_per_s: Fraction,
) -> None:
    codec = Codec.load(meta_like, sample_rate_hz, bandwidth_kbps=bandwidth_kbps)
    assert codec.n_codebooks == n_codebooks
    assert codec.frame_rate_hz == frames_per_s
    assert Codec.load(meta_like, sample_rate_hz, n_codebooks).bandwidth_kbps == Fraction(
        str(bandwidth_kbps)
    )
    assert codec.encode(noise(3200))[0].shape == (n_codebooks, 10)


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A codec of exactly the configuration of facebook/encodec_24khz, with random weights."""
    folder = tmp_path_factory.mktemp("codec") / "encodec_24khz"
    model = random_encodec(num_filters=32, hidden_size=128)
    model.config.target_bandwidths = [1.5, 3.0, 6.0, 12.0, 24.0]
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("sample_rate_hz", "n_codebooks", "frames_per_s", "frames_per_tr"),
    [(24000, 4, 75, Fraction(225, 2)), (12000, 8, Fraction(75, 2), Fraction(225, 4))],
)
def test_the_24_khz_codec_at_3_kbps_and_the_same_weights_fed_12_khz(
    full_size: Path,
    sample_rate_hz: int,
    n_codebooks: int,
    frames_per_s: Fraction,
    frames_per_tr: Fraction,
) -> None:
    """Causal with two LSTM layers: pieces equal the library's own pass, to the sample."""
    import torch

    codec = Codec.load(full_size, sample_rate_hz, n_codebooks, 3.0, chunk_s=0.5)
    assert (codec.frame_rate_hz, codec.bandwidth_kbps) == (frames_per_s, 3)
    assert codec.frame_rate_hz * Fraction(3, 2) == frames_per_tr
    assert (codec.model.config.use_causal_conv, codec.model.config.num_lstm_layers) == (True, 2)
    sound = noise(101 * 320 - 77)
    codes, latents = codec.encode(sound)
    assert codes.shape == (n_codebooks, 101)
    with torch.no_grad():
        padded = torch.from_numpy(np.pad(sound, (0, 77)))[None, None]
        expected = codec.model.quantizer.encode(codec.model.encoder(padded), None)
        whole = codec.model.decoder(codec.model.quantizer.decode(expected[:n_codebooks]))[0, 0]
    np.testing.assert_array_equal(codes, expected[:n_codebooks, 0].numpy())
    decoded = codec.decode(codes, len(sound))
    scale = float(whole.std())
    np.testing.assert_allclose(decoded, whole[: len(sound)].numpy(), atol=1e-3 * scale)
    assert codec.decode(latents, len(sound)).shape == sound.shape


def test_the_24_khz_codec_refuses_a_contradiction(full_size: Path) -> None:
    with pytest.raises(CodecError, match=r"n_codebooks 8 is 8 x 10 bits x 75 frames/s \(24000 Hz"):
        Codec.load(full_size, 24000, 8, 3.0)
    with pytest.raises(CodecError, match=r"bandwidth_kbps 3 is 8 codebooks|which is 8 codebooks"):
        Codec.load(full_size, 12000, 4, 3.0)
    with pytest.raises(CodecError, match=r"64 codebooks asked for.* has 32: .* 24 kbps at most"):
        Codec.load(full_size, 24000, bandwidth_kbps=48)


RATE = CodecRate("giblet-12khz", 12000, 320, 1024, 8)


@given(n_codebooks=st.integers(1, 32), rate_hz=st.sampled_from([8000, 11025, 12000, 24000, 44100]))
def test_bandwidth_and_codebooks_are_inverse(n_codebooks: int, rate_hz: int) -> None:
    rate = CodecRate("any", rate_hz, 320, 1024, 32)
    bandwidth = rate.bandwidth_kbps(n_codebooks)
    assert rate.codebooks(None, bandwidth) == n_codebooks
    assert rate.codebooks(n_codebooks, bandwidth) == n_codebooks
    assert rate.codebooks(n_codebooks, None) == n_codebooks


def test_contradicting_settings_show_the_arithmetic() -> None:
    with pytest.raises(CodecError) as error:
        RATE.codebooks(8, 6.0)
    message = str(error.value)
    assert "8 x 10 bits x 37.5 frames/s (12000 Hz / 320) = 3 kbps" in message
    assert "bandwidth_kbps is 6, which is 16 codebooks" in message


def test_a_bandwidth_between_codebooks_names_its_neighbours() -> None:
    with pytest.raises(CodecError, match=r"8\.26667 codebooks .* use 3 \(8 codebooks\)"):
        CodecRate("x", 12000, 320, 1024, 8).codebooks(None, "3.1")


def test_more_codebooks_than_the_codec_has() -> None:
    with pytest.raises(CodecError, match=r"9 codebooks asked for.* has 8: .* reaches 3 kbps"):
        RATE.codebooks(9, None)


def test_a_codec_that_normalises_over_time_is_refused(
    make_codec_folder: Callable[..., Path],
) -> None:
    folder = make_codec_folder(
        norm_type="time_group_norm", upsampling_ratios=[2], num_lstm_layers=1
    )
    with pytest.raises(CodecError, match=r"normalises over time .*time_group_norm.*giblet-12khz"):
        Codec.load(folder)


def test_a_stereo_codec_is_refused(make_codec_folder: Callable[..., Path]) -> None:
    folder = make_codec_folder(audio_channels=2, upsampling_ratios=[2])
    with pytest.raises(CodecError, match="has 2 audio channels, giblet's sound is mono"):
        Codec.load(folder)


def test_a_codec_that_cannot_be_fetched_says_what_runs_without() -> None:
    with pytest.raises(PretrainedModelError) as error:
        Codec.load("somebody/no-such-codec", 24000, revision="v1")
    message = str(error.value)
    assert "'somebody/no-such-codec' (revision v1)" in message
    assert "needed for encoding the soundtrack" in message
    assert "while HF_HUB_OFFLINE is set" in message
    assert "set features/audio/codec to 'giblet-12khz', which needs no download" in message


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(PretrainedModelError, match=r"\./codecs/mine: no such folder"):
        Codec.load("./codecs/mine")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(PretrainedModelError, match="cannot be read"):
        Codec.load(tmp_path)


def test_incomplete_weights_are_refused(meta_like: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "incomplete"
    shutil.copytree(meta_like, folder)
    weights = load_file(folder / "model.safetensors")
    some = {k: v for k, v in weights.items() if not k.startswith("decoder.layers.0")}
    save_file(some, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CodecError, match=r"its weights lack 3 tensors \(decoder\.layers\.0"):
        Codec.load(folder)


def test_shapes_that_do_not_fit_are_refused(packaged: Codec) -> None:
    with pytest.raises(CodecError, match=r"shape \(2, 100\), expected \(n,\) mono"):
        packaged.encode(np.zeros((2, 100), np.float32))
    with pytest.raises(CodecError, match=rf"needs \(N, {packaged.latent_dim}\)"):
        packaged.decode_latents(np.zeros((5, 3), np.float32))
    with pytest.raises(CodecError, match="codes from 0 to 1024, codebooks have 0 to 1023"):
        packaged.decode_codes(np.array([[0, 1024]]))
    with pytest.raises(CodecError, match="9 rows of codes"):
        packaged.decode_codes(np.zeros((9, 4), np.int16))
