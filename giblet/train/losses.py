"""Losses, each divided by what a constant predictor scores: 1.0 reads "learnt nothing".

The constant is the training mean (unigram code frequencies for codes) from the study file;
what it scores is measured on the split in question. Suffixes: ``giblet.model.stimulus``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from giblet.errors import TrainError
from giblet.model.stimulus import Decoded, Stimulus
from giblet.train.data import Batch, Study
from giblet.train.group import ALONE, Workers
from giblet.train.sound import EVEN, SOUND_TERMS, SoundLosses
from giblet.train.sums import Sums, in_full_precision, summed
from giblet.train.windows import tiles

TERMS = ("brain", "video", *SOUND_TERMS, "text")
MODALITIES = ("brain", "video", "audio", "text")
# A constant predictor that is this good leaves nothing to learn: the modality is missing.
NEGLIGIBLE = 1e-8


def frames_out_index(frames: int, frames_out: int) -> list[int]:
    """Which of a TR's frames the network makes: evenly spaced, none at the border."""
    return [(2 * place + 1) * frames // (2 * frames_out) for place in range(frames_out)]


@in_full_precision
def brain_sums(sums: Sums, predicted_SBTV: Tensor, batch: Batch, voxel_valid_SV: Tensor) -> None:
    """Squared error of BOLD over the target TRs, of valid voxels of scanned subjects."""
    n_trs = batch.target.shape[1]
    error = (predicted_SBTV.float() - batch.bold[:, :, :n_trs]) ** 2  # [S, B, T, V]
    weight = batch.bold_valid[:, :, None] & batch.target  # [S, B, T]
    valid = voxel_valid_SV[batch.subjects].to(error.dtype)  # [S, V]
    per_voxel = torch.einsum("sbtv,sbt->sv", error, weight.to(error.dtype))
    count = (weight.sum((1, 2)) * valid.sum(1)).sum()
    sums.add("brain", (per_voxel * valid).sum(), float(count))


@in_full_precision
def stimulus_sums(
    sums: Sums,
    made: Decoded,
    shown: Stimulus,
    target_BT: Tensor,
    sound: SoundLosses,
    *,
    code_frames: Tensor | None = None,
    starts: Tensor | None = None,
) -> None:
    """Errors of frames, sound and text over the target TRs, of what is shown and made of them.

    Parameters
    ----------
    code_frames, starts
        See :meth:`giblet.train.sound.SoundLosses.add`.
    """
    has_video, has_audio, has_text = shown.has
    if has_video and made.video.shape[2]:
        weight = target_BT.to(torch.float32)
        index = frames_out_index(shown.video.shape[2], made.video.shape[2])
        frames = shown.video[:, :, index].movedim(-1, 3)  # [B, T, Fo, 3, H, W]
        difference = made.video.float() - frames.to(torch.float32).mul_(1 / 255)
        error = difference.square().flatten(2).mean(2)  # [B, T]
        sums.add("video", (error * weight).sum(), float(weight.sum()))
    if has_audio and made.latents.shape[2]:
        sound.add(
            sums,
            made.latents,
            made.code_logits,
            shown,
            target_BT,
            code_frames=code_frames,
            starts=starts,
        )
    if has_text and made.text.shape[2]:
        said = (shown.text_valid & target_BT).to(torch.float32)
        error = (made.text.float() - shown.text).square().mean(2)  # [B, T]
        sums.add("text", (error * said).sum(), float(said.sum()))


class Constant:
    """The predictor that knows only the training set's means and code frequencies.

    Parameters
    ----------
    study
        Where the statistics stand.
    frames_out
        Frames of a TR that are made.
    log_unigram
        Logarithm of the code frequencies, [Q, K].
    """

    def __init__(self, study: Study, frames_out: int, log_unigram: Tensor) -> None:
        index = frames_out_index(study.frame_shape[0], frames_out)
        mean = torch.from_numpy(study.video_mean[index]).movedim(-1, 1).float() / 255
        self.video = mean  # [Fo, 3, H, W]
        self.text = torch.from_numpy(study.text_mean).float()  # [E]
        self.log_unigram = log_unigram  # [Q, K]
        self.n_frames, self.latent_dim = study.max_frames, study.latent_dim

    def __call__(self, n_windows: int, n_trs: int) -> Decoded:
        """What it answers to any window: views of the constants, not copies."""
        around = (n_windows, n_trs)
        return Decoded(
            video=self.video.expand(*around, *self.video.shape),
            latents=torch.zeros(1).expand(*around, self.n_frames, self.latent_dim),
            code_logits=self.log_unigram.expand(*around, self.n_frames, *self.log_unigram.shape),
            text=self.text.expand(*around, -1),
        )


@torch.no_grad()
def add_constant(
    sums: Sums, constant: Constant, batch: Batch, *, voxel_valid: Tensor, sound: SoundLosses
) -> None:
    """Add the constant predictor's errors on a batch, its context aside."""
    n_windows, n_trs = batch.target.shape
    shown = batch.stimulus.trs(batch.stimulus.valid.shape[1] - n_trs, None)
    brain_sums(sums, torch.zeros_like(batch.bold[:, :, :n_trs]), batch, voxel_valid)
    stimulus_sums(sums, constant(n_windows, n_trs), shown, batch.target, sound)


def floors(
    study: Study,
    split: str,
    frames_out: int,
    window_trs: int,
    sound: SoundLosses,
    workers: Workers = ALONE,
) -> dict[str, float]:
    """What the constant predictor scores on a split, per term; each process scores a part.

    A term is left out when the modality is missing: no value to score, or nothing varies.

    Raises
    ------
    TrainError
        If there is nothing at all to predict in the BOLD.
    """
    constant = Constant(study, frames_out, sound.codes.log_unigram)
    sums = Sums()
    valid = torch.from_numpy(study.voxel_valid)
    for window in tiles(study.segments(split), window_trs)[workers.rank :: workers.world_size]:
        batch = study.batch(
            [window],
            length=window_trs,
            context=0,
            follow=0,
            subjects=range(len(study.subjects)),
            split=split,
        )
        add_constant(sums, constant, batch, voxel_valid=valid, sound=sound)
    (everything,), _ = summed(workers, [sums], TERMS)
    found = {term: float(value) for term, value in everything.means().items()}
    if found.get("brain", 0.0) <= NEGLIGIBLE:
        raise TrainError(
            f"{study.path}: BOLD is constant in every voxel of the split {split!r}: check the "
            "scans and the mask"
        )
    return {term: value for term, value in found.items() if value > NEGLIGIBLE}


def fractions(
    means: Mapping[str, Tensor | float],
    floor: Mapping[str, float],
    sound_weights: Mapping[str, float] = EVEN,
) -> dict[str, Tensor | float]:
    """Losses as fractions of the constant predictor's; ``audio`` weighs its terms into one."""
    parts = {term: means[term] / floor[term] for term in TERMS if term in means and term in floor}
    audio = {term: parts.pop(term) for term in SOUND_TERMS if term in parts}
    if any(sound_weights[term] for term in audio):
        parts["audio"] = weighted(audio, sound_weights)
    return parts


def weighted(parts: Mapping[str, Tensor | float], weights: Mapping[str, float]) -> Tensor | float:
    """Weighted mean of the fractions: 1.0 when nothing was learnt."""
    used = {name: weights[name] for name in parts if weights[name] > 0}
    return sum((parts[name] * weight for name, weight in used.items()), start=0.0) / sum(
        used.values()
    )


def mean_fractions(all_parts: Iterable[Mapping[str, Tensor | float]]) -> dict[str, Tensor | float]:
    """Mean over several paths of the fractions that each has."""
    gathered: dict[str, list[Tensor | float]] = {}
    for parts in all_parts:
        for name, value in parts.items():
            gathered.setdefault(name, []).append(value)
    return {name: sum(values[1:], values[0]) / len(values) for name, values in gathered.items()}


def loss_weights(settings: Mapping[str, Any], modalities: Iterable[str]) -> dict[str, float]:
    """Weight of the loss of BOLD and of each modality.

    Raises
    ------
    TrainError
        If those of BOLD and of the study's `modalities` are all 0.
    """
    found = {name: float(settings[f"{name}_weight"]) for name in MODALITIES}
    learnt = ["brain", *modalities]
    if not any(found[name] for name in learnt):
        raise TrainError(
            f"train: all of {', '.join(f'{name}_weight' for name in learnt)} are 0, so there "
            "is nothing to learn: give one a positive weight"
        )
    return found
