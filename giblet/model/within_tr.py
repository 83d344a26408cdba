"""Time within a TR: how codec frames and video frames that are neighbours are read together.

The options of ``model/within_tr``. Sound goes through one block, ``[b, C, N] -> [b, C, N]``, on
its way in and one on its way out; each layer of video adds what :func:`over_video_frames` finds,
``[b, C, F, S] -> [b, C, F, S]``. Suffixes: ``giblet.model.stimulus``; S places of the picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from giblet.errors import ModelError

WITHIN_TR = ("none", "multiscale", "hierarchical", "s3d")
DILATIONS = (1, 2, 4, 8)
N_LEVELS = 4  # of the pyramid of codec frames, each half as long as the one before
SEPARABLE_FRAMES = 7  # codec frames that a separable convolution spans


def over_codec_frames(kind: str, channels: int) -> nn.Module:
    """The block of layers 2B and 12B.

    Raises
    ------
    ModelError
        For an unknown `kind`.
    """
    blocks: dict[str, type[nn.Module]] = {
        "none": EachFrame, "multiscale": MultiScale, "hierarchical": Pyramid, "s3d": Separable
    }  # fmt: skip
    return _chosen(blocks, kind)(channels)


def over_video_frames(kind: str, channels: int) -> nn.Module:
    """What a layer of 2A adds from the frames around each frame.

    Raises
    ------
    ModelError
        For an unknown `kind`.
    """
    blocks: dict[str, type[nn.Module]] = {
        "none": NoFrames, "multiscale": NextFrames, "hierarchical": FramePyramid,
        "s3d": SeparableFrames,
    }  # fmt: skip
    return _chosen(blocks, kind)(channels)


def _chosen(blocks: dict[str, type[nn.Module]], kind: str) -> type[nn.Module]:
    if kind not in blocks:
        raise ModelError(f"model/within_tr is {kind!r}: use one of {', '.join(WITHIN_TR)}")
    return blocks[kind]


class EachFrame(nn.Module):
    """Each codec frame on its own: ``x + mix(gelu(norm(x)))``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, x_bCN: Tensor) -> Tensor:
        """[b, C, N] -> [b, C, N]"""
        return x_bCN + self.mix(F.gelu(self.norm(x_bCN)))


class MultiScale(nn.Module):
    """Dilated temporal convolutions side by side, one per time scale, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        part = channels // len(DILATIONS)
        self.branches = nn.ModuleList(
            nn.Conv1d(channels, part, 3, padding=step, dilation=step) for step in DILATIONS
        )
        self.norm = nn.GroupNorm(1, channels)
        self.mix = nn.Conv1d(part * len(DILATIONS), channels, 1)

    def forward(self, x_bCN: Tensor) -> Tensor:
        """[b, C, N] -> [b, C, N]"""
        y = self.norm(x_bCN)
        y = torch.cat([branch(y) for branch in self.branches], dim=1)  # [b, C, N]
        return x_bCN + self.mix(F.gelu(y))


class Pyramid(nn.Module):
    """Convolutions on top of each other, each halving the frames, all added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        part = channels // N_LEVELS
        self.norm = nn.GroupNorm(1, channels)
        self.finest = nn.Conv1d(channels, part, 3, padding=1)
        self.coarser = nn.ModuleList(
            nn.Conv1d(part, part, 3, stride=2, padding=1) for _ in range(N_LEVELS - 1)
        )
        self.mix = nn.Conv1d(part * N_LEVELS, channels, 1)

    def forward(self, x_bCN: Tensor) -> Tensor:
        """[b, C, N] -> [b, C, N]"""
        levels = [F.gelu(self.finest(self.norm(x_bCN)))]  # [b, C / 4, N]
        for conv in self.coarser:
            levels.append(F.gelu(conv(levels[-1])))  # [b, C / 4, N / 2], N / 4, N / 8
        n_frames = x_bCN.shape[2]
        y = torch.cat([F.interpolate(level, size=n_frames) for level in levels], dim=1)
        return x_bCN + self.mix(y)


class Separable(nn.Module):
    """Across channels, then along time, then gated by what the whole TR sounds like.

    The separable gated block of S3D-G without the picture: Xie et al. (2018), ECCV.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.across = nn.Conv1d(channels, channels, 1)
        self.along = nn.Conv1d(channels, channels, SEPARABLE_FRAMES, padding=SEPARABLE_FRAMES // 2)
        self.gate = nn.Linear(channels, channels)

    def forward(self, x_bCN: Tensor) -> Tensor:
        """[b, C, N] -> [b, C, N]"""
        y = self.along(F.gelu(self.across(self.norm(x_bCN))))  # [b, C, N]
        gate = torch.sigmoid(self.gate(y.mean(dim=2)))  # [b, C]
        return x_bCN + gate[:, :, None] * y


class NoFrames(nn.Module):
    """Nothing from the frames around a frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x_bCFS: Tensor) -> Tensor:
        """[b, C, F, S] -> a zero"""
        return x_bCFS.new_zeros(())


class NextFrames(nn.Conv2d):
    """A convolution over a frame and its two neighbours, the time half of (2+1)D."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, (3, 1), padding=(1, 0))


class FramePyramid(nn.Module):
    """Neighbouring frames, neighbouring pairs of frames, and the whole TR."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fine = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.pairs = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.whole = nn.Conv2d(channels, channels, 1)

    def forward(self, x_bCFS: Tensor) -> Tensor:
        """[b, C, F, S] -> [b, C, F, S]"""
        pairs = F.avg_pool2d(x_bCFS, (2, 1), ceil_mode=True)  # [b, C, F / 2, S]
        pairs = F.interpolate(self.pairs(pairs), size=tuple(x_bCFS.shape[2:]))  # [b, C, F, S]
        return self.fine(x_bCFS) + pairs + self.whole(x_bCFS.mean(dim=2, keepdim=True))


class SeparableFrames(nn.Module):
    """A non-linearity between space and time, and gates, as in S3D-G (Xie et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.along = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0))
        self.gate = nn.Linear(channels, channels)

    def forward(self, x_bCFS: Tensor) -> Tensor:
        """[b, C, F, S] -> [b, C, F, S]"""
        y = self.along(F.gelu(self.norm(x_bCFS)))  # [b, C, F, S]
        gate = torch.sigmoid(self.gate(y.mean(dim=(2, 3))))  # [b, C]
        return gate[:, :, None, None] * y
