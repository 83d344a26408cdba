"""Losses of sound: planted codes are learnt, labels soften, the codec stays frozen."""

import json

import hdf5plugin  # noqa: F401
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from giblet.errors import CodecError, TrainError
from giblet.features.codec import Codec
from giblet.model.heads import CodeHead
from giblet.train.codes import CodeTargets, codebook_weights, log_unigram, soft_labels
from giblet.train.data import open_study
from giblet.train.sound import sound_losses, whitener
from giblet.train.spectrum import SPACING, SpectralDistance, _padded, excerpts, spectrum_of
from giblet.train.windows import Window
from tests.support.caches import edited
from tests.support.codecs import small_codec, with_codec
from tests.support.networks import TRAINING, train
from tests.support.operations import Operations
from tests.support.study_files import make_study

RATE_HZ = 12000


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    make_study(folder / "study.h5", (70, 70), n_voxels=40, gap_trs=8)
    with_codec(folder / "study.h5", small_codec(folder / "codec"))
    return folder


@pytest.fixture(scope="module")
def codec(folder):
    return Codec.load(folder / "codec", n_codebooks=2)


def counts_of(n_codebooks=3, size=16, seed=0):
    return np.random.default_rng(seed).integers(0, 50, (n_codebooks, size))


# -- codes -----------------------------------------------------------------------------------


def test_soft_labels_are_the_softmax_of_squared_distances():
    book = torch.tensor([[[0.0], [1.0], [3.0]]])  # nearest at 1, 1, 4 squared: 2 on average
    expected = (-torch.tensor([[0, 1, 9], [1, 0, 4], [9, 4, 0]]) / (0.5 * 2)).softmax(1)
    torch.testing.assert_close(soft_labels(book, 0.5)[0], expected)
    scaled = soft_labels(7 * book, 0.5)[0]
    torch.testing.assert_close(scaled, expected)
    torch.testing.assert_close(soft_labels(book, 1e-4)[0], torch.eye(3))


@pytest.mark.parametrize("temperature", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("decay", [1.0, 0.6])
def test_constant_is_the_best_constant_and_the_label_itself_scores_nothing(temperature, decay):
    """0 is perfect and the frequencies of the labels are what a constant can do at best."""
    rng = np.random.default_rng(1)
    codes = torch.from_numpy((rng.random((5000, 3)) ** 2 * 16).astype(np.int64))
    targets = CodeTargets(
        np.stack([np.bincount(codes[:, q], minlength=16) for q in range(3)]),
        decay=decay, temperature=temperature, codebooks=rng.normal(size=(3, 16, 4)),
    )  # fmt: skip
    constant = targets.log_unigram.expand(len(codes), -1, -1)
    floor = float(targets.nats(constant, codes))
    labels = targets.labels if temperature else torch.eye(16).expand(3, -1, -1)
    own = torch.stack([labels[q, codes[:, q]] for q in range(3)], dim=1)
    assert float(targets.nats((own + 1e-30).log(), codes)) == pytest.approx(0, abs=1e-3 * floor)
    for seed in range(3):
        nudge = 0.05 * torch.randn(3, 16, generator=torch.Generator().manual_seed(seed))
        assert float(targets.nats(constant + nudge, codes)) > floor


def test_coarse_codebooks_count_more():
    weight = codebook_weights(4, 0.5)
    assert weight.tolist() == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15])
    assert codebook_weights(8, 1.0).tolist() == pytest.approx([1 / 8] * 8)
    targets = CodeTargets(counts_of(2), decay=0.25)
    codes = torch.zeros(1, 2, dtype=torch.long)
    errors = []
    for book in range(2):
        logits = torch.full((1, 2, 16), -50.0).index_fill(2, torch.tensor(0), 50.0)
        logits[:, book] = 0
        errors.append(float(targets.nats(logits, codes)))
    assert errors[0] == pytest.approx(0.8 * np.log(16), rel=1e-5)
    assert errors[1] == pytest.approx(0.2 * np.log(16), rel=1e-5)


def test_frequencies_of_softened_labels_add_up_to_one():
    book = torch.randn(2, 16, 3)
    share = log_unigram(counts_of(2), soft_labels(book, 1.0)).exp()
    torch.testing.assert_close(share.sum(1), torch.ones(2))
    hard = log_unigram(counts_of(2)).exp()
    assert (share.max(1).values < hard.max(1).values).all()


