"""Training a codec: its parts against known answers, and the whole at toy size."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from giblet.errors import CodecError
from giblet.features import codec_augment, codec_material, codec_quality
from giblet.features.codec import Codec
from giblet.features.codec_export import save_codec
from giblet.features.codec_lapped import lapped_basis, start_from_lapped_transform
from giblet.features.codec_losses import ReconstructionLoss, third_octaves
from giblet.features.codec_quantiser import (
    follow,
    perplexity,
    quantise,
    resume,
    start_from_kmeans,
)
from giblet.features.codec_run import train_codec
from giblet.features.codec_training import (
    WARM_UP_STEPS,
    Schedule,
    Trainer,
    new_model,
    pick_device,
)
from giblet.sound_scores import si_sdr
from tests.unit.features.conftest import noise

RATE_HZ = 12000
TOY: dict[str, Any] = {
    "steps": 12,
    "batch": 2,
    "seconds": 0.5,
    "seed": 3,
    "pool_minutes": 0.2,
    "codebook_size": 64,
    "num_filters": 24,
    "hidden_size": 8,
    "report_every": 5,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def pool() -> codec_material.Pool:
    return codec_material.synthetic_pool(RATE_HZ, 0.3, seed=1)


@pytest.fixture(scope="module")
def material(pool: codec_material.Pool) -> codec_material.Material:
    return codec_material.Material((pool,), (1.0,))


def toy_model(seed: int = 0, num_filters: int = 2) -> Any:
    torch.manual_seed(seed)
    return new_model(RATE_HZ, 4, 64, num_filters=num_filters, hidden_size=8)


def toy_trainer(
    material: codec_material.Material, learning_rate: float = 3e-3, n_threads: int = 1
) -> Trainer:
    schedule = Schedule(30, 4, 0.5, learning_rate)
    return Trainer(toy_model(num_filters=24), material, schedule, seed=5, n_threads=n_threads)


def examples(material: codec_material.Material, size: int = 3) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(codec_material.batch(material, rng, size, 9600, RATE_HZ))[:, None]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("n_codebooks", [1, 2, 3, 4, 6, 8, 12])
def test_the_library_builds_as_many_codebooks_as_asked(n_codebooks: int) -> None:
    model = new_model(RATE_HZ, n_codebooks, 64, num_filters=2, hidden_size=4)
    assert len(model.quantizer.layers) == n_codebooks


def test_material_is_repeatable_and_in_range(pool: codec_material.Pool) -> None:
    again = codec_material.synthetic_pool(RATE_HZ, 0.3, seed=1)
    np.testing.assert_array_equal(pool.speech, again.speech)
    assert len(pool.speech) == 2 * len(pool.other) == 0.3 * 60 * RATE_HZ
    material = codec_material.Material((pool,), (1.0,))
    found = codec_material.batch(material, np.random.default_rng(0), 40, 6000, RATE_HZ)
    assert found.shape == (40, 6000)
    assert found.dtype == np.float32
    assert np.abs(found).max() <= 1
    levels_db = 20 * np.log10(found.std(1) + 1e-9)
    assert 10 < np.ptp(levels_db[levels_db > -80]) < 40


def test_every_voice_speaks() -> None:
    from giblet.speech import synthesise

    for language in codec_material.LANGUAGES:
        samples, _ = synthesise("ba di lo", voice=language + codec_material.VARIANTS[-1])
        assert np.std(samples) > 0.01


def test_a_folder_of_recordings_is_read_at_the_codecs_rate(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    tone = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    soundfile.write(tmp_path / "deeper" / "a.flac", np.stack([tone, tone], 1), 22050)
    read = codec_material.folder_pool(tmp_path, RATE_HZ)
    assert len(read.speech) == pytest.approx(RATE_HZ, abs=2)
    assert np.argmax(np.abs(np.fft.rfft(read.speech))) == pytest.approx(440, abs=1)
    np.testing.assert_array_equal(read.speech, read.other)


def test_speech_has_a_folder_of_its_own_and_several_speeds(tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    for name, hz in (("speech/voice.wav", 400), ("music.wav", 1000)):
        tone = np.sin(2 * np.pi * hz * np.arange(2 * RATE_HZ) / RATE_HZ)
        soundfile.write(tmp_path / name, tone, RATE_HZ)
    read = codec_material.folder_pool(tmp_path, RATE_HZ)
    power = np.abs(np.fft.rfft(read.speech)) ** 2
    hz = np.fft.rfftfreq(len(read.speech), 1 / RATE_HZ)
    for speed in codec_material.SPEECH_SPEEDS:
        assert power[np.abs(hz - speed * 400) < 3].sum() > 0.2 * power.sum()
    assert len(read.speech) > 2.9 * len(read.other)
    assert len(read.other) == pytest.approx(2 * RATE_HZ, rel=0.06)


def test_recordings_that_are_all_silent_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE_HZ), RATE_HZ)
    with pytest.raises(CodecError, match=r"its 1 audio files are silent: .*train_codec/source"):
        codec_material.folder_pool(tmp_path, RATE_HZ)


def test_recordings_and_made_up_sound_are_mixed_by_share(
    tmp_path: Path, pool: codec_material.Pool
) -> None:
    soundfile.write(tmp_path / "a.wav", noise(3 * RATE_HZ), RATE_HZ)
    settings: dict[str, Any] = {"sample_rate_hz": RATE_HZ, "minutes": 0.1, "seed": 1}
    both = codec_material.gather(tmp_path, synthetic_share=0.25, **settings)
    assert both.shares == (0.25, 0.75)
    assert len(codec_material.gather(tmp_path, synthetic_share=0, **settings).pools) == 1
    assert len(codec_material.gather(None, synthetic_share=0.5, **settings).pools) == 1


def test_a_recording_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_text("not sound")
    with pytest.raises(CodecError, match=r"a\.mp3: cannot be read as sound .*/train_codec/source"):
        codec_material.folder_pool(tmp_path, RATE_HZ)


def test_a_folder_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"no audio files .* features/train_codec/source"):
        train_codec(tmp_path / "out", **TOY, source=str(tmp_path))


def test_the_lapped_basis_reconstructs_when_no_dimension_is_left_out() -> None:
    """An MDCT with a sine window cancels its aliasing where windows overlap."""
    hop = 32
    sound = noise(40 * hop)
    analysis, synthesis = lapped_basis(sound, hop, hop)
    windows = np.lib.stride_tricks.sliding_window_view(sound, 2 * hop)[::hop]
    made = np.zeros(len(sound))
    for k, latent in enumerate(windows @ analysis):
        made[k * hop : (k + 2) * hop] += latent @ synthesis
    np.testing.assert_allclose(made[hop:-hop], sound[hop:-hop], atol=1e-5)


def test_a_new_model_codes_as_the_lapped_transform_does(
    material: codec_material.Material,
) -> None:
    model = toy_model(num_filters=24)
    first = examples(material, 16)
    start_from_lapped_transform(model, first[:, 0].numpy())
    analysis, _ = lapped_basis(first[:, 0].numpy(), 320, 8)
    # Quiet, so that nothing reaches where the activations bend.
    sound = 0.1 * first[0, 0].numpy()
    windows = np.lib.stride_tricks.sliding_window_view(sound, 640)[160::320]
    with torch.no_grad():
        found = model.encoder(torch.from_numpy(sound)[None, None])[0].numpy().T
    expected = windows @ analysis
    # The first window of the view begins half a hop into the second frame.
    inner = found[1 : 1 + len(expected)]
    assert np.corrcoef(inner.ravel(), expected.ravel())[0, 1] > 0.99


def test_a_model_too_narrow_to_hold_the_samples_is_refused(
    material: codec_material.Material,
) -> None:
    with pytest.raises(CodecError, match=r"num_filters 2 gives a layer of .* use at least"):
        start_from_lapped_transform(toy_model(), examples(material, 8)[:, 0].numpy())


def test_batches_are_the_same_whoever_makes_them(material: codec_material.Material) -> None:
    one, two = (toy_trainer(material, n_threads=n) for n in (1, 2))
    for number in range(3):
        batch = next(one.batches)
        torch.testing.assert_close(batch, next(two.batches), rtol=0, atol=0)
        expected = one._examples(4, 0.5)[number]
        torch.testing.assert_close(batch, expected, rtol=0, atol=0)


def test_a_gpu_that_is_not_there_is_refused_before_sound_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(codec_material, "gather", lambda *_, **__: pytest.fail("made sound"))
    with pytest.raises(CodecError, match=r"features/train_codec/device is 'cuda', but torch .* no"):
        train_codec(tmp_path / "out", **{**TOY, "device": "cuda"})
    assert pick_device("auto").type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
@pytest.mark.parametrize("fresh", [True, False])
def test_a_gpu_trains_as_the_cpu_does(
    material: codec_material.Material, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    found = {}
    for device in ("cpu", "cuda"):
        model = toy_model(num_filters=24)
        if not fresh:
            start_from_lapped_transform(model, examples(material, 8)[:, 0].numpy())
            start_from_kmeans(model.quantizer, torch.randn(256, 8, generator=seeded()), seeded(1))
            resume(model.quantizer)
        schedule = Schedule(30, 4, 0.5, 3e-4)
        trainer = Trainer(model, material, schedule, seed=5, fresh=fresh, device=device)
        found[device] = [trainer.step(k / 30)["loss"] for k in range(4)]
        whole = trainer.inner.exported().cpu()
        assert all(torch.isfinite(value).all() for value in whole.state_dict().values())
    # k-means and codes at the edge between two cells turn rounding into differences.
    assert found["cuda"] == pytest.approx(found["cpu"], rel=0.03 if fresh else 0.01)


def test_what_is_exported_codes_as_what_was_trained(material: codec_material.Material) -> None:
    trainer = toy_trainer(material, n_threads=2)
    assert trainer.inner.is_short
    for k in range(8):
        trainer.step(k / 30)
    sound = examples(material)
    with torch.no_grad():
        latents = trainer.inner.encode(sound)
        whole = trainer.inner.exported()
        error = float((whole.encoder(sound) - latents).std() / latents.std())
        made = trainer.inner.decode(latents)
        decoded = float((whole.decoder(latents) - made).std() / made.std())
    assert max(error, decoded) < 1e-4


def test_directions_too_short_for_half_precision_are_kept(tmp_path: Path) -> None:
    model = toy_model()
    layer = model.decoder.layers[3].conv
    with torch.no_grad():
        layer.parametrizations.weight.original1[1] *= 1e-9
    expected = layer.weight.detach().clone()
    save_codec(model, tmp_path / "short")
    found = Codec.load(tmp_path / "short").model.decoder.layers[3].conv.weight
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-4)


def test_weights_beyond_half_precision_are_not_written(tmp_path: Path) -> None:
    model = toy_model()
    with torch.no_grad():
        model.decoder.layers[0].conv.bias[0] = 1e6
    with pytest.raises(CodecError, match=r"layers\.0\.conv\.bias .* 1e\+06.*learning_rate"):
        save_codec(model, tmp_path / "large")
    assert not (tmp_path / "large" / "model.safetensors").exists()


def test_kmeans_finds_planted_clusters_and_quantises_to_them() -> None:
    model = toy_model()
    centres = 5 * torch.randn(64, 8, generator=seeded())
    vectors = centres.repeat(40, 1) + 0.01 * torch.randn(64 * 40, 8, generator=seeded(1))
    start_from_kmeans(model.quantizer, vectors, seeded(2))
    found = model.quantizer.layers[0].codebook.embed
    # From a random start k-means leaves some pairs of clusters to one code, for the next
    # codebook to tell apart.
    near = torch.cdist(centres, found).min(1).values
    assert float((near < 0.1).double().mean()) > 0.5
    kept = torch.full((1,), 4)
    quantised = quantise(model.quantizer, vectors.t()[None], kept)
    error = (quantised.latents - vectors.t()[None]).square().mean()
    assert float(error) < 0.02 * float(vectors.var())


def test_codebooks_follow_the_latents_and_dead_codes_come_back() -> None:
    model = toy_model()
    codebook = model.quantizer.layers[0].codebook
    start_from_kmeans(model.quantizer, torch.randn(256, 8, generator=seeded()), seeded(1))
    shifted = torch.randn(4, 8, 60, generator=seeded(2)) + 10
    for _ in range(600):
        quantised = quantise(model.quantizer, shifted, torch.full((4,), 4))
        follow(model.quantizer, quantised.residuals, quantised.codes, seeded(3))
    assert float(codebook.embed.mean()) == pytest.approx(10, abs=1)
    assert float(perplexity(quantised.codes, 64)[0]) > 20


def test_dropped_codebooks_do_not_reach_the_decoder() -> None:
    model = toy_model()
    start_from_kmeans(model.quantizer, torch.randn(500, 8, generator=seeded()), seeded(1))
    latents = torch.randn(2, 8, 30, generator=seeded(2), requires_grad=True)
    one = model.quantizer.layers[0].codebook.embed.clone()
    quantised = quantise(model.quantizer, latents, torch.tensor([1, 4]))
    first = one[quantised.codes[0].reshape(2, 30)].transpose(1, 2)
    torch.testing.assert_close(quantised.latents[0], first[0])
    assert not torch.allclose(quantised.latents[1], first[1])
    quantised.latents.sum().backward()
    torch.testing.assert_close(latents.grad, torch.ones_like(latents))


def test_perplexity_of_uniform_and_of_one_code() -> None:
    codes = torch.stack([torch.arange(64).repeat(3), torch.zeros(192, dtype=torch.int64)])
    np.testing.assert_allclose(perplexity(codes, 64), [64, 1], rtol=1e-6)
    assert codec_quality.perplexity(codes[0].numpy()) == pytest.approx(64)


def test_the_loss_is_zero_for_the_same_and_grows_with_noise() -> None:
    loss = ReconstructionLoss(RATE_HZ)
    sound = torch.from_numpy(noise(6000))[None]
    other = torch.from_numpy(noise(6000, seed=1))[None]
    values = [float(loss(sound + level * other, sound)) for level in (0.0, 0.01, 0.1, 1.0)]
    assert values[0] == 0
    assert values == sorted(values)
    assert values[3] > 10 * values[1]


def test_si_sdr_of_known_noise() -> None:
    sound, other = noise(200_000), noise(200_000, seed=1)
    assert si_sdr(sound, 3 * (sound + 0.1 * other)) == pytest.approx(20, abs=0.1)


def test_an_error_counts_by_the_level_of_its_band() -> None:
    """The same noise costs more in a quiet band than in a loud one."""
    loss = ReconstructionLoss(RATE_HZ)
    at = np.arange(12000) / RATE_HZ
    low, high = (np.sin(2 * np.pi * hz * at).astype(np.float32) for hz in (300, 3000))
    sound = torch.from_numpy(0.3 * low + 0.003 * high)[None]
    wrong = {
        name: float(loss.terms(sound + torch.from_numpy(0.002 * tone)[None], sound)["waveform"])
        for name, tone in (("loud", low), ("quiet", high))
    }
    assert wrong["quiet"] > 5 * wrong["loud"]


def test_the_envelope_term_orders_sounds_as_stoi_does() -> None:
    from pystoi import stoi

    rng = np.random.default_rng(0)
    n = 4 * RATE_HZ
    spoken = (np.sin(np.arange(n) * 2 * np.pi * 4 / RATE_HZ) > 0) * rng.standard_normal(n) * 0.1
    worse = [spoken + level * rng.standard_normal(n) for level in (0.003, 0.01, 0.03, 0.1)]
    loss = ReconstructionLoss(RATE_HZ)
    wanted = torch.from_numpy(spoken).float()[None]
    terms = [
        float(loss.terms(torch.from_numpy(made).float()[None], wanted)["envelope"])
        for made in worse
    ]
    intelligible = [float(stoi(spoken, made, RATE_HZ)) for made in worse]
    assert np.all(np.diff(terms) > 0)
    assert np.all(np.diff(intelligible) < 0)
    assert terms[0] == pytest.approx(1 - intelligible[0], abs=0.05)


def test_silence_has_no_envelope_to_keep() -> None:
    made = (1e-3 * torch.randn(2, RATE_HZ, generator=seeded())).requires_grad_()
    envelope = ReconstructionLoss(RATE_HZ).terms(made, torch.zeros(2, RATE_HZ))["envelope"]
    envelope.backward()
    assert float(envelope.detach()) == 0
    assert torch.isfinite(made.grad).all()  # type: ignore[union-attr]


def test_thirds_of_an_octave_share_the_bins_between_150_hz_and_half_the_rate() -> None:
    bands = third_octaves(12000, 512)
    hz = np.arange(257) * 12000 / 512
    inside = (hz >= 150 * 2 ** (-1 / 6)) & (hz < 4800 * 2 ** (1 / 6))
    np.testing.assert_array_equal(bands.sum(0).numpy(), inside)
    assert len(bands) == 16


def test_an_empty_recording_is_passed_over(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "spoken.wav", noise(3 * RATE_HZ), RATE_HZ)
    (tmp_path / "empty.g722").touch()
    assert len(codec_material.folder_pool(tmp_path, RATE_HZ).other) > 0


def test_the_schedule_warms_up_falls_and_ends_by_the_clock() -> None:
    schedule = Schedule(1000, 2, 0.5, 1e-3, max_minutes=2)
    assert schedule.rate(0, 0.0) == pytest.approx(1e-3 / WARM_UP_STEPS)
    assert schedule.rate(500, 0.0) == pytest.approx(1e-3)
    assert schedule.rate(500, 1.0) == pytest.approx(3e-5)
    assert schedule.progress(10, 0.0) == 0.01
    assert schedule.progress(10, 60.0) == 0.5
    assert schedule.progress(2000, 0.0) == 1


def test_training_lowers_the_loss_and_repeats(material: codec_material.Material) -> None:
    sound = examples(material, 12)

    def distance(trainer: Trainer) -> float:
        with torch.no_grad():
            latents = trainer.inner.encode(sound)
            kept = torch.full((len(sound),), 4)
            coded = quantise(trainer.inner.quantizer, latents, kept).latents
            return float(trainer.loss(trainer.inner.decode(coded)[:, 0], sound[:, 0]))

    trainer = toy_trainer(material, learning_rate=2e-3)
    before = distance(trainer)
    losses = [trainer.step(k / 100)["loss"] for k in range(100)]
    assert distance(trainer) < 0.97 * before
    again = toy_trainer(material, learning_rate=2e-3)
    np.testing.assert_allclose(
        [again.step(k / 100)["loss"] for k in range(4)], losses[:4], rtol=1e-5
    )


def test_threads_share_a_batch_without_changing_the_step(
    material: codec_material.Material,
) -> None:
    one, two = (toy_trainer(material, n_threads=n).step(0.0) for n in (1, 2))
    assert two["commitment"] == pytest.approx(one["commitment"], rel=1e-4)
    assert two["log_mel"] == pytest.approx(one["log_mel"], rel=1e-4)


def test_train_codec_writes_a_codec_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("giblet.features.codec_run.HELD_OUT_MINUTES", 0.1)
    train_codec(tmp_path / "mine", **TOY)
    codec = Codec.load(tmp_path / "mine", RATE_HZ, 8)
    assert (codec.n_codebooks, codec.codebook_size, codec.hop_length) == (8, 64, 320)
    codes, _ = codec.encode(noise(6400))
    assert codec.decode_codes(codes).shape == (6400,)
    with (tmp_path / "mine" / "history.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [float(row["step"]) for row in rows] == [5, 10, 12]
    assert all(float(row["loss"]) > 0 for row in rows)
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "12 steps of 2 examples" in card
    assert "| speech |" in card
    assert "Trained on synthesised speech, music and effects: 12 steps" in card


def test_the_card_says_how_much_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("giblet.features.codec_run.HELD_OUT_MINUTES", 0.1)
    (tmp_path / "own").mkdir()
    soundfile.write(tmp_path / "own" / "a.wav", noise(3 * RATE_HZ), RATE_HZ)
    given = {"source": str(tmp_path / "own"), "synthetic_share": 0.25, "steps": 1}
    train_codec(tmp_path / "mine", **TOY | given)
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "music and effects (25% of the examples) and the recordings in `" in card


def test_a_codec_can_be_trained_on(material: codec_material.Material, tmp_path: Path) -> None:
    """Going on from a stored codec starts where it was, not from chance."""
    first = toy_trainer(material)
    losses = [first.step(k / 30)["loss"] for k in range(30)]
    save_codec(first.inner.exported(), tmp_path / "first")
    stored = Codec.load(tmp_path / "first").model
    save_codec(stored, tmp_path / "second")
    assert str(tmp_path) not in (tmp_path / "second" / "config.json").read_text()
    resume(stored.quantizer)
    again = Trainer(stored, material, Schedule(30, 4, 0.5, 1e-5), seed=6, fresh=False)
    assert again.inner.is_short
    going_on = np.mean([again.step(0.5)["loss"] for _ in range(5)])
    assert going_on < 1.15 * np.mean(losses[-5:])


def test_going_on_from_a_codec_of_other_sizes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"'giblet-12khz' has .*\(12000, 8, 1024\), .* 64\)"):
        train_codec(tmp_path / "mine", **TOY, start_from="giblet-12khz")


def test_humanised_speech_keeps_its_length_and_band_but_not_its_samples() -> None:
    spoken = 0.1 * np.sin(2 * np.pi * 300 * np.arange(3 * RATE_HZ) / RATE_HZ)
    for seed in range(8):
        found = codec_augment.humanise(spoken, np.random.default_rng(seed), RATE_HZ)
        assert len(found) == pytest.approx(len(spoken), rel=0.02)
        power = np.abs(np.fft.rfft(found)) ** 2
        hz = np.fft.rfftfreq(len(found), 1 / RATE_HZ)
        assert power[(hz > 200) & (hz < 420)].sum() > 0.8 * power.sum()
        assert np.std(found) > 0.02
        assert not np.allclose(found[: len(spoken) // 2], spoken[: len(spoken) // 2], atol=1e-3)


def test_diverged_training_says_so(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"diverged .* lower features/train_codec/learning_rate"):
        train_codec(tmp_path / "mine", **TOY | {"learning_rate": 1e30})
