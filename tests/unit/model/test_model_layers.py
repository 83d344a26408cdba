"""Layers on their own: what they start as, and their laws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from giblet.errors import ModelError
from giblet.model.across_trs import across_trs
from giblet.model.average import average
from giblet.model.brain import VolumeDecoder, VolumeEncoder, VoxelMap, padded_grid
from giblet.model.pool import Pool, Unpool
from giblet.model.video import VideoDecoder, VideoEncoder
from giblet.model.within_tr import WITHIN_TR, over_codec_frames, over_video_frames

PRESENT = torch.ones(1, 30, 3, dtype=torch.bool)


def raw_features(sizes=(7, 5, 3)):
    g = torch.Generator().manual_seed(0)
    return [torch.randn(1, 30, n, generator=g) * 3 + 1 for n in sizes]


def test_pool_keeps_distances_between_trs():
    torch.manual_seed(0)
    pool = Pool((7, 5, 3), (8, 6, 4))
    parts = raw_features()
    pooled = pool(parts, PRESENT)[0]
    before, after = ((x[:, None] - x[None]).norm(dim=2) for x in (torch.cat(parts, 2)[0], pooled))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_unpool_undoes_pool():
    torch.manual_seed(0)
    pool, unpool = Pool((7, 5, 3), (8, 6, 4)), Unpool((7, 5, 3), (8, 6, 4))
    pool.mean.normal_()
    pool.std.uniform_(0.5, 2)
    unpool.mirror(pool)
    parts = raw_features()
    for found, expected in zip(unpool(pool(parts, PRESENT)), parts, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_missing_modality_counts_as_its_mean():
    pool = Pool((7, 5, 3), (8, 6, 4))
    parts = raw_features()
    pool.mean.copy_(torch.cat(parts, 2)[0].mean(0))
    present = PRESENT.clone()
    present[..., 1] = False
    typical = [*parts]
    typical[1] = pool.mean[7:12].expand(1, 30, 5)
    torch.testing.assert_close(pool(parts, present), pool(typical, PRESENT))


SEEN = {
    ("none", True): {10}, ("none", False): {10},
    ("conv", True): {10, 11, 12}, ("conv", False): {9, 10, 11},
    ("attention", True): {10, 11, 12}, ("attention", False): {9, 10, 11},
}  # fmt: skip


@pytest.mark.parametrize(("kind", "causal"), SEEN)
def test_layers_4_and_10_start_as_identity_and_see_their_kernel(kind, causal):
    torch.manual_seed(0)
    layer = across_trs(kind, 6, hidden=8, kernel_trs=3, causal=causal, dropout=0.0)
    z = torch.randn(1, 20, 6)
    torch.testing.assert_close(layer(z), z)
    torch.nn.init.normal_(layer.up.weight)
    other = z.clone()
    other[:, 10] += torch.randn(6)
    moved = (layer(other) - layer(z)).abs().amax(2)[0] > 1e-6
    assert set(moved.nonzero()[:, 0].tolist()) == SEEN[kind, causal]


def test_attention_of_a_part_equals_that_of_the_whole():
    torch.manual_seed(0)
    layer = across_trs("attention", 6, hidden=8, kernel_trs=5, causal=True, dropout=0.0)
    torch.nn.init.normal_(layer.up.weight)
    torch.nn.init.normal_(layer.distance)
    z = torch.randn(1, 30, 6)
    torch.testing.assert_close(layer(z[:, 8:])[:, 4:], layer(z)[:, 12:], rtol=1e-4, atol=1e-5)


def test_unknown_and_impossible_contexts_are_named():
    sizes = {"kernel_trs": 3, "causal": True, "dropout": 0.0}
    with pytest.raises(ModelError, match="model/across_trs is 'lstm': use one of none, conv"):
        across_trs("lstm", 6, hidden=8, **sizes)
    with pytest.raises(ModelError, match="model/context_hidden is 6, which 4 heads cannot share"):
        across_trs("attention", 6, hidden=6, **sizes)
    with pytest.raises(ModelError, match="model/within_tr is 'lstm': use one of none, multiscale"):
        over_codec_frames("lstm", 8)


@pytest.mark.parametrize("kind", WITHIN_TR)
@pytest.mark.parametrize("n_frames", [1, 56, 57])
def test_codec_frames_are_read_together_unless_told_otherwise(kind, n_frames):
    torch.manual_seed(0)
    block = over_codec_frames(kind, 8)
    x = torch.randn(2, 8, n_frames, requires_grad=True)
    out = block(x)
    assert out.shape == x.shape
    # Through the linear parts alone: normalisation lets every frame see all of them.
    block.norm = torch.nn.Identity()
    at = n_frames // 2
    (gradient,) = torch.autograd.grad(block(x)[0, :, at].sum(), x)
    assert not gradient[1].any()
    reached = gradient[0].abs().sum(0).nonzero()[:, 0] - at
    assert {0} <= set(reached.tolist())
    if n_frames > 1:
        assert (len(reached) == 1) == (kind == "none")


@pytest.mark.parametrize("kind", WITHIN_TR)
@pytest.mark.parametrize("n_frames", [1, 2, 5])
def test_video_frames_are_read_together_unless_told_otherwise(kind, n_frames):
    torch.manual_seed(0)
    block = over_video_frames(kind, 4)
    x = torch.randn(2, 4, n_frames, 6)
    other = x.clone()
    other[:, :, -1] += 1
    assert (x + block(x)).shape == x.shape
    moved = ((other + block(other)) - (x + block(x))).abs().amax((0, 1, 3)) > 1e-6
    assert moved[-1]
    if n_frames > 1:
        assert bool(moved[-2]) == (kind != "none")


def volume_pair(channels=(8,)):
    torch.manual_seed(0)
    grid = (5, 4, 6)
    inside = np.argwhere(np.random.default_rng(0).random(grid) < 0.5)
    encoder = VolumeEncoder(grid, channels, len(inside))
    decoder = VolumeDecoder(grid, channels, len(inside))
    place = np.ravel_multi_index(inside.T, padded_grid(grid, len(channels)))
    encoder.place.copy_(torch.from_numpy(place))
    decoder.mirror(encoder)
    return inside, encoder, decoder


def test_voxels_lie_in_the_volume_where_they_came_from():
    """A voxel reaches the one output place that its 2 x 2 x 2 block belongs to."""
    inside, encoder, _ = volume_pair()
    drives = torch.eye(len(inside))
    out = encoder(drives).view(len(inside), *encoder.shape_out).abs().sum(1)
    for voxel, (i, j, k) in enumerate(inside):
        reached = out[voxel].nonzero().tolist()
        assert reached == [[i // 2, j // 2, k // 2]]


def test_eight_channels_lose_nothing():
    inside, encoder, decoder = volume_pair((8,))
    drive = torch.randn(3, len(inside))
    torch.testing.assert_close(decoder(encoder(drive)), drive, rtol=1e-4, atol=1e-5)


def test_decoder_starts_as_the_adjoint_of_the_encoder():
    inside, encoder, decoder = volume_pair((4, 6))
    drive, code = torch.randn(1, len(inside)), torch.randn(1, encoder.width)
    left, right = (encoder(drive) * code).sum(), (drive * decoder(code)).sum()
    torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-4)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 100), min_size=3, max_size=3), st.integers(0, 4))
def test_padded_grid_is_the_smallest_that_halves(grid, n):
    for before, after in zip(grid, padded_grid(tuple(grid), n), strict=True):
        assert after % 2**n == 0
        assert before <= after < before + 2**n


def test_map_of_full_rank_has_one_matrix():
    assert VoxelMap(5, 7, 0).down is None
    assert VoxelMap(5, 7, 2)(torch.randn(3, 5)).shape == (3, 7)


def picture(**changes):
    return {"height": 18, "width": 32, "channels": 4, "stride": 3, "grid": (3, 4), **changes}


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [((2, 3, 90, 160), (9, 16)), ((2, 3, 23, 40), (4, 5)), ((2, 3, 57), (8,)), ((1, 2, 7), (7,))],
)
def test_averages_of_blocks_are_those_of_torch(shape, sizes):
    x = torch.randn(shape, requires_grad=True)
    pool = F.adaptive_avg_pool2d if len(sizes) == 2 else F.adaptive_avg_pool1d
    made, expected = average(x, sizes), pool(x, sizes)
    torch.testing.assert_close(made, expected)
    weights = torch.randn_like(made)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (made, expected)]
    torch.testing.assert_close(*gradients)


def test_averages_stay_in_full_precision_where_others_do_not():
    x = torch.rand(1, 1, 90, 160)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = average(x, (9, 16))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, average(x, (9, 16)), rtol=0, atol=0)


def test_coarse_picture_is_the_mean_colour_of_each_cell():
    encoder = VideoEncoder(frames=2, **picture())
    video = torch.randint(0, 256, (1, 3, 2, 18, 32, 3), dtype=torch.uint8)
    found = encoder(video)[..., :36].view(1, 3, 3, 3, 4)
    cells = video.float().div(255).view(1, 3, 2, 3, 6, 4, 8, 3).mean((2, 4, 6))
    torch.testing.assert_close(found, cells.movedim(-1, 2), rtol=1e-4, atol=1e-5)


def test_motion_is_seen_and_stillness_is_not():
    encoder = VideoEncoder(frames=2, **picture())
    video = torch.full((1, 2, 2, 18, 32, 3), 90, dtype=torch.uint8)
    video[0, 1, 1] = 150
    change = encoder(video)[..., 36:48]
    assert (change[0, 0] == 0).all()
    torch.testing.assert_close(change[0, 1], torch.full((12,), 61.0).log(), rtol=1e-4, atol=1e-5)


def test_motion_inside_a_cell_is_seen():
    encoder = VideoEncoder(frames=3, **picture())
    board = (torch.arange(18)[:, None] + torch.arange(32)) % 2  # every cell's mean stays the same
    shown = torch.stack([100 + 40 * board, 140 - 40 * board, 140 - 40 * board])  # [F, H, W]
    video = shown[None, None, ..., None].expand(1, 1, 3, 18, 32, 3).to(torch.uint8)
    change = encoder(video)[0, 0, 36:48]
    expected = torch.full((12,), 41.0).log() / 2  # one of the two pairs of frames differs
    torch.testing.assert_close(change, expected, rtol=1e-4, atol=1e-5)


def test_a_trs_only_frame_has_no_motion():
    encoder = VideoEncoder(frames=1, **picture())
    video = torch.randint(0, 256, (1, 2, 1, 18, 32, 3), dtype=torch.uint8)
    assert (encoder(video)[..., 36:48] == 0).all()


def test_untrained_decoder_shows_the_coarse_picture_around_the_mean():
    decoder = VideoDecoder(frames_out=1, **picture())
    decoder.mean_frame.uniform_(0, 1)
    features = torch.zeros(1, 1, 48 + 8 * 20)
    mean = torch.nn.functional.adaptive_avg_pool2d(decoder.mean_frame[None], (3, 4))
    features[..., :36] = mean.flatten()
    torch.testing.assert_close(decoder(features)[0, 0, 0], decoder.mean_frame)
    features[..., :36] += 0.2
    torch.testing.assert_close(
        decoder(features)[0, 0, 0], decoder.mean_frame + 0.2, rtol=1e-4, atol=1e-5
    )


def test_grid_finer_than_the_frames_is_refused():
    with pytest.raises(ModelError, match="model/video_grid is 20 x 4, but frames are 18 x 32"):
        VideoEncoder(frames=2, **picture(grid=(20, 4)))