@pytest.mark.parametrize("temperature", [0.0, 0.3])
def test_planted_codes_are_learnt(temperature):
    """Codes that follow the latents: the head names most of them, the commonest code few."""
    torch.manual_seed(0)
    books = torch.randn(2, 16, 6)
    codes = torch.randint(0, 16, (400, 2))
    latents = torch.stack([books[q, codes[:, q]] for q in range(2)]).sum(0)
    counts = np.stack([np.bincount(codes[:, q], minlength=16) for q in range(2)])
    targets = CodeTargets(counts, temperature=temperature, codebooks=books.numpy())
    head = CodeHead(6 + 6, 2, 16)
    head.log_unigram.copy_(targets.log_unigram)
    optimiser = torch.optim.Adam(head.parameters(), 0.05)
    for _ in range(150):
        logits = head(torch.zeros(1, 400, 6), latents[None])[0]
        loss = targets.nats(logits, codes) / len(codes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    top = (logits.argmax(2) == codes).float().mean(0)
    commonest = torch.from_numpy(counts.max(1) / counts.sum(1))
    assert (top > 0.6).all()
    assert (top > 4 * commonest).all()
    floor = float(targets.nats(targets.log_unigram.expand(400, -1, -1), codes)) / 400
    assert float(loss.detach()) < 0.6 * floor


def test_softened_labels_need_the_code_vectors():
    with pytest.raises(TrainError, match=r"code_temperature is 0.5.* 3 x 16 code vectors, found 3"):
        CodeTargets(counts_of(), temperature=0.5, codebooks=np.zeros((3, 8, 4)))


# -- latents ---------------------------------------------------------------------------------


def test_full_whitening_makes_training_latents_white():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(4000, 5)) @ rng.normal(size=(5, 5)) + 3
    std = raw.std(0)
    z = (raw - raw.mean(0)) / std
    white = z @ whitener(np.cov(raw.T, bias=True), std, "full")
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(5), atol=1e-3)
    each = z @ whitener(np.cov(raw.T, bias=True), std, "each")
    np.testing.assert_array_equal(each, z)


def test_directions_without_variance_are_not_magnified():
    covariance = np.diag([1.0, 1.0, 0.0])
    assert np.abs(whitener(covariance, np.ones(3), "full")).max() < 50
    assert np.isfinite(whitener(np.zeros((3, 3)), np.ones(3), "full")).all()


# -- spectrum --------------------------------------------------------------------------------


def test_distance_is_nothing_for_equal_sounds_and_the_log_of_the_gain_otherwise():
    sound = 0.1 * torch.randn(2, 4000)
    distance = SpectralDistance(RATE_HZ)
    assert distance(sound, sound).tolist() == [0, 0]
    assert distance(sound, sound * 2).tolist() == pytest.approx([np.log(2)] * 2, rel=1e-3)


@pytest.mark.parametrize("length", [1, 3, 6, 7, 40])
def test_sound_is_padded_as_the_codecs_library_pads_it(length):
    from transformers.models.encodec.modeling_encodec import EncodecConv1d

    x = torch.randn(2, 3, length, requires_grad=True)
    for around, mode in (((3, 3), "reflect"), ((6, 0), "reflect"), ((2, 1), "constant")):
        made, expected = _padded(x, around, mode), EncodecConv1d._pad1d(x, around, mode)
        torch.testing.assert_close(made, expected, rtol=0, atol=0)
        weights = torch.randn_like(made)
        gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (made, expected)]
        torch.testing.assert_close(*gradients)


def latents_like(n_windows=2, n_trs=11, dim=8):
    torch.manual_seed(1)
    mask = torch.ones(n_windows, n_trs, 57, dtype=torch.bool)
    mask[:, 1:, -1] = False
    return torch.randn(n_windows, n_trs, 57, dim), mask


def test_perfect_latents_have_no_spectral_loss_and_others_have(codec):
    true, mask = latents_like()
    spectrum = spectrum_of(codec, np.zeros(8, np.float32), np.ones(8, np.float32), 2)
    # What lies at places without a frame is never heard.
    made = torch.where(mask[..., None], true, 99.0)
    total, count = spectrum.sum(made, true, mask, None)
    assert count == 4
    assert float(total) == pytest.approx(0, abs=1e-3)
    nothing, _ = spectrum.sum(torch.zeros_like(true), true, mask, None)
    half, _ = spectrum.sum(true + 0.2 * torch.randn_like(true), true, mask, None)
    assert 0.1 < float(half) < float(nothing)


def test_the_spectral_loss_has_the_same_gradient_every_time_also_on_a_gpu(codec):
    true, mask = latents_like()
    spectrum = spectrum_of(codec, np.zeros(8, np.float32), np.ones(8, np.float32), 2)
    made = torch.zeros_like(true, requires_grad=True)
    with Operations() as done:
        total, _ = spectrum.sum(made, true, mask, torch.tensor([0, 3]))
        total.backward()
    assert "aten.convolution_backward" in done.names
    assert done.undetermined() == set()


