"""Layers 5 to 9: the brain layer, the volume, the bottleneck, and back.

Suffixes: B windows, T TRs, P features, V voxels or parcels, R rank, Z bottleneck.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from giblet.model.dropout import WindowDropout


class VoxelMap(nn.Module):
    """A map between features and voxels, full or of low rank.

    Parameters
    ----------
    n_in, n_out
        Features in and out.
    rank
        Columns of the two factors; 0 for a full matrix.
    """

    def __init__(self, n_in: int, n_out: int, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.down = nn.Linear(n_in, rank, bias=False) if rank else None
        self.up = nn.Linear(rank or n_in, n_out)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., n_in] -> [..., n_out]"""
        return self.up(x if self.down is None else self.down(x))


class BrainLayer(nn.Module):
    """Layer 5: one unit per voxel, the neural drive.

    ``drive = shared(z) + subject's own low-rank part (z)``. The second starts at zero, and an
    unseen subject (None) does without it.
    """

    def __init__(
        self, n_features: int, n_voxels: int, n_subjects: int, *, rank: int, subject_rank: int
    ) -> None:
        super().__init__()
        self.shared = VoxelMap(n_features, n_voxels, rank)
        self.own = nn.ModuleList(
            VoxelMap(n_features, n_voxels, subject_rank) for _ in range(n_subjects)
        )
        for own in self.own:
            assert isinstance(own, VoxelMap)
            nn.init.zeros_(own.up.weight)

    def forward(self, z_BTP: Tensor, subject: int | None) -> Tensor:
        """[B, T, P] -> [B, T, V]"""
        drive = self.shared(z_BTP)
        return drive if subject is None else drive + self.own[subject](z_BTP)


