"""Layers 3 and 11: the modalities brought together, and taken apart again.

Suffixes: B windows, T TRs, P features of all modalities side by side, I features of one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MODALITIES = ("video", "audio", "text")


class Pool(nn.Module):
    """From layer 3, each modality's pooled features, to the input of layer 4.

    Each modality is standardised and turned into its share of the common features.

    The turn starts as a rotation (orthonormal), so distances between TRs, and with them what
    a linear map can learn, are those of the modality's own features. Mean and standard
    deviation are buffers, filled from the training TRs.

    Parameters
    ----------
    n_in
        Features of each modality, in the order of `MODALITIES`; 0 where the study lacks it.
    widths
        Its share of the common features.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_in: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        self.n_in, self.widths = n_in, widths
        self.turns = nn.ModuleList(
            _turn(inward, width) for inward, width in zip(n_in, widths, strict=True)
        )
        for turn in self.turns:
            if isinstance(turn, nn.Linear):
                _orthonormal(turn)
        self.register_buffer("mean", torch.zeros(sum(n_in)))
        self.register_buffer("std", torch.ones(sum(n_in)))

    def forward(self, features: list[Tensor], present_BT3: Tensor) -> Tensor:
        """[B, T, I] of each modality -> [B, T, P]; a missing modality counts as its mean."""
        means, stds = self.mean.split(self.n_in), self.std.split(self.n_in)
        pooled = []
        for place, turn in enumerate(self.turns):
            x = (features[place] - means[place]) / stds[place]  # [B, T, I]
            x = torch.where(present_BT3[..., place, None], x, 0.0)
            pooled.append(turn(x))
        return torch.cat(pooled, dim=2)  # [B, T, P]


class Unpool(nn.Module):
    """Layer 11: the common features taken apart into the modalities, in their own units.

    Starts as the inverse of :class:`Pool` (:meth:`mirror`).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, n_out: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        self.n_out, self.widths = n_out, widths
        self.turns = nn.ModuleList(
            _turn(width, outward) for outward, width in zip(n_out, widths, strict=True)
        )
        self.register_buffer("mean", torch.zeros(sum(n_out)))
        self.register_buffer("std", torch.ones(sum(n_out)))

    def forward(self, pooled_BTP: Tensor) -> list[Tensor]:
        """[B, T, P] -> [B, T, I] of each modality."""
        means, stds = self.mean.split(self.n_out), self.std.split(self.n_out)
        shares = pooled_BTP.split(self.widths, dim=2)
        return [
            turn(share) * std + mean
            for turn, share, mean, std in zip(self.turns, shares, means, stds, strict=True)
        ]

    @torch.no_grad()
    def mirror(self, pool: Pool) -> None:
        """Start as the inverse of `pool`."""
        for mine, its in zip(self.turns, pool.turns, strict=True):
            if isinstance(mine, nn.Linear) and isinstance(its, nn.Linear):
                mine.weight.copy_(its.weight.T)
                mine.bias.zero_()
        self.mean.copy_(pool.mean)
        self.std.copy_(pool.std)


def _turn(n_in: int, n_out: int) -> nn.Module:
    """A linear map; of a modality that the study lacks, nothing to map."""
    return nn.Linear(n_in, n_out) if n_in and n_out else nn.Identity()


def _orthonormal(layer: nn.Linear) -> None:
    if not layer.weight.is_meta:
        nn.init.orthogonal_(layer.weight)
    nn.init.zeros_(layer.bias)
