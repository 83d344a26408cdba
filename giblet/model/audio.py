"""Layers 2B and 12B: the codec frames of a TR, in and out. Suffixes: ``giblet.model.stimulus``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DILATIONS = (1, 2, 4, 8)
COARSE_STEPS = 8  # pieces of a TR that convolved frames are averaged over, and made from


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


class AudioEncoder(nn.Module):
    """Layer 2B: embedded codes, latents and log-mel energy through temporal convolutions.

    Parameters
    ----------
    n_codebooks, codebook_size, latent_dim, n_mels
        Sizes of the codec and of the spectrum.
    max_frames
        Codec frames of the longest TR (57 where most have 56).
    channels
        Channels of the convolutions, a multiple of 4.
    """

    offsets: Tensor

    def __init__(
        self,
        *,
        n_codebooks: int,
        codebook_size: int,
        latent_dim: int,
        n_mels: int,
        max_frames: int,
        channels: int,
    ) -> None:
        super().__init__()
        self.embed = nn.Parameter(torch.randn(n_codebooks * codebook_size, channels))  # [Q K, C]
        self.from_latents = nn.Linear(latent_dim, channels)
        self.from_mel = nn.Linear(n_mels, channels)
        self.scales = MultiScale(channels)
        offsets = codebook_size * torch.arange(n_codebooks)
        self.register_buffer("offsets", offsets)  # [Q]
        with torch.no_grad():
            self.embed.mul_(n_codebooks**-0.5)
        self.width = max_frames * channels  # of layer 2B, a TR
        self.n_plain = 2 * (latent_dim + n_mels)
        self.n_features = self.n_plain + channels * COARSE_STEPS

    def forward(
        self, codes_BTNQ: Tensor, latents_BTND: Tensor, mel_BTNM: Tensor, mask_BTN: Tensor
    ) -> Tensor:
        """Features of each TR.

        Returns
        -------
        [B, T, n_features]: mean of latents, mean of log-mel, standard deviation of both,
        convolved frames in `COARSE_STEPS` pieces of the TR
        """
        b, t, n, q = codes_BTNQ.shape
        rows = (codes_BTNQ + self.offsets).reshape(-1, q)  # [B T N, Q]
        x = F.embedding_bag(rows, self.embed, mode="sum").reshape(b * t, n, -1)  # [B T, N, C]
        raw = torch.cat([latents_BTND, mel_BTNM], dim=3).flatten(0, 1)  # [B T, N, D + M]
        x = x + self.from_latents(latents_BTND.flatten(0, 1))
        x = x + self.from_mel(mel_BTNM.flatten(0, 1))
        mask = mask_BTN.reshape(b * t, n, 1).to(x.dtype)  # [B T, N, 1]
        x = self.scales((x * mask).transpose(1, 2)) * mask.transpose(1, 2)  # [B T, C, N]
        count = mask.sum(dim=1).clamp(min=1)  # [B T, 1]
        mean = (raw * mask).sum(dim=1) / count  # [B T, D + M]
        spread = (((raw - mean[:, None]) * mask) ** 2).sum(dim=1) / count
        deep = F.adaptive_avg_pool1d(x, COARSE_STEPS).flatten(1)  # [B T, C steps]
        features = torch.cat([mean, (spread + 1e-8).sqrt() * (mask.sum(1) > 0), deep], dim=1)
        return features.reshape(b, t, -1)


class AudioDecoder(nn.Module):
    """Layer 12B: from features back to codec frames.

    Latents start as the TR's mean at each frame; code logits start as the logarithm of how
    often each code occurs in training (``log_unigram``).

    Parameters
    ----------
    n_features
        Features of layer 11 for sound, as the encoder's ``n_features``.
    n_codebooks, codebook_size, latent_dim, max_frames, channels
        As for the encoder.
    """

    log_unigram: Tensor

    def __init__(
        self,
        *,
        n_features: int,
        n_codebooks: int,
        codebook_size: int,
        latent_dim: int,
        max_frames: int,
        channels: int,
    ) -> None:
        super().__init__()
        self.sizes = (n_codebooks, codebook_size)
        self.latent_dim, self.max_frames = latent_dim, max_frames
        self.norm = nn.LayerNorm(n_features)
        self.expand = nn.Linear(n_features, channels * COARSE_STEPS)
        self.scales = MultiScale(channels)
        self.to_latents = nn.Linear(channels, latent_dim)
        self.to_codes = nn.Linear(channels + latent_dim, n_codebooks * codebook_size)
        for layer in (self.to_latents, self.to_codes):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        uniform = torch.full((n_codebooks, codebook_size), 1 / codebook_size).log()
        self.register_buffer("log_unigram", uniform)  # [Q, K]
        self.width = max_frames * channels  # of layer 12B, a TR

    def forward(self, features_BTP: Tensor, frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Whitened latents and code logits.

        Parameters
        ----------
        features_BTP : [B, T, n_features]
        frames : int64 [n], optional
            Places within a TR to make code logits for, all by default.

        Returns
        -------
        latents [B, T, N, D] and logits [B, T, n, Q, K]
        """
        b, t = features_BTP.shape[:2]
        x = self.expand(self.norm(features_BTP)).reshape(b * t, -1, COARSE_STEPS)  # [B T, C, steps]
        x = F.interpolate(x, self.max_frames, mode="linear")  # [B T, C, N]
        x = self.scales(x).transpose(1, 2)  # [B T, N, C]
        mean = features_BTP[..., : self.latent_dim].reshape(b * t, 1, -1)  # [B T, 1, D]
        latents = mean + self.to_latents(x)  # [B T, N, D]
        y = torch.cat([F.gelu(x), latents], dim=2)  # [B T, N, C + D]
        if frames is not None:
            y = y[:, frames]  # [B T, n, C + D]
        logits = self.to_codes(y).reshape(b, t, -1, *self.sizes) + self.log_unigram
        return latents.reshape(b, t, self.max_frames, -1), logits
