"""Training of EnCodec's residual vector quantiser, which the library only runs.

Codebooks follow the latents as exponential moving averages (van den Oord et al. 2017,
appendix A), start from k-means, and codes that fall out of use are put back where latents
are. The buffers trained here are the library's own, so the model saves as it is.

Legend: B examples, D latent size, T codec frames, Q codebooks, K codes in each, N = B * T.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from giblet.features.codec import nearest

DECAY = 0.99
# A code expected in fewer than this many of a step's frames counts as dead.
DEAD_BELOW = 0.05
KMEANS_ROUNDS = 12


@dataclass(frozen=True)
class Quantised:
    """`latents` (B, D, T) with straight-through gradient, and their commitment.

    `residuals` (Q, N, D) are what each codebook was asked for, `codes` (Q, N) its answers.
    """

    latents: Tensor
    commitment: Tensor
    residuals: Tensor
    codes: Tensor


def quantise(quantiser: Any, latents: Tensor, kept: Tensor) -> Quantised:
    """Quantise a training batch, leaving the codebooks as they are.

    Parameters
    ----------
    latents
        Encoder output of shape (B, D, T).
    kept
        Number of codebooks that count for each example, shape (B,): quantiser dropout, so
        that the first few codebooks alone also decode.
    """
    size, dim, n_frames = latents.shape
    flat = latents.transpose(1, 2).reshape(-1, dim)  # (N, D)
    owner = torch.arange(size, device=latents.device).repeat_interleave(n_frames)
    residual = flat.detach()
    total = torch.zeros_like(residual)
    commitment = flat.new_zeros(())
    residuals, codes = [], []
    for level, layer in enumerate(quantiser.layers):
        embed = layer.codebook.embed
        index = nearest(residual, embed)
        used = (kept > level)[owner].to(flat.dtype)[:, None]  # (N, 1)
        residuals.append(residual)
        codes.append(index)
        residual = residual - embed[index]
        total = total + used * embed[index]
        commitment = commitment + (used * (flat - (flat.detach() - residual)).square()).mean()
    through = flat + (total - flat).detach()
    return Quantised(
        through.reshape(size, n_frames, dim).transpose(1, 2),
        commitment,
        torch.stack(residuals),
        torch.stack(codes),
    )


@torch.no_grad()
def follow(quantiser: Any, residuals: Tensor, codes: Tensor, generator: torch.Generator) -> None:
    """Move the codebooks towards what they were asked for.

    Parameters
    ----------
    residuals, codes
        Of shape (Q, N, D) and (Q, N), as in :class:`Quantised`.
    """
    for layer, asked, index in zip(quantiser.layers, residuals, codes, strict=True):
        _follow(layer.codebook, asked, index, generator)


def _follow(book: Any, vectors: Tensor, index: Tensor, generator: torch.Generator) -> None:
    counts = torch.bincount(index, minlength=book.codebook_size).to(vectors.dtype)
    sums = torch.zeros_like(book.embed).index_add_(0, index, vectors)
    book.cluster_size.mul_(DECAY).add_(counts, alpha=1 - DECAY)
    book.embed_avg.mul_(DECAY).add_(sums, alpha=1 - DECAY)
    dead = (book.cluster_size < DEAD_BELOW).nonzero()[:, 0]
    # A few at a time: one batch has fewer distinct frames than a codebook has codes.
    dead = dead[: max(1, len(vectors) // 16)]
    if len(dead):
        picks = torch.randint(len(vectors), (len(dead),), generator=generator).to(index.device)
        fresh = 4 * DEAD_BELOW
        book.cluster_size[dead] = fresh
        book.embed_avg[dead] = vectors[picks] * fresh
    book.embed.copy_(book.embed_avg / book.cluster_size.clamp(min=1e-5)[:, None])


def start_from_kmeans(quantiser: Any, vectors: Tensor, generator: torch.Generator) -> None:
    """Set all codebooks by k-means, each on what the ones before leave over.

    Parameters
    ----------
    vectors
        Latents of shape (N, D); N of at least a few times K.
    """
    residual = vectors
    for layer in quantiser.layers:
        book = layer.codebook
        centres, counts = _kmeans(residual, book.codebook_size, generator)
        per_step = counts / counts.sum() * 4 * DEAD_BELOW * book.codebook_size
        book.cluster_size.copy_(per_step.clamp(min=2 * DEAD_BELOW))
        book.embed.copy_(centres)
        book.embed_avg.copy_(centres * book.cluster_size[:, None])
        residual = residual - centres[nearest(residual, centres)]


def _kmeans(vectors: Tensor, k: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    picks = torch.randint(len(vectors), (k,), generator=generator)
    if len(vectors) >= k:
        picks = torch.randperm(len(vectors), generator=generator)[:k]
    centres = vectors[picks.to(vectors.device)].clone()
    counts = vectors.new_ones(k)
    for _ in range(KMEANS_ROUNDS):
        index = nearest(vectors, centres)
        counts = torch.bincount(index, minlength=k).to(vectors.dtype)
        sums = torch.zeros_like(centres).index_add_(0, index, vectors)
        full = counts > 0
        centres[full] = sums[full] / counts[full, None]
        n_empty = int((~full).sum())
        if n_empty:
            picks = torch.randint(len(vectors), (n_empty,), generator=generator)
            centres[~full] = vectors[picks.to(vectors.device)]
    return centres, counts


def resume(quantiser: Any) -> None:
    """Set the running averages, which are not stored, to where the codebooks are."""
    for layer in quantiser.layers:
        book = layer.codebook
        book.embed_avg.copy_(book.embed * book.cluster_size[:, None])


def perplexity(codes: Tensor, codebook_size: int) -> Tensor:
    """Effective number of codes in use of each codebook, for codes of shape (Q, N)."""
    out = []
    for row in codes:
        share = torch.bincount(row, minlength=codebook_size).double() / len(row)
        out.append(torch.exp(-(share * (share + 1e-12).log()).sum()))
    return torch.stack(out)