def test_frozen_decoder_gets_no_gradient_and_the_latents_do(codec):
    true, mask = latents_like()
    spectrum = spectrum_of(codec, np.zeros(8, np.float32), np.ones(8, np.float32), 2)
    before = {name: value.clone() for name, value in spectrum.decoder.state_dict().items()}
    made = torch.zeros_like(true, requires_grad=True)
    total, _ = spectrum.sum(made, true, mask, torch.tensor([0, 3]))
    total.backward()
    assert made.grad[0, :2].abs().sum() > 0
    assert not made.grad[0, 2:].any()
    assert not made.grad[1, :3].any()
    assert all(part.grad is None for part in spectrum.decoder.parameters())
    assert not any(part.requires_grad for part in spectrum.decoder.parameters())
    for name, value in spectrum.decoder.state_dict().items():
        assert torch.equal(value, before[name])


def test_excerpts_are_whole_and_consecutive():
    mask = torch.ones(1, 30, 5, dtype=torch.bool)
    mask[0, 1::2, -1] = False  # 5, 4, 5, 4, ... frames
    mask[0, 8] = False  # no sound
    found = excerpts(mask, 2)
    apart = 2 * SPACING * 5
    assert [window for window, _ in found] == [0, 0, 0]
    for (_, places), start in zip(found, (0, 2 * apart, 3 * apart), strict=True):
        assert (places - start).tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert excerpts(mask, 2, torch.tensor([8])) == []
    ((_, last),) = excerpts(mask, 2, torch.tensor([99]))
    assert last[0] == 28 * 5


# -- training --------------------------------------------------------------------------------


def test_spectral_training_saves_no_codec_and_starts_at_one(folder):
    metrics = train(
        folder / "study.h5", folder / "heard" / "m", start="random", steps=2, spectrum_weight=1.0,
        code_temperature=0.4, latents_whitening="full", code_decay=0.8,
    )  # fmt: skip
    plain = train(folder / "study.h5", folder / "plain" / "m", steps=0)
    heard = load_file(folder / "heard" / "m" / "last.safetensors")
    assert set(heard) == set(load_file(folder / "plain" / "m" / "last.safetensors"))
    assert set(metrics["constant_predictor"]["val"]) == {
        *plain["constant_predictor"]["val"], "spectrum",
    }  # fmt: skip
    assert json.loads((folder / "heard" / "m" / "metrics.json").read_text()) == metrics


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({"codes_weight": 0.0}, {"latents": True, "codes": False}),
        ({"latents_weight": 0.0}, {"latents": True, "codes": True}),
    ],
)
def test_head_without_weight_is_not_trained(folder, changes, moved):
    """The code head reads the latents, so these move with it; not the other way round."""
    name = next(iter(changes))
    train(folder / "study.h5", folder / name / "m", steps=2, **changes)
    found = load_file(folder / name / "m" / "last.safetensors")
    for head, expected in moved.items():
        weight = found[f"audio_out.{'latent' if head == 'latents' else 'code'}_head.out.weight"]
        assert bool(weight.any()) == expected, head


def test_no_loss_of_sound_at_all_is_refused(folder):
    with open_study(folder / "study.h5") as study:
        with pytest.raises(TrainError, match="all of latents_weight, codes_weight and spectrum"):
            sound_losses(study, {**TRAINING, "latents_weight": 0, "codes_weight": 0})


def test_codec_of_other_sizes_is_refused(folder, tmp_path):
    make_study(tmp_path / "study.h5", (50,), n_voxels=8)
    with_codec(
        tmp_path / "study.h5", small_codec(tmp_path / "other", hidden_size=12, codebook_dim=12)
    )
    with open_study(tmp_path / "study.h5") as study:
        with pytest.raises(TrainError, match=r"latents of 8 dimensions, codec .* now has 12"):
            sound_losses(study, {**TRAINING, "spectrum_weight": 1})
    with edited(tmp_path / "study.h5") as file:
        file.attrs["codec"] = "giblet-12khz"
    with open_study(tmp_path / "study.h5") as study:
        with pytest.raises(CodecError, match="codebook_size 16, codec 'giblet-12khz' has 1024"):
            sound_losses(study, {**TRAINING, "code_temperature": 1})
        sound_losses(study, TRAINING)  # hard labels need no codec


# -- codes are names -------------------------------------------------------------------------


def test_codes_of_a_window_are_the_stored_integers(folder):
    """No resampling, no HRF, no interpolation on the way from the file to the loss."""
    with open_study(folder / "study.h5") as study:
        batch = study.batch(
            [Window(0, 20, 30)], length=10, context=0, follow=0, subjects=[0], split=None
        )
        codes, mask = batch.stimulus.codes[0], batch.stimulus.audio_mask[0]
        index = study.runs[0].audio_index[20:30]
        stored = study.file["runs/run-1/audio_codes"][:, index[0, 0] : index[-1, 1]]
        assert codes.dtype == torch.int64
        assert np.array_equal(codes[mask].numpy().T, stored)
