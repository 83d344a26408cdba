"""How alike two pictures are. Pictures are uint8 arrays of shape (H, W, 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# ITU-R BT.601 weights, those of the JPEG and MPEG luma.
LUMA = np.array([0.299, 0.587, 0.114])
# Identical pictures have no finite PSNR; this is that of one grey level off in 10,000 pixels.
HIGHEST_PSNR = 100.0
SSIM_SIGMA = 1.5

Picture = NDArray[np.uint8]


def psnr(true: Picture, other: Picture) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and colours, at most 100."""
    mse = float(np.mean((true.astype(np.float32) - other.astype(np.float32)) ** 2))
    if mse == 0:
        return HIGHEST_PSNR
    return min(HIGHEST_PSNR, float(10 * np.log10(255**2 / mse)))


def ssim(true: Picture, other: Picture) -> float:
    """Structural similarity of the luma, up to 1 (skimage, Gaussian window of sigma 1.5).

    Wang et al. (2004), IEEE Trans. Image Process. 13:600. Pictures too small for the window
    of 11 pixels get the largest odd one that fits.
    """
    from skimage.metrics import structural_similarity

    a, b = true @ LUMA, other @ LUMA
    side = min(a.shape)
    if side >= 11:
        options = {"gaussian_weights": True, "sigma": SSIM_SIGMA, "use_sample_covariance": False}
    else:
        options = {"win_size": max(3, side - 1 + side % 2)}
    return float(structural_similarity(a, b, data_range=255, **options))


def pixel_r(true: Picture, other: Picture) -> float:
    """Correlation over pixels and colours; NaN for a blank true picture, 0 for a blank other."""
    x = true.astype(np.float32).ravel() - true.mean(dtype=np.float32)
    y = other.astype(np.float32).ravel() - other.mean(dtype=np.float32)
    xx, yy = float(x @ x), float(y @ y)
    if xx < 1e-3 * len(x):
        return float("nan")
    if yy < 1e-3 * len(y):
        return 0.0
    return float(x @ y) / np.sqrt(xx * yy)


def frames_shown(frames: int, frames_out: int) -> list[int]:
    """Which of a TR's frames the network makes: the centres of equal parts of the TR."""
    return [(2 * place + 1) * frames // (2 * frames_out) for place in range(frames_out)]


def area_mean(pictures: NDArray, height: int, width: int) -> NDArray[np.float32]:  # type: ignore[type-arg]
    """Mean colour of the cells of a grid laid over pictures.

    Parameters
    ----------
    pictures : array of shape (n, H, W, 3)
    height, width : cells; at most H and W of them

    Returns
    -------
    array of shape (n, height, width, 3), float32
    """
    out = np.asarray(pictures, np.float32)
    for axis, cells in ((1, height), (2, width)):
        size = out.shape[axis]
        edges = np.linspace(0, size, min(cells, size) + 1).round().astype(int)
        sums = np.add.reduceat(out, edges[:-1], axis=axis)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        out = np.asarray(sums / np.diff(edges).reshape(shape), np.float32)
    return out


def enlarged(pictures: NDArray, size: Sequence[int]) -> NDArray[np.uint8]:  # type: ignore[type-arg]
    """Pictures (n, h, w, 3), values 0 to 255, linearly interpolated to (n, H, W, 3) uint8."""
    out = np.asarray(pictures, np.float32)
    for axis, length in ((1, size[0]), (2, size[1])):
        have = out.shape[axis]
        at = np.clip((np.arange(length) + 0.5) * have / length - 0.5, 0, have - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, have - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        weight = (at - low).reshape(shape).astype(np.float32)
        out = np.take(out, low, axis) * (1 - weight) + np.take(out, high, axis) * weight
    return np.clip(np.round(out), 0, 255).astype(np.uint8)
