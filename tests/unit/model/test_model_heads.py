"""The heads of sound: the temporal basis, and what leaves layer 13."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.errors import ModelError
from giblet.model.audio import AudioDecoder
from giblet.model.basis import cosines, tr_bases
from giblet.model.heads import CodeHead, LatentHead

SIZES = {"n_codebooks": 3, "codebook_size": 16, "latent_dim": 6, "max_frames": 57, "channels": 8}


def decoder(**changes):
    torch.manual_seed(0)
    made = AudioDecoder(**{"n_features": 20, "n_basis": 5, **SIZES, **changes})
    torch.nn.init.normal_(made.latent_head.out.weight)
    torch.nn.init.normal_(made.code_head.out.weight)
    return made.eval()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.data())
def test_basis_is_orthonormal_over_the_frames_of_either_length(n_frames, data):
    n_functions = data.draw(st.integers(1, max(1, n_frames - 1)))
    fewest = max(1, n_frames - 1)
    for basis, length in zip(tr_bases(n_frames, n_functions), (fewest, n_frames)):
        torch.testing.assert_close(basis.T @ basis, torch.eye(n_functions), atol=1e-5, rtol=0)
        assert not basis[length:].any()


@pytest.mark.parametrize("n_frames", [56, 57])
def test_signal_in_the_span_of_the_basis_survives_the_round_trip(n_frames):
    basis = cosines(n_frames, 8)
    signal = basis @ torch.randn(8, 4)
    torch.testing.assert_close(basis @ (basis.T @ signal), signal, atol=1e-5, rtol=1e-5)
    fast = cosines(n_frames, 40)[:, 20:] @ torch.randn(20, 4)
    assert (basis @ (basis.T @ fast)).abs().max() < 1e-5


def test_head_makes_latents_in_the_span_of_the_basis_and_no_others():
    torch.manual_seed(0)
    head, basis = LatentHead(8, 6), cosines(57, 5)
    torch.nn.init.normal_(head.out.weight)
    torch.nn.init.normal_(head.out.bias)
    mean = torch.randn(2, 6)
    latents = head(torch.randn(2, 57, 8), mean, basis.expand(2, -1, -1))
    torch.testing.assert_close(basis @ (basis.T @ latents), latents, atol=1e-4, rtol=1e-4)
    # What lies in the span of the basis goes through the linear map whole.
    x = basis @ torch.randn(2, 5, 8)
    expected = mean[:, None] + head.out(x)
    torch.testing.assert_close(head(x, mean, basis.expand(2, -1, -1)), expected)


def test_untrained_heads_answer_mean_and_frequencies():
    torch.manual_seed(0)
    made = AudioDecoder(n_features=20, n_basis=5, **SIZES)
    made.code_head.log_unigram.copy_(torch.randn(3, 16).log_softmax(1))
    features = torch.randn(1, 4, 20)
    latents, logits = made(features)
    torch.testing.assert_close(latents, features[:, :, None, :6].expand(-1, -1, 57, -1))
    torch.testing.assert_close(logits, made.code_head.log_unigram.expand(1, 4, 57, 3, 16))


def test_each_tr_gets_the_basis_of_its_own_number_of_frames():
    """56 frames are not 57 with the last cut off: the cosines span the TR."""
    made, features = decoder(), torch.randn(1, 2, 20)
    counts = torch.tensor([[56, 57]])
    mixed = made(features, None, counts)[0]
    alone = [made(features, None, torch.full((1, 2), n))[0] for n in (56, 57)]
    torch.testing.assert_close(mixed[:, 0], alone[0][:, 0])
    torch.testing.assert_close(mixed[:, 1], alone[1][:, 1])
    assert (alone[0][:, 0, :56] - alone[1][:, 0, :56]).abs().max() > 1e-3
    basis = made.bases[0]
    centred = mixed[0, 0] - features[0, 0, :6] - made.latent_head.out.bias
    projected = basis @ (basis.T @ centred)
    torch.testing.assert_close(projected[:56], centred[:56], atol=1e-4, rtol=1e-4)


def test_more_functions_than_frames_are_refused():
    with pytest.raises(ModelError, match=r"model/audio_basis is 57, but .* more than 56 codec"):
        decoder(n_basis=57)


def test_latents_of_any_size_and_codebooks_of_any_number():
    made = decoder(latent_dim=12, n_codebooks=8, n_features=30)
    latents, logits = made(torch.randn(2, 3, 30), torch.tensor([0, 5]))
    assert latents.shape == (2, 3, 57, 12)
    assert logits.shape == (2, 3, 2, 8, 16)


def test_codes_are_classified_in_parallel():
    """No codebook's logits depend on another's weights."""
    torch.manual_seed(0)
    head = CodeHead(8 + 6, 3, 16)
    torch.nn.init.normal_(head.out.weight)
    x, latents = torch.randn(2, 5, 8), torch.randn(2, 5, 6)
    before = head(x, latents)
    with torch.no_grad():
        head.out.weight.view(3, 16, -1)[1] += 1
    changed = (head(x, latents) - before).abs().amax((0, 1, 3)) > 1e-6
    assert changed.tolist() == [False, True, False]
