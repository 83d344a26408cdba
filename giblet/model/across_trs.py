"""Layers 4 and 10: all features together, over neighbouring TRs.

The options of ``model/across_trs``; each is ``[B, T, P] -> [B, T, P]`` and starts as the
identity. ``around`` is how many TRs before and after a TR it reads. Suffixes:
``giblet.model.stimulus``; G heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from giblet.errors import ModelError
from giblet.model.dropout import WindowDropout

ACROSS_TRS = ("none", "conv", "attention")
N_HEADS = 4


def across_trs(
    kind: str, width: int, *, hidden: int, kernel_trs: int, causal: bool, dropout: float
) -> FeatureConv | FeatureAttention:
    """Layer 4 (causal) or 10 (not).

    Parameters
    ----------
    kind
        ``none`` (each TR on its own), ``conv`` or ``attention``.
    width, hidden
        Features, and the width of what is added to them.
    kernel_trs
        TRs that a convolution or attention reads.
    dropout
        Share of the added part dropped in training.

    Raises
    ------
    ModelError
        For an unknown `kind`, and for a width that the heads cannot share.
    """
    if kind not in ACROSS_TRS:
        raise ModelError(f"model/across_trs is {kind!r}: use one of {', '.join(ACROSS_TRS)}")
    if kind == "attention":
        return FeatureAttention(
            width, hidden=hidden, kernel_trs=kernel_trs, causal=causal, dropout=dropout
        )
    kernel_trs = 1 if kind == "none" else kernel_trs
    return FeatureConv(width, hidden=hidden, kernel_trs=kernel_trs, causal=causal, dropout=dropout)


def _around(kernel_trs: int, causal: bool) -> tuple[int, int]:
    """TRs before and after: all before, or half of them and the rest after."""
    before = kernel_trs - 1 if causal else kernel_trs // 2
    return before, kernel_trs - 1 - before


class FeatureConv(nn.Module):
    """Convolution over features and neighbouring TRs, non-linear.

    ``z + up(gelu(conv(norm(z))))`` with ``up`` starting at zero: the layer starts as the
    identity and learns what to add. Parameters: see :func:`across_trs`.
    """

    def __init__(
        self, width: int, *, hidden: int, kernel_trs: int, causal: bool, dropout: float
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, hidden, kernel_trs)
        self.up = nn.Linear(hidden, width)
        self.dropout = WindowDropout(dropout)
        self.around = _around(kernel_trs, causal)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, z_BTP: Tensor) -> Tensor:
        """[B, T, P] -> [B, T, P]"""
        y = F.pad(self.norm(z_BTP).transpose(1, 2), self.around)  # [B, P, T + kernel - 1]
        y = F.gelu(self.conv(y)).transpose(1, 2)  # [B, T, hidden]
        return z_BTP + self.dropout(self.up(y))


class FeatureAttention(nn.Module):
    """Self-attention over neighbouring TRs with a learnt weight of each distance.

    ``z + up(gelu(softmax(q k + distance) v))``, ``up`` starting at zero. A TR attends to
    ``around`` alone, so what it sees does not depend on the window it is computed in.
    Parameters: see :func:`across_trs`.
    """

    def __init__(
        self, width: int, *, hidden: int, kernel_trs: int, causal: bool, dropout: float
    ) -> None:
        super().__init__()
        if hidden % N_HEADS:
            raise ModelError(
                f"model/context_hidden is {hidden}, which {N_HEADS} heads cannot share: with "
                f"model/across_trs attention make it a multiple of {N_HEADS}"
            )
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * hidden)
        self.distance = nn.Parameter(torch.zeros(N_HEADS, kernel_trs))  # [G, kernel]
        self.up = nn.Linear(hidden, width)
        self.dropout = WindowDropout(dropout)
        self.around = _around(kernel_trs, causal)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, z_BTP: Tensor) -> Tensor:
        """[B, T, P] -> [B, T, P]"""
        b, t, _ = z_BTP.shape
        qkv = self.qkv(self.norm(z_BTP)).view(b, t, 3, N_HEADS, -1)  # [B, T, 3, G, hidden / G]
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # [B, G, T, hidden / G] each
        mask = self._mask(t).to(q.dtype)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # [B, G, T, hidden / G]
        y = F.gelu(y.transpose(1, 2).reshape(b, t, -1))  # [B, T, hidden]
        return z_BTP + self.dropout(self.up(y))

    def _mask(self, n_trs: int) -> Tensor:
        """What is added to the attention of each TR to each other, [G, T, T]."""
        tr = torch.arange(n_trs, device=self.distance.device)
        place = tr[:, None] - tr + self.around[1]  # [T, T]
        inside = (place >= 0) & (place < self.distance.shape[1])
        weight = self.distance[:, place.clamp(0, self.distance.shape[1] - 1)]  # [G, T, T]
        return weight.masked_fill(~inside, -torch.inf)
