"""Layer 13 of sound: two heads on the same codec frames. Suffixes: ``giblet.model.stimulus``.

*Latents* are regressed, as coefficients of a few functions of time; *codes* are classified,
all codebooks in parallel. Code numbers are never regressed, resampled or filtered.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LatentHead(nn.Module):
    """Codec latents of a TR: its mean, and what is added along the temporal basis.

    ``latents = mean + W P x + b``, ``P = basis basis^T`` the projection on the basis: a linear
    map to one coefficient per function and latent dimension. Starts as the mean alone.
    """

    def __init__(self, channels: int, latent_dim: int) -> None:
        super().__init__()
        self.out = nn.Linear(channels, latent_dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x_bNC: Tensor, mean_bD: Tensor, basis_bNJ: Tensor) -> Tensor:
        """[b, N, C], [b, D], [b, N, J] -> [b, N, D]"""
        coefficients = basis_bNJ.transpose(1, 2) @ x_bNC  # [b, J, C]
        return mean_bD[:, None] + self.out(basis_bNJ @ coefficients)  # [b, N, D]


class CodeHead(nn.Module):
    """Logits of the codes of all codebooks, in parallel.

    Starts as the frequency of each code in training, whatever the input: ``log_unigram`` is a
    buffer that whoever builds the network fills.
    """

    log_unigram: Tensor

    def __init__(self, n_in: int, n_codebooks: int, codebook_size: int) -> None:
        super().__init__()
        self.sizes = (n_codebooks, codebook_size)
        self.out = nn.Linear(n_in, n_codebooks * codebook_size)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        uniform = torch.full(self.sizes, 1 / codebook_size).log()
        self.register_buffer("log_unigram", uniform)  # [Q, K]

    def forward(self, x_bNC: Tensor, latents_bND: Tensor) -> Tensor:
        """[b, N, C], [b, N, D] -> [b, N, Q, K]"""
        y = self.out(torch.cat([F.gelu(x_bNC), latents_bND], dim=2))  # [b, N, Q K]
        return y.unflatten(2, self.sizes) + self.log_unigram
