"""The losses of sound: whitened latents, codes, and (optionally) the decoded spectrum.

Suffixes: ``giblet.model.stimulus``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from giblet.errors import TrainError
from giblet.model.stimulus import Stimulus
from giblet.train.codes import CodeTargets
from giblet.train.data import Study
from giblet.train.spectrum import Spectrum, spectrum_of
from giblet.train.sums import Sums

SOUND_TERMS = ("latents", "codes", "spectrum")
EVEN = {"latents": 1.0, "codes": 1.0, "spectrum": 0.0}
# Settings of the config block `train` that are about the heads of sound.
SOUND_SETTINGS = (
    "latents_weight", "latents_whitening", "codes_weight", "code_decay", "code_temperature",
    "spectrum_weight", "spectrum_trs",
)  # fmt: skip
# Variance, of a mean of 1 over all directions, below which a direction is not magnified.
SMALLEST_VARIANCE = 1e-3


def whitener(
    covariance: NDArray[np.floating], std: NDArray[np.floating], how: str
) -> NDArray[np.float32]:
    """Matrix W [D, D] by which standardised latents (row vectors) are white: ``z @ W``.

    Parameters
    ----------
    covariance, std
        Of the training TRs' latents, [D, D] and [D].
    how
        ``full``: the inverse square root of the correlations (ZCA; Kessy, Lewin & Strimmer
        2018, Am. Stat. 72:309), so that W is symmetric and dimensions stay themselves;
        ``each``: the identity, every dimension on its own.
    """
    if how == "each":
        return np.eye(len(std), dtype=np.float32)
    correlation = np.asarray(covariance, np.float64) / np.outer(std, std)
    values, vectors = np.linalg.eigh(correlation)
    scale = np.sqrt(np.maximum(values, SMALLEST_VARIANCE))
    return np.asarray((vectors / scale) @ vectors.T, np.float32)


class SoundLosses:
    """What the sound that the network makes is held against.

    Parameters
    ----------
    whiten
        See :func:`whitener`, [D, D].
    codes
        How codes are scored.
    spectrum
        The loss of decoded sound, or None.
    weights
        Weight of each of `SOUND_TERMS` within the loss of sound.
    """

    def __init__(
        self,
        whiten: NDArray[np.float32],
        codes: CodeTargets,
        spectrum: Spectrum | None = None,
        weights: Mapping[str, float] = EVEN,
    ) -> None:
        self.whiten, self.codes, self.spectrum = torch.from_numpy(whiten), codes, spectrum
        self.weights = dict(weights)

    def to(self, device: torch.device | str) -> SoundLosses:
        """Move to a device, in place."""
        self.whiten, self.codes = self.whiten.to(device), self.codes.to(device)
        self.spectrum = self.spectrum and self.spectrum.to(device)
        return self

    def add(
        self,
        sums: Sums,
        latents_BTND: Tensor,
        logits_BTnQK: Tensor,
        shown: Stimulus,
        target_BT: Tensor,
        *,
        code_frames: Tensor | None = None,
        starts: Tensor | None = None,
    ) -> None:
        """Add the errors over the target TRs.

        Parameters
        ----------
        code_frames : places within a TR that `logits_BTnQK` is of; all by default
        starts : see :meth:`giblet.train.spectrum.Spectrum.sum`
        """
        there = shown.audio_mask & target_BT[..., None]  # [B, T, N]
        latents_BTND = latents_BTND.float()
        error = (latents_BTND - shown.latents) @ self.whiten  # [B, T, N, D]
        sums.add("latents", (error.square().mean(3) * there).sum(), float(there.sum()))
        if self.weights["codes"] > 0:
            codes, keep = shown.codes, there
            if code_frames is not None:
                codes, keep = codes[:, :, code_frames], keep[:, :, code_frames]
            nats = self.codes.nats(logits_BTnQK[keep], codes[keep])
            sums.add("codes", nats, float(keep.sum()))
        if self.spectrum is not None:
            total, count = self.spectrum.sum(latents_BTND, shown.latents, there, starts)
            sums.add("spectrum", total, float(count))


def sound_losses(study: Study, settings: Mapping[str, Any]) -> SoundLosses:
    """The losses of sound for a study, from the settings `SOUND_SETTINGS`; none without sound.

    The codec is loaded, once, only when its code vectors or its decoder are needed.

    Raises
    ------
    TrainError
        If all weights are 0, or the study was made with another codec of that name.
    CodecError, PretrainedModelError
        If the codec is needed and cannot be had.
    """
    weights = {term: float(settings[f"{term}_weight"]) for term in SOUND_TERMS}
    if "audio" not in study.modalities:
        return SoundLosses(np.eye(0, dtype=np.float32), CodeTargets(study.code_counts))
    if not any(weights.values()):
        raise TrainError(
            "train: all of latents_weight, codes_weight and spectrum_weight are 0, so there is no "
            "loss of sound: give one a positive weight, or set audio_weight to 0 instead"
        )
    temperature = float(settings["code_temperature"]) if weights["codes"] else 0.0
    codec = _codec(study) if temperature > 0 or weights["spectrum"] > 0 else None
    spectrum = None
    if weights["spectrum"] > 0:
        n_trs = int(settings["spectrum_trs"])
        spectrum = spectrum_of(codec, study.latent_mean, study.latent_std, n_trs)
    return SoundLosses(
        whitener(study.latent_covariance, study.latent_std, str(settings["latents_whitening"])),
        CodeTargets(
            study.code_counts,
            decay=float(settings["code_decay"]),
            temperature=temperature,
            codebooks=codec.codebooks if codec is not None and temperature > 0 else None,
        ),
        spectrum,
        weights,
    )


def _codec(study: Study) -> Any:
    from giblet.features.audio import codec_of

    codec = codec_of(study.file)
    if codec.latent_dim != study.latent_dim:
        raise TrainError(
            f"{study.path}: made with latents of {study.latent_dim} dimensions, codec "
            f"{codec.name!r} now has {codec.latent_dim}: run features and align again"
        )
    return codec
