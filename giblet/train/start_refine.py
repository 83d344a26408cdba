"""What voxels know together: few directions drive them, and those tell the delays apart.

Each voxel's own ridge solution is noisy; what thousands of voxels agree on is not. So of a map
only as many directions are kept as predict the validation TRs best, and delays are read again
from the drive that is left.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from giblet.model.brain import VoxelMap
from giblet.train import ridge


def supported_map(
    designs: Sequence[ridge.Bands],
    shift: Tensor,
    inputs: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    n_train: int,
    max_rank: int,
) -> tuple[Tensor, Tensor]:
    """Reduced-rank regression, of the rank that predicts the validation rows best.

    Parameters
    ----------
    designs
        Features through the HRF at each delay, rows of train before those of validation.
    shift : int64 [V], each voxel's place among `designs`
    inputs : [n_train, P], features before the HRF
    weight : [P, V]
    targets : [n, V], BOLD
    max_rank
        Directions to keep at most; 0 for as many as there are.

    Returns
    -------
    [P, r] and [r, V]; r is 0 where the mean predicts better than any direction
    """
    inward, outward = ridge.low_rank(inputs, weight, max_rank or len(inputs))
    inward, outward = inward.flip(1), outward.flip(0)  # the strongest first
    wanted = targets[n_train:] - targets[:n_train].mean(0)  # [m, V]
    errors = wanted.square().sum() + torch.zeros(len(outward) + 1)
    for place in shift.unique().tolist():
        here = (shift == place).nonzero()[:, 0]
        features = torch.cat(designs[place].features, dim=1)
        scores = (features[n_train:] - features[:n_train].mean(0)) @ inward  # [m, r]
        left = wanted[:, here]
        before = left.square().sum()
        for k, direction in enumerate(outward[:, here], start=1):
            left = left - scores[:, k - 1, None] * direction
            errors[k] += left.square().sum() - before
    rank = int(errors.argmin())
    return inward[:, :rank], outward[:rank]


def correlation(predicted: Tensor, bold: Tensor) -> Tensor:
    """Pearson r of each column of two arrays [n, V]; 0 where one of them is constant."""
    x, y = predicted - predicted.mean(0), bold - bold.mean(0)
    return (x * y).sum(0) / (x.norm(dim=0) * y.norm(dim=0)).clamp(min=1e-12)


def set_map(layer: VoxelMap, inputs: Tensor, weight: Tensor, bias: Tensor) -> None:
    """Put ``inputs @ weight + bias`` into a map, through its rank."""
    if layer.down is None:
        layer.up.weight.copy_(weight.T)
        layer.up.bias.copy_(bias)
    else:
        set_factors(layer, *ridge.low_rank(inputs, weight, layer.rank), bias)


def set_factors(layer: VoxelMap, inward: Tensor, outward: Tensor, bias: Tensor) -> None:
    """Put ``inputs @ inward @ outward + bias`` into a map."""
    if layer.down is None:
        layer.up.weight.copy_((inward @ outward).T)
    else:
        found = inward.shape[1]
        layer.down.weight[:found].copy_(inward.T)
        layer.up.weight.zero_()
        layer.up.weight[:, :found].copy_(outward.T)
    layer.up.bias.copy_(bias)
