"""Layers 1 and 13: what the network is shown and what it makes, as bundles of tensors.

Tensor suffixes used in all of ``giblet.model``: B windows, T TRs of a window, F video frames
of a TR, H rows, W columns, C channels, N codec frames of a TR, Q codebooks, K codes of a
codebook, D codec latent, M mel bands, E text embedding, P features, V voxels or parcels,
Z bottleneck, L lags in TRs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass
class Stimulus:
    """One batch of stimulus windows.

    Attributes
    ----------
    video : uint8 [B, T, F, H, W, 3]
    codes : int64 [B, T, N, Q]
        Codebook entries; they are embedded, never read as quantities.
    latents : float32 [B, T, N, D]
        Codec latents, each dimension standardised by the training TRs.
    log_mel : float32 [B, T, N, M]
    audio_mask : bool [B, T, N]
        False at places a TR's codec frames do not fill (56 of 57), and without sound.
    text : float32 [B, T, E]
        Zero where there is no text.
    text_valid : bool [B, T]
    valid : bool [B, T]
        False where nothing was shown, or where it must not be seen.
    video_embedding : float32 [B, T, X]
        Output of a pretrained backbone; X is 0 without one.
    """

    video: Tensor
    codes: Tensor
    latents: Tensor
    log_mel: Tensor
    audio_mask: Tensor
    text: Tensor
    text_valid: Tensor
    valid: Tensor
    video_embedding: Tensor

    @property
    def has(self) -> tuple[bool, bool, bool]:
        """Whether there is any video, audio and text; arrays of no size stand for none."""
        parts = (self.video, self.codes, self.text)
        return (parts[0].shape[2] > 0, parts[1].shape[2] > 0, parts[2].shape[2] > 0)

    def to(self, device: torch.device | str) -> Stimulus:
        """The same stimulus on another device."""
        return Stimulus(**{part.name: getattr(self, part.name).to(device) for part in fields(self)})

    def trs(self, start: int, stop: int | None = None) -> Stimulus:
        """TRs ``[start, stop)`` of every window."""
        return Stimulus(
            **{part.name: getattr(self, part.name)[:, start:stop] for part in fields(self)}
        )


@dataclass
class Decoded:
    """Layer 13.

    Attributes
    ----------
    video : [B, T, Fo, 3, H, W], 0 to 1, not clipped
    latents : [B, T, N, D], each dimension standardised
    code_logits : [B, T, n, Q, K]
    text : [B, T, E]
    """

    video: Tensor
    latents: Tensor
    code_logits: Tensor
    text: Tensor
