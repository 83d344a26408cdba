"""Layers 2A and 12A: the frames of a TR, in and out. Suffixes: see ``giblet.model.stimulus``."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from giblet.errors import ModelError
from giblet.model.average import average
from giblet.model.within_tr import over_video_frames

POOLED = (4, 5)  # cells, down and across, that the convolved frames are averaged over


class SpaceTime(nn.Module):
    """Factorised (2+1)D convolution: over the picture, then over the frames of a TR."""

    def __init__(self, n_in: int, n_out: int, *, kernel: int, stride: int, within_tr: str) -> None:
        super().__init__()
        self.space = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2)
        self.time = over_video_frames(within_tr, n_out)
        self.norm = nn.GroupNorm(1, n_out)

    def forward(self, x_bCHW: Tensor, n_frames: int) -> Tensor:
        """[b F, C, H, W] -> [b F, C', H', W'] where the frames of a TR are neighbours."""
        x = self.space(x_bCHW)  # [b F, C', H', W']
        n, c, h, w = x.shape
        y = x.reshape(-1, n_frames, c, h * w).transpose(1, 2)  # [b, C', F, H' W']
        y = F.gelu(self.norm(y + self.time(y)))
        return y.transpose(1, 2).reshape(n, c, h, w)  # [b F, C', H', W']


class VideoEncoder(nn.Module):
    """Layer 2A: strided (2+1)D convolutions, beside a coarse picture of the TR.

    The coarse picture (mean colour and log motion energy on a grid) is the linear route that
    keeps the network at least as informed as the linear baseline.

    Parameters
    ----------
    frames, height, width
        Frames of a TR and their size, pixels.
    channels
        Channels of the first convolution; the second has twice as many.
    stride
        Pixels between the first convolution's outputs.
    grid
        Rows and columns of the coarse picture.
    within_tr
        How neighbouring frames are read together, see :mod:`giblet.model.within_tr`.
    """

    def __init__(
        self,
        *,
        frames: int,
        height: int,
        width: int,
        channels: int,
        stride: int,
        grid: tuple[int, int],
        within_tr: str = "multiscale",
    ) -> None:
        super().__init__()
        if grid[0] > height or grid[1] > width:
            raise ModelError(
                f"model/video_grid is {grid[0]} x {grid[1]}, but frames are {height} x {width}: "
                "give the grid fewer rows and columns than the frames have pixels"
            )
        self.frames, self.grid, self.channels = frames, grid, channels
        self.first = SpaceTime(
            3, channels, kernel=2 * (stride // 2) + 1, stride=stride, within_tr=within_tr
        )
        self.second = SpaceTime(channels, 2 * channels, kernel=3, stride=2, within_tr=within_tr)
        rows, columns = (ceil(ceil(size / stride) / 2) for size in (height, width))
        self.width = frames * 2 * channels * rows * columns  # of layer 2A, a TR
        self.n_coarse = 4 * grid[0] * grid[1]
        self.n_features = self.n_coarse + 2 * channels * POOLED[0] * POOLED[1]

    def forward(self, video_BTFHWC: Tensor) -> Tensor:
        """Features of each TR.

        Parameters
        ----------
        video_BTFHWC : uint8 [B, T, F, H, W, 3]

        Returns
        -------
        [B, T, n_features]: coarse colour, log motion energy, convolved
        """
        b, t = video_BTFHWC.shape[:2]
        flat = video_BTFHWC.flatten(0, 2).permute(0, 3, 1, 2)  # [B T F, 3, H, W], no copy
        pixels = flat.to(torch.float32).mul_(1 / 255)
        coarse = average(pixels, self.grid)  # [B T F, 3, gh, gw]
        coarse = coarse.reshape(b, t, self.frames, 3, *self.grid)
        change = self._motion_energy(pixels.mean(dim=1).unflatten(0, (b, t, self.frames)))
        x = self.second(self.first(pixels - 0.5, self.frames), self.frames)  # [B T F, 2C, h, w]
        x = average(x, POOLED)  # [B T F, 2C, 4, 5]
        x = x.reshape(b, t, self.frames, -1).mean(dim=2)  # [B, T, 2C 20]
        return torch.cat([coarse.mean(dim=2).flatten(2), change.flatten(2), x], dim=2)

    def _motion_energy(self, luma_BTFHW: Tensor) -> Tensor:
        """Log motion energy of each cell within the TR.

        As in :func:`giblet.align.regressors.video_summary`, pixels are compared before they are
        averaged, so that what moves inside a cell is seen.

        Returns
        -------
        mean over the TR of ``log(1 + 255 |change|)``, [B, T, gh, gw]; 0 where a TR has one frame
        """
        b, t = luma_BTFHW.shape[:2]
        if self.frames == 1:
            return luma_BTFHW.new_zeros(b, t, *self.grid)
        change = luma_BTFHW.diff(dim=2).abs().flatten(0, 2)[:, None]  # [B T (F-1), 1, H, W]
        energy = average(change, self.grid).mul(255).log1p()
        return energy.view(b, t, self.frames - 1, *self.grid).mean(dim=2)


class VideoDecoder(nn.Module):
    """Layer 12A: from features back to frames, around the training set's mean frame.

    ``frame = mean + upsampled (coarse - mean coarse) + detail``, the detail through
    transposed convolutions whose last one starts at zero.

    Parameters
    ----------
    frames_out
        Frames a TR to make.
    frames, height, width, channels, stride, grid
        As for the encoder.
    """

    mean_frame: Tensor

    def __init__(
        self,
        *,
        frames_out: int,
        height: int,
        width: int,
        channels: int,
        stride: int,
        grid: tuple[int, int],
    ) -> None:
        super().__init__()
        self.frames_out, self.size, self.grid, self.channels = (
            frames_out, (height, width), grid, channels,
        )  # fmt: skip
        n_in = 4 + 2 * channels
        self.mix = nn.Conv2d(n_in, frames_out * 2 * channels, 3, padding=1)
        self.up = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)
        self.norm = nn.GroupNorm(1, channels)
        self.out = nn.ConvTranspose2d(channels, 3, stride, stride=stride)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)
        self.register_buffer("mean_frame", torch.full((3, height, width), 0.5))
        self.n_coarse = 4 * grid[0] * grid[1]
        self.width = frames_out * channels * 4 * grid[0] * grid[1]  # of layer 12A, a TR

    def forward(self, features_BTP: Tensor) -> Tensor:
        """[B, T, n_features] -> frames [B, T, frames_out, 3, H, W], 0 to 1 (not clipped)."""
        b, t = features_BTP.shape[:2]
        n = 3 * self.grid[0] * self.grid[1]
        colour = features_BTP[..., :n].reshape(b * t, 3, *self.grid)  # [B T, 3, gh, gw]
        change = features_BTP[..., n : self.n_coarse].reshape(b * t, 1, *self.grid)
        pooled = features_BTP[..., self.n_coarse :].reshape(b * t, -1, *POOLED)
        pooled = F.interpolate(pooled, self.grid, mode="bilinear")  # [B T, 2C, gh, gw]
        mean_coarse = average(self.mean_frame[None], self.grid)  # [1, 3, gh, gw]
        away = colour - mean_coarse
        x = self.mix(torch.cat([away, change, pooled], dim=1))  # [B T, Fo 2C, gh, gw]
        x = F.gelu(x).reshape(b * t * self.frames_out, -1, *self.grid)  # [B T Fo, 2C, gh, gw]
        x = F.gelu(self.norm(self.up(x)))  # [B T Fo, C, 2 gh, 2 gw]
        detail = self._sized(self.out(x))  # [B T Fo, 3, H, W]
        base = self._sized(away) + self.mean_frame  # [B T, 3, H, W]
        return detail.reshape(b, t, self.frames_out, 3, *self.size) + base.reshape(
            b, t, 1, 3, *self.size
        )

    def _sized(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-2:]) == self.size:
            return x
        return F.interpolate(x, self.size, mode="bilinear")
