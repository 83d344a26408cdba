"""The two paths through the network, and what they score.

Stimulus-driven: stimulus -> layer 5 -> BOLD, and on through the brain back to the stimulus.
Brain-driven: measured BOLD in the place of layer 5 -> stimulus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from giblet.model.network import GibletNet
from giblet.model.stimulus import Decoded
from giblet.train.data import Batch, Study
from giblet.train.draws import Draws
from giblet.train.group import ALONE, Workers
from giblet.train.losses import (
    TERMS,
    brain_sums,
    fractions,
    mean_fractions,
    stimulus_sums,
    weighted,
)
from giblet.train.sound import SoundLosses
from giblet.train.sums import Sums, summed
from giblet.train.windows import tiles

PATHS = ("model", "from_bold")


class Objective(nn.Module):
    """The loss of a training step, as a module that DistributedDataParallel can wrap.

    Each process computes some windows of the batch; errors are divided by how many values all
    processes have. DistributedDataParallel averages gradients, so the loss of a process is its
    part times their number.

    Parameters
    ----------
    net
        The network.
    voxel_valid : bool [S, V]
        Voxels that vary, of every subject of the study.
    sound, floor, weights
        Losses of sound, what the constant predictor scores, and the weight of each modality.
    workers
        The processes that share the batch.
    """

    def __init__(
        self,
        net: GibletNet,
        *,
        voxel_valid: Tensor,
        sound: SoundLosses,
        floor: Mapping[str, float],
        weights: Mapping[str, float],
        workers: Workers = ALONE,
    ) -> None:
        super().__init__()
        self.net, self.sound, self.workers = net, sound, workers
        self.floor, self.weights = dict(floor), dict(weights)
        # Not a buffer: it is data, not state of the network.
        self._voxel_valid = [voxel_valid]

    def forward(
        self, batch: Batch, draws: Draws, also: Sequence[float] = ()
    ) -> tuple[Tensor, dict[str, float], list[float]]:
        """Loss of this process's windows.

        Parameters
        ----------
        also
            Numbers to add up over the processes on the way.

        Returns
        -------
        what to differentiate; ``loss`` and the fractions of the constant predictor's, of the
        whole batch; the totals of `also`
        """
        own = training_sums(
            self.net, batch, draws, voxel_valid=self._voxel_valid[0], sound=self.sound
        )
        everybody, totals = summed(self.workers, own, TERMS, also)
        shares = [mine.over(all_.count) for mine, all_ in zip(own, everybody, strict=True)]
        loss, _ = self._loss(shares)
        whole, parts = self._loss(everybody)
        found = {name: float(value) for name, value in {"loss": whole, **parts}.items()}
        return torch.as_tensor(loss) * self.workers.world_size, found, totals

    def _loss(self, sums: Sequence[Sums]) -> tuple[Tensor | float, dict[str, Tensor | float]]:
        brain, *paths = sums
        of_paths = [fractions(path.means(), self.floor, self.sound.weights) for path in paths]
        parts = fractions(brain.means(), self.floor) | mean_fractions(of_paths)
        return weighted(parts, self.weights), parts


def shared_objective(objective: Objective) -> nn.Module:
    """The objective as it is, or averaging its gradients over the processes that share it."""
    if not objective.workers.many:
        return objective
    from torch.nn.parallel import DistributedDataParallel

    # A step leaves some weights without a gradient: subjects that were not drawn, the output
    # for words where nobody speaks, heads whose weight is 0.
    return DistributedDataParallel(
        objective,
        find_unused_parameters=True,
        gradient_as_bucket_view=True,
        forward_sync_buffers=False,
    )


def training_sums(
    net: GibletNet, batch: Batch, draws: Draws, *, voxel_valid: Tensor, sound: SoundLosses
) -> list[Sums]:
    """Errors of one batch: of BOLD, and of the stimulus by each of `PATHS`."""
    n_trs = batch.target.shape[1]
    z = net.features(batch.stimulus, draws.keep.to(batch.target.device))  # [B, C + T, P]
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
        paths.append(Sums())
        stimulus_sums(
            paths[-1],
            _part(made, half),
            shown,
            target,
            sound,
            code_frames=draws.code_frames,
            starts=draws.excerpts,
        )
    return [brain, *paths]


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
    workers: Workers = ALONE,
) -> tuple[float, dict[str, float], dict[str, dict[str, float]]]:
    """Loss over a whole split, without dropout, every subject's BOLD decoded.

    Each of several processes scores a part; all get the same figures.

    Returns
    -------
    loss, fractions per modality, and the fractions of each path on its own
    """
    net.eval()
    device = net.gain.device
    brain, paths = Sums(), {path: Sums() for path in PATHS}
    valid = torch.from_numpy(study.voxel_valid).to(device)
    everyone = range(len(study.subjects))
    for window in tiles(study.segments(split), window_trs)[workers.rank :: workers.world_size]:
        batch = study.batch(
            [window],
            length=window_trs,
            context=net.context_trs,
            follow=net.delag.n_follow,
            subjects=everyone,
            split=split,
        ).to(device)
        add_window(net, batch, voxel_valid=valid, sound=sound, brain=brain, paths=paths)
    everybody, _ = summed(workers, [brain, *paths.values()], TERMS)
    brain, paths = everybody[0], dict(zip(PATHS, everybody[1:], strict=True))
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
