"""Picture measures against scikit-image and scipy; films keep what they are given."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, signal, stats
from skimage import metrics as reference
from skimage.color import rgb2gray

from giblet.validate.film import read_film, write_film
from giblet.validate.picture_scores import (
    SCALE_WEIGHTS,
    area_mean,
    edge_r,
    enlarged,
    frames_shown,
    ms_ssim,
    pixel_r,
    psnr,
    ssim,
)


def pictures(seed, shape=(36, 64, 3)):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 256, size=shape, dtype=np.uint8)
    other = np.clip(true + rng.normal(0, 30, size=shape), 0, 255).astype(np.uint8)
    return true, other


@pytest.mark.parametrize("seed", range(5))
def test_psnr_is_scikit_images(seed):
    true, other = pictures(seed)
    expected = reference.peak_signal_noise_ratio(true, other, data_range=255)
    assert psnr(true, other) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_ssim_is_scikit_images_of_the_luma(seed):
    # skimage's own grey has other weights, so the pictures are grey to begin with.
    true, other = (np.repeat(p[..., :1], 3, axis=2) for p in pictures(seed))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = reference.structural_similarity(
        rgb2gray(true) * 255, rgb2gray(other) * 255, data_range=255, **options
    )
    assert ssim(true, other) == pytest.approx(expected, abs=1e-6)


def test_ssim_by_its_formula_on_flat_pictures():
    # Without structure only the luminance term is left: (2ab + c) / (a^2 + b^2 + c).
    a, b = np.full((20, 20, 3), 50, np.uint8), np.full((20, 20, 3), 150, np.uint8)
    c = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx((2 * 50 * 150 + c) / (50**2 + 150**2 + c), abs=1e-6)


def ms_ssim_by_its_definition(a, b):
    """Wang et al. (2003) with scipy: windowed moments, their formula, scale by scale."""
    axis = np.arange(-5, 6)
    window = np.exp(-(axis**2) / (2 * 1.5**2))
    window = np.outer(window, window) / np.outer(window, window).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    n_scales = sum(min(a.shape) // 2**k >= 11 for k in range(5))
    weights = np.array(SCALE_WEIGHTS[:n_scales]) / np.sum(SCALE_WEIGHTS[:n_scales])
    out = 1.0
    for k, weight in enumerate(weights):

        def local(values):
            return signal.convolve2d(values, window, mode="valid")

        ma, mb = local(a), local(b)
        va, vb, cab = local(a * a) - ma**2, local(b * b) - mb**2, local(a * b) - ma * mb
        contrast_structure = (2 * cab + c2) / (va + vb + c2)
        brightness = (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
        last = k == len(weights) - 1
        mean = np.mean(contrast_structure * brightness if last else contrast_structure)
        out *= max(0, mean) ** weight
        height, width = (side // 2 * 2 for side in a.shape)
        a, b = (sum(x[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)) / 4 for x in (a, b))
    return out


@pytest.mark.parametrize("shape", [(200, 180, 3), (90, 160, 3), (45, 81, 3), (13, 17, 3)])
def test_ms_ssim_is_its_definition(shape):
    for seed in range(3):
        true, other = pictures(seed, shape)
        if seed == 1:
            true = ndimage.gaussian_filter(true, (3, 3, 0))
            other = np.clip(true.astype(float) * 0.7 + 30, 0, 255).astype(np.uint8)
        luma = [p @ np.array([0.299, 0.587, 0.114]) for p in (true, other)]
        expected = ms_ssim_by_its_definition(*luma)
        assert ms_ssim(true, other) == pytest.approx(expected, abs=1e-6)


def test_ms_ssim_of_one_scale_is_ssim_and_forgives_coarse_likeness():
    true, other = pictures(0, (20, 30, 3))
    assert ms_ssim(true, other) == pytest.approx(max(0, ssim(true, other)))
    # Fine noise on a smooth picture: the coarse scales are alike.
    smooth = ndimage.gaussian_filter(pictures(1, (180, 180, 3))[0].astype(float), (20, 20, 0))
    smooth = (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 20, smooth.shape)
    noisy = np.clip(smooth + noise, 0, 255).astype(np.uint8)
    assert ms_ssim(smooth, noisy) > 0.75 > 0.5 > ssim(smooth, noisy)


def test_edge_r_is_the_correlation_of_sobel_gradients():
    true, other = pictures(3)
    strengths = []
    for picture in (true, other):
        luma = picture @ np.array([0.299, 0.587, 0.114])
        across, down = (ndimage.sobel(luma, axis, mode="reflect") for axis in (1, 0))
        strengths.append(np.hypot(across, down))
    expected = stats.pearsonr(*(s.ravel() for s in strengths)).statistic
    assert edge_r(true, other) == pytest.approx(expected, abs=1e-9)


def test_edge_r_is_blind_to_brightness_and_sign():
    true, _ = pictures(0)
    small = (true // 2).astype(np.uint8)
    assert edge_r(small, 255 - small) == pytest.approx(1.0)
    blank = np.full_like(true, 128)
    assert np.isnan(edge_r(blank, true))
    assert edge_r(true, blank) == 0


def test_pixel_r_is_scipys():
    true, other = pictures(0)
    expected = stats.pearsonr(true.ravel().astype(float), other.ravel().astype(float)).statistic
    assert pixel_r(true, other) == pytest.approx(expected, abs=1e-5)


def test_the_same_picture_is_perfect_and_blanks_are_defined():
    true, _ = pictures(0)
    assert (psnr(true, true), ssim(true, true)) == (100.0, pytest.approx(1.0))
    assert pixel_r(true, true) == pytest.approx(1.0)
    blank = np.full_like(true, 128)
    assert np.isnan(pixel_r(blank, true))
    assert pixel_r(true, blank) == 0


def test_pictures_smaller_than_the_window_are_scored():
    true, other = pictures(0, (6, 9, 3))
    assert -1 <= ssim(true, other) < ssim(true, true) == pytest.approx(1.0)


def test_area_mean_of_whole_cells_and_of_uneven_ones():
    picture = np.arange(4 * 6 * 3).reshape(1, 4, 6, 3)
    cells = picture.reshape(1, 2, 2, 3, 2, 3).mean((2, 4))
    np.testing.assert_allclose(area_mean(picture, 2, 3), cells)
    assert area_mean(picture, 9, 16).shape == (1, 4, 6, 3)
    flat = np.full((1, 7, 11, 3), 9)
    np.testing.assert_allclose(area_mean(flat, 3, 4), 9)


def test_enlarged_keeps_flat_pictures_and_corners():
    flat = np.full((2, 3, 4, 3), 77.0)
    assert (enlarged(flat, (9, 16)) == 77).all()
    small = np.zeros((1, 2, 2, 3))
    small[0, 1, 1] = 255
    big = enlarged(small, (8, 8))
    assert big[0, 0, 0].max() == 0
    assert big[0, -1, -1].min() == 255


@given(st.integers(1, 24), st.integers(1, 24))
def test_frames_shown_are_spread_over_the_tr(frames, frames_out):
    if frames_out > frames:
        return
    found = frames_shown(frames, frames_out)
    assert len(set(found)) == frames_out
    assert min(found) + max(found) in (frames - 1, frames)


def test_frames_shown_are_those_the_network_is_trained_on():
    losses = pytest.importorskip("giblet.train.losses")
    for frames in range(1, 13):
        for out in range(1, frames + 1):
            assert frames_shown(frames, out) == losses.frames_out_index(frames, out)


def test_film_comes_back_as_it_was_written(tmp_path):
    rng = np.random.default_rng(0)
    blocks = rng.integers(20, 236, size=(7, 3, 4, 1), dtype=np.uint8)
    frames = np.repeat(blocks.repeat(5, 1).repeat(5, 2), 3, axis=3)  # odd sizes: 15 x 20
    write_film(tmp_path / "film.mp4", frames, Fraction(4, 3), scale=1, crf=8)
    back = read_film(tmp_path / "film.mp4", 15, 20)
    assert back.shape == frames.shape
    assert np.mean([psnr(a, b) for a, b in zip(frames, back, strict=True)]) > 33


def test_the_same_pictures_always_make_the_same_film(tmp_path):
    rng = np.random.default_rng(0)
    coarse = rng.integers(30, 220, size=(10, 5, 10, 3), dtype=np.uint8)
    scenes = coarse.repeat(6, 0).repeat(9, 1).repeat(8, 2)  # (60, 45, 80, 3)
    frames = np.stack([np.roll(scene, 2 * (n % 6), 1) for n, scene in enumerate(scenes)])
    films = set()
    for _ in range(6):
        # What memory holds that the encoder gets differs from time to time.
        used = [rng.bytes(int(size)) for size in rng.integers(100, 200_000, size=100)]
        del used[::2]
        write_film(tmp_path / "film.mp4", frames, Fraction(4), scale=2, crf=18)
        films.add((tmp_path / "film.mp4").read_bytes())
    assert len(films) == 1


def test_film_lasts_as_long_as_its_trs(tmp_path):
    import av

    write_film(
        tmp_path / "film.mp4", np.zeros((12, 8, 8, 3), np.uint8), Fraction(2), scale=2, crf=20
    )
    with av.open(str(tmp_path / "film.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(container.duration / av.time_base) == pytest.approx(6.0, abs=0.01)
