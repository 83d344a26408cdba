"""Layers 2 and 12 of a modality that a study lacks: no units, no weights.

They keep the network's shape, so that nothing else has to ask which modalities there are.
Suffixes: see ``giblet.model.stimulus``.
"""

from __future__ import annotations

from torch import Tensor, nn


class AbsentEncoder(nn.Module):
    """Layer 2 without units; nothing passes through it."""

    width = n_features = n_coarse = n_plain = 0


class AbsentVideo(nn.Module):
    """Layer 12A without units: no frames."""

    width = 0

    def forward(self, features_BTP: Tensor) -> Tensor:
        """[B, T, 0] -> [B, T, 0, 3, 0, 0]"""
        return features_BTP.new_zeros(*features_BTP.shape[:2], 0, 3, 0, 0)


class AbsentAudio(nn.Module):
    """Layer 12B without units: no codec frames."""

    width = 0

    def forward(
        self,
        features_BTP: Tensor,
        code_frames: Tensor | None = None,
        n_frames_BT: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """[B, T, 0] -> latents [B, T, 0, 0] and logits [B, T, 0, 0, 0]"""
        around = features_BTP.shape[:2]
        return features_BTP.new_zeros(*around, 0, 0), features_BTP.new_zeros(*around, 0, 0, 0)


class AbsentText(nn.Module):
    """Layer 12C without units: no embedding."""

    def forward(self, features_BTP: Tensor) -> Tensor:
        """[B, T, 0] -> [B, T, 0]"""
        return features_BTP
