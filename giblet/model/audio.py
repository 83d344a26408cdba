"""Layers 2B and 12B: the codec frames of a TR, in and out. Suffixes: ``giblet.model.stimulus``."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from giblet.model.average import average
from giblet.model.basis import tr_bases
from giblet.model.heads import CodeHead, LatentHead
from giblet.model.within_tr import over_codec_frames

COARSE_STEPS = 8  # pieces of a TR that convolved frames are averaged over


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
    within_tr
        How neighbouring frames are read together, see :mod:`giblet.model.within_tr`.
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
        within_tr: str = "multiscale",
    ) -> None:
        super().__init__()
        self.embed = nn.Parameter(torch.randn(n_codebooks * codebook_size, channels))  # [Q K, C]
        self.from_latents = nn.Linear(latent_dim, channels)
        self.from_mel = nn.Linear(n_mels, channels)
        self.scales = over_codec_frames(within_tr, channels)
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
        deep = average(x, (COARSE_STEPS,)).flatten(1)  # [B T, C steps]
        features = torch.cat([mean, (spread + 1e-8).sqrt() * (mask.sum(1) > 0), deep], dim=1)
        return features.reshape(b, t, -1)


class AudioDecoder(nn.Module):
    """Layer 12B: from features back to codec frames, and the two heads of layer 13.

    Parameters
    ----------
    n_features
        Features of layer 11 for sound, as the encoder's ``n_features``.
    n_basis
        Functions of the temporal basis (:mod:`giblet.model.basis`): the frames of a TR are
        made from this many coefficients per channel, and so are its latents.
    n_codebooks, codebook_size, latent_dim, max_frames, channels, within_tr
        As for the encoder.
    """

    bases: Tensor

    def __init__(
        self,
        *,
        n_features: int,
        n_basis: int,
        n_codebooks: int,
        codebook_size: int,
        latent_dim: int,
        max_frames: int,
        channels: int,
        within_tr: str = "multiscale",
    ) -> None:
        super().__init__()
        self.latent_dim, self.max_frames, self.n_basis = latent_dim, max_frames, n_basis
        self.norm = nn.LayerNorm(n_features)
        self.expand = nn.Linear(n_features, n_basis * channels)
        self.scales = over_codec_frames(within_tr, channels)
        self.latent_head = LatentHead(channels, latent_dim)
        self.code_head = CodeHead(channels + latent_dim, n_codebooks, codebook_size)
        self.register_buffer("bases", tr_bases(max_frames, n_basis))  # [2, N, J]
        self.width = max_frames * channels  # of layer 12B, a TR

    def forward(
        self,
        features_BTP: Tensor,
        code_frames: Tensor | None = None,
        n_frames_BT: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Latents, each dimension standardised, and code logits.

        Parameters
        ----------
        features_BTP : [B, T, n_features]
        code_frames : int64 [n], optional
            Places within a TR to make code logits for, all by default.
        n_frames_BT : int64 [B, T], optional
            Codec frames of each TR; by default as many as the longest has.

        Returns
        -------
        latents [B, T, N, D] and logits [B, T, n, Q, K]
        """
        b, t = features_BTP.shape[:2]
        basis = self._basis(n_frames_BT, b * t)  # [B T, N, J]
        x = self.expand(self.norm(features_BTP)).reshape(b * t, self.n_basis, -1)  # [B T, J, C]
        x = (basis @ x) * self.max_frames**0.5  # [B T, N, C]
        x = self.scales(x.transpose(1, 2)).transpose(1, 2)  # [B T, N, C]
        mean = features_BTP[..., : self.latent_dim].reshape(b * t, -1)  # [B T, D]
        latents = self.latent_head(x, mean, basis)  # [B T, N, D]
        heard = (
            (x, latents) if code_frames is None else (x[:, code_frames], latents[:, code_frames])
        )
        logits = self.code_head(*heard)  # [B T, n, Q, K]
        return latents.unflatten(0, (b, t)), logits.unflatten(0, (b, t))

    def _basis(self, n_frames_BT: Tensor | None, n_trs: int) -> Tensor:
        """Basis of each TR, [B T, N, J]; a TR without sound gets either."""
        if n_frames_BT is None:
            return self.bases[1].expand(n_trs, -1, -1)
        return self.bases[(n_frames_BT.flatten() == self.max_frames).long()]