class Refine(nn.Module):
    """A non-linear addition that starts at nothing: ``x + gate * gelu(conv(norm(x)))``."""

    def __init__(self, channels: int, *, volume: bool) -> None:
        super().__init__()
        self.volume = volume
        self.norm = nn.GroupNorm(1, channels) if volume else nn.LayerNorm(channels)
        self.conv = nn.Conv3d(channels, channels, 3, padding=1) if volume else None
        shape = (channels, 1, 1, 1) if volume else (channels,)
        self.gate = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape out as in."""
        y = self.norm(x)
        return x + self.gate * F.gelu(y if self.conv is None else self.conv(y))


class VolumeEncoder(nn.Module):
    """Layer 6: the voxels in the volume they came from, convolved and strided by 2.

    Parameters
    ----------
    grid_shape
        Voxels along the three axes of the (cropped) volume.
    channels
        Of each strided convolution, first to last.
    n_voxels
        Voxels within the mask. ``place``, the position of each in the flattened volume, is
        a buffer that whoever builds the network fills.
    """

    place: Tensor

    def __init__(
        self, grid_shape: tuple[int, ...], channels: tuple[int, ...], n_voxels: int
    ) -> None:
        super().__init__()
        self.padded = tuple(padded_grid(grid_shape, len(channels)))
        self.register_buffer("place", torch.arange(n_voxels))  # [V]
        self.down = nn.ModuleList()
        self.refine = nn.ModuleList()
        before = 1
        for n in channels:
            conv = nn.Conv3d(before, n, 2, stride=2, bias=False)
            if not conv.weight.is_meta:
                nn.init.orthogonal_(conv.weight)
            self.down.append(conv)
            self.refine.append(Refine(n, volume=True))
            before = n
        self.shape_out = (channels[-1], *(size >> len(channels) for size in self.padded))
        self.width = prod(self.shape_out)

    def forward(self, drive_bV: Tensor) -> Tensor:
        """[b, V] -> [b, width]"""
        volume = drive_bV.new_zeros(len(drive_bV), prod(self.padded))
        volume = volume.index_copy(1, self.place, drive_bV)
        x = volume.view(-1, 1, *self.padded)  # [b, 1, X, Y, Z]
        for down, refine in zip(self.down, self.refine, strict=True):
            x = refine(down(x))  # [b, C, X / 2, Y / 2, Z / 2]
        return x.flatten(1)  # [b, width]


class VolumeDecoder(nn.Module):
    """Layers 8 and 9: transposed convolutions back to one unit per voxel.

    Starts as the transpose of layer 6 (:meth:`mirror`).
    """

    place: Tensor

    def __init__(
        self, grid_shape: tuple[int, ...], channels: tuple[int, ...], n_voxels: int
    ) -> None:
        super().__init__()
        self.padded = tuple(padded_grid(grid_shape, len(channels)))
        self.register_buffer("place", torch.arange(n_voxels))  # [V]
        outward = (1, *channels[:-1])
        self.shape_in = (channels[-1], *(size >> len(channels) for size in self.padded))
        self.refine = nn.ModuleList(Refine(n, volume=True) for n in reversed(channels))
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(n, out, 2, stride=2, bias=False)
            for n, out in zip(reversed(channels), reversed(outward), strict=True)
        )

    def forward(self, x_bW: Tensor) -> Tensor:
        """[b, width] -> [b, V]"""
        x = x_bW.view(-1, *self.shape_in)  # [b, C, x, y, z]
        for refine, up in zip(self.refine, self.up, strict=True):
            x = up(refine(x))  # [b, C', 2 x, 2 y, 2 z]
        return x.flatten(1).index_select(1, self.place)  # [b, V]

    @torch.no_grad()
    def mirror(self, encoder: VolumeEncoder) -> None:
        """Start as the transpose of `encoder`."""
        for up, down in zip(self.up, reversed(list(encoder.down)), strict=True):
            assert isinstance(up, nn.ConvTranspose3d)
            assert isinstance(down, nn.Conv3d)
            up.weight.copy_(down.weight)
        self.place.copy_(encoder.place)


class ParcelEncoder(nn.Module):
    """Layer 6 for parcels, which have no grid: a linear layer and a non-linear addition."""

    def __init__(self, n_parcels: int, width: int) -> None:
        super().__init__()
        self.down = nn.Linear(n_parcels, width, bias=False)
        self.refine = Refine(width, volume=False)
        self.width = width
        if not self.down.weight.is_meta:
            nn.init.orthogonal_(self.down.weight)

    def forward(self, drive_bV: Tensor) -> Tensor:
        """[b, V] -> [b, width]"""
        return self.refine(self.down(drive_bV))


class ParcelDecoder(nn.Module):
    """Layers 8 and 9 for parcels."""

    def __init__(self, n_parcels: int, width: int) -> None:
        super().__init__()
        self.refine = Refine(width, volume=False)
        self.up = nn.Linear(width, n_parcels, bias=False)

    def forward(self, x_bW: Tensor) -> Tensor:
        """[b, width] -> [b, V]"""
        return self.up(self.refine(x_bW))

    @torch.no_grad()
    def mirror(self, encoder: ParcelEncoder) -> None:
        """Start as the transpose of `encoder`."""
        self.up.weight.copy_(encoder.down.weight.T)


class Bottleneck(nn.Module):
    """Layers 7 and 8: down to the narrowest layer, and up again (transposed at the start)."""

    def __init__(self, width: int, bottleneck: int, dropout: float) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.refine = Refine(bottleneck, volume=False)
        self.dropout = WindowDropout(dropout)
        self.up = nn.Linear(bottleneck, width)
        if not self.down.weight.is_meta:
            nn.init.orthogonal_(self.down.weight)
            with torch.no_grad():
                self.up.weight.copy_(self.down.weight.T)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.bias)

    def forward(self, x_BTW: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, width] -> bottleneck [B, T, Z] and layer 8 [B, T, width]"""
        code = self.refine(self.down(x_BTW))  # [B, T, Z]
        return code, self.up(self.dropout(code))  # [B, T, width]


def padded_grid(grid_shape: tuple[int, ...], n_halvings: int) -> list[int]:
    """Grid enlarged until every axis can be halved so often without a remainder."""
    block = 2**n_halvings
    return [-(-size // block) * block for size in grid_shape]
