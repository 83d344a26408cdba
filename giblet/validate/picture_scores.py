"""How alike two pictures are. Pictures are uint8 arrays of shape (H, W, 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# ITU-R BT.601 weights, those of the JPEG and MPEG luma.
LUMA = np.array([0.299, 0.587, 0.114])
# Identical pictures have no finite PSNR; this is that of one grey level off in 10,000 pixels.
HIGHEST_PSNR = 100.0
SSIM_SIGMA = 1.5
# Side of its window, 3.5 sigma either way.
SSIM_WINDOW = 11
# Weights of the scales from fine to coarse (Wang et al. 2003).
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# So large a first constant makes SSIM's term of the mean brightness 1.
NO_BRIGHTNESS = 1e6

Picture = NDArray[np.uint8]
Luma = NDArray[np.float64]


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
    return _ssim(true @ LUMA, other @ LUMA)


def _ssim(a: Luma, b: Luma, **constants: float) -> float:
    from skimage.metrics import structural_similarity

    side = min(a.shape)
    options: dict[str, Any] = {"win_size": max(3, side - 1 + side % 2)}
    if side >= SSIM_WINDOW:
        options = {"gaussian_weights": True, "sigma": SSIM_SIGMA, "use_sample_covariance": False}
    return float(structural_similarity(a, b, data_range=255, **options, **constants))


def ms_ssim(true: Picture, other: Picture) -> float:
    """Structural similarity of the luma over several scales, from 0 to 1.

    ``SSIM_M^w_M prod_{j < M} cs_j^w_j`` with `cs` SSIM without its term of the mean brightness,
    scale ``j + 1`` the means of 2 x 2 pixels of scale ``j``, and means below 0 taken as 0.

    Wang, Simoncelli & Bovik (2003), Asilomar Conf. Signals, 1398. Five scales need pictures of
    176 pixels; of smaller ones those count that hold SSIM's window, their weights scaled to a
    sum of 1.
    """
    a, b = true @ LUMA, other @ LUMA
    n_scales = max(1, sum(min(a.shape) >> k >= SSIM_WINDOW for k in range(len(SCALE_WEIGHTS))))
    weights = np.array(SCALE_WEIGHTS[:n_scales]) / sum(SCALE_WEIGHTS[:n_scales])
    found = 1.0
    for weight in weights[:-1]:
        found *= max(0.0, _ssim(a, b, K1=NO_BRIGHTNESS)) ** weight
        a, b = _halved(a), _halved(b)
    return float(found * max(0.0, _ssim(a, b)) ** weights[-1])


def _halved(luma: Luma) -> Luma:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 for side in luma.shape)
    cells = luma[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    return np.asarray(cells.mean((1, 3)))


def edge_r(true: Picture, other: Picture) -> float:
    """Correlation over pixels of how strong edges are: Sobel gradient magnitudes of the luma.

    Blind to brightness and to which side of an edge is the brighter one. NaN for a true picture
    without edges, 0 for another without.
    """
    from skimage.filters import sobel

    return _correlation(sobel(true @ LUMA), sobel(other @ LUMA))


def pixel_r(true: Picture, other: Picture) -> float:
    """Correlation over pixels and colours; NaN for a blank true picture, 0 for a blank other."""
    return _correlation(true.astype(np.float32), other.astype(np.float32))


def _correlation(true: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Pearson's r over all values; NaN where `true` does not vary, 0 where `other` does not."""
    x, y = true.ravel() - true.mean(), other.ravel() - other.mean()
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
