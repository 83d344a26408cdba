"""The two paths through the network, and what they score.

Stimulus-driven: stimulus -> layer 5 -> BOLD, and on through the brain back to the stimulus.
Brain-driven: measured BOLD in the place of layer 5 -> stimulus.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from giblet.model.network import GibletNet
from giblet.model.stimulus import Decoded
from giblet.train.data import Batch, Study
from giblet.train.losses import (
    brain_sums,
    fractions,
    mean_fractions,
    stimulus_sums,
    weighted,
)
from giblet.train.sound import SoundLosses
from giblet.train.sums import Sums
from giblet.train.windows import tiles

PATHS = ("model", "from_bold")


@dataclass(frozen=True)
class Draws:
    """What is random in a training step, a function of the seed and the step."""

    through: int | None
    from_bold: list[int]
    keep: Tensor
    code_frames: Tensor | None
    excerpts: Tensor


def draw(
    batch: Batch,
    *,
    n_frames: int,
    code_frames: int,
    modality_dropout: float,
    seed: int,
    step: int,
    has: tuple[bool, bool, bool] = (True, True, True),
) -> Draws:
    """Subjects whose brains are passed through, modalities shown, codec frames and TRs scored.

    Parameters
    ----------
    has
        Which of video, audio and text the study has; one of those is always shown.
    """
    rng = np.random.default_rng([seed, step, 3])
    scanned = batch.bold_valid.numpy()
    chosen = [
        int(rng.choice(np.flatnonzero(column))) if column.any() else 0 for column in scanned.T
    ]
    through = int(rng.integers(-1, len(batch.subjects)))
    keep = rng.random((len(batch.windows), 3)) >= modality_dropout
    # At least one modality is left, whichever would have been dropped last.
    there = np.flatnonzero(has)
    keep[np.arange(len(keep)), there[rng.integers(0, len(there), len(keep))]] = True
    picked = None
    if code_frames and code_frames < n_frames:
        picked = torch.from_numpy(np.sort(rng.choice(n_frames, code_frames, replace=False)))
    excerpts = [int(rng.integers(0, window.stop - window.start)) for window in batch.windows]
    return Draws(
        through=None if through < 0 else through,
        from_bold=chosen,
        keep=torch.from_numpy(keep),
        code_frames=picked,
        excerpts=torch.tensor(excerpts),
    )


def training_loss(
    net: GibletNet,
    batch: Batch,
    draws: Draws,
    *,
    voxel_valid: Tensor,
    sound: SoundLosses,
    floor: dict[str, float],
    weights: dict[str, float],
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """Loss of one batch, and its fractions of the constant predictor's."""
    n_trs = batch.target.shape[1]
    z = net.features(batch.stimulus, draws.keep)  # [B, C + T, P]
    drives = torch.stack([net.drive(z, subject) for subject in batch.subjects])  # [S, B, C + T, V]
    bold = net.bold(drives.flatten(0, 1), n_trs).view_as(batch.bold[:, :, :n_trs])
    brain = Sums()
    brain_sums(brain, bold, batch, voxel_valid)
    through = net.drive(z[:, -n_trs:]) if draws.through is None else drives[draws.through]
    measured = torch.cat(
        [
            net.from_bold(batch.bold[row, place][None], batch.subjects[row], n_trs)
            for place, row in enumerate(draws.from_bold)
        ]
    )  # [B, T, V]
    shown = batch.stimulus.trs(batch.stimulus.valid.shape[1] - n_trs, None)
    n_frames = shown.audio_mask.sum(2)  # [B, T]
    made = net.decode(
        torch.cat([through[:, -n_trs:], measured]), draws.code_frames, torch.cat([n_frames] * 2)
    )
    scanned = torch.stack(
        [batch.bold_valid[row, place] for place, row in enumerate(draws.from_bold)]
    )
    paths = []
    for number, target in enumerate((batch.target, batch.target & scanned[:, None])):
        half = slice(number * len(target), (number + 1) * len(target))
        sums = Sums()
        stimulus_sums(
            sums,
            _part(made, half),
            shown,
            target,
            sound,
            code_frames=draws.code_frames,
            starts=draws.excerpts,
        )
        paths.append(fractions(sums.means(), floor, sound.weights))
    parts = fractions(brain.means(), floor) | mean_fractions(paths)
    return torch.as_tensor(weighted(parts, weights)), parts


def _part(made: Decoded, windows: slice) -> Decoded:
    return Decoded(
        video=made.video[windows],
        latents=made.latents[windows],
        code_logits=made.code_logits[windows],
        text=made.text[windows],
    )


def add_window(
    net: GibletNet,
    batch: Batch,
    *,
    voxel_valid: Tensor,
    sound: SoundLosses,
    brain: Sums,
    paths: dict[str, Sums],
) -> Tensor:
    """Add the errors of one window, every subject's BOLD decoded.

    Parameters
    ----------
    brain, paths
        Where errors of BOLD, and of the stimulus by each of `PATHS`, are added.

    Returns
    -------
    predicted BOLD [S, T, V]
    """
    n_trs = batch.target.shape[1]
    z = net.features(batch.stimulus)
    drives = torch.cat([net.drive(z, subject) for subject in batch.subjects])  # [S, C + T, V]
    bold = net.bold(drives, n_trs)  # [S, T, V]
    brain_sums(brain, bold[:, None], batch, voxel_valid)
    shown = batch.stimulus.trs(batch.stimulus.valid.shape[1] - n_trs, None)
    n_frames = shown.audio_mask.sum(2)  # [1, T]
    made = net.decode(net.drive(z[:, -n_trs:]), None, n_frames)
    stimulus_sums(paths["model"], made, shown, batch.target, sound)
    for row, subject in enumerate(batch.subjects):
        if batch.bold_valid[row, 0]:
            drive = net.from_bold(batch.bold[row], subject, n_trs)
            made = net.decode(drive, None, n_frames)
            stimulus_sums(paths["from_bold"], made, shown, batch.target, sound)
    return bold


@torch.no_grad()
def evaluate(
    net: GibletNet,
    study: Study,
    *,
    split: str,
    window_trs: int,
    sound: SoundLosses,
    floor: dict[str, float],
    weights: dict[str, float],
) -> tuple[float, dict[str, float], dict[str, dict[str, float]]]:
    """Loss over a whole split, without dropout, every subject's BOLD decoded.

    Returns
    -------
    loss, fractions per modality, and the fractions of each path on its own
    """
    net.eval()
    device = net.gain.device
    brain, paths = Sums(), {path: Sums() for path in PATHS}
    valid = torch.from_numpy(study.voxel_valid).to(device)
    everyone = range(len(study.subjects))
    for window in tiles(study.segments(split), window_trs):
        batch = study.batch(
            [window],
            length=window_trs,
            context=net.context_trs,
            follow=net.delag.n_follow,
            subjects=everyone,
            split=split,
        ).to(device)
        add_window(net, batch, voxel_valid=valid, sound=sound, brain=brain, paths=paths)
    per_path = {
        path: {
            name: float(value)
            for name, value in fractions(sums.means(), floor, sound.weights).items()
        }
        for path, sums in paths.items()
    }
    parts = fractions(brain.means(), floor) | mean_fractions(per_path.values())
    found = {name: float(value) for name, value in parts.items()}
    return float(weighted(found, weights)), found, per_path
