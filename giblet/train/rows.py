"""Features and BOLD as rows, one per TR, for what is fitted in closed form before training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from giblet.model.audio import AudioEncoder
from giblet.model.network import GibletNet
from giblet.train.data import GAP, SPLITS, Study
from giblet.train.windows import Window, tiles

MAX_ROWS = 4000  # of each split; kernels are as large as this squared
N_FOLDS = 4
READ_TRS = 32
DEEP_SCALE = 0.1  # of untrained convolution features against the plain ones, at the start


@dataclass
class Rows:
    """Training and validation TRs of all runs below each other.

    Attributes
    ----------
    z : list of [T, P], layer 3 of each run
    seen : dict split -> list of bool [T], TRs whose stimulus that split may look at
    slow : dict split -> list of ([T, k], [k, T]): the slow part that cleaning took out of each
        run's BOLD, and how to read it off the TRs that tell that split of it
    places : list of (run, TR), those of train first
    n_train : number of rows that are of train
    """

    z: list[Tensor]
    seen: dict[str, list[np.ndarray]]
    slow: dict[str, list[tuple[Tensor, Tensor]]]
    places: list[tuple[int, int]]
    n_train: int

    def folds(self) -> list[tuple[Tensor, Tensor]]:
        """Rows to fit and to score: contiguous folds of train, and train against validation."""
        train = torch.arange(self.n_train)
        out = [
            (train[~torch.isin(train, part)], part)
            for part in train.tensor_split(N_FOLDS)
            if 0 < len(part) < self.n_train
        ]
        return [*out, (train, torch.arange(self.n_train, len(self.places)))]

    def pick(self, per_run: dict[str, list[Tensor]]) -> Tensor:
        """Rows of arrays [T, ...] given per split and run; `per_run` as that split sees them."""
        picked = [
            per_run["train" if row < self.n_train else "val"][run][tr]
            for row, (run, tr) in enumerate(self.places)
        ]
        return torch.stack(picked)


@torch.no_grad()
def collect(net: GibletNet, study: Study) -> Rows:
    """Standardise layer 3 on the training TRs and compute it for every run."""
    scale_inputs(net, study)
    raw: list[list[Tensor]] = []
    for number, run in enumerate(study.runs):
        parts = []
        for window in tiles([Window(number, 0, run.n_trs)], READ_TRS):
            batch = _read(study, window)
            parts.append(torch.cat(net.raw_features(batch.stimulus), dim=2)[0])  # [T, I]
        raw.append(list(torch.cat(parts).split(net.pool.n_in, dim=1)))
    train = [
        torch.from_numpy((run.split == SPLITS["train"]) & run.stim_valid) for run in study.runs
    ]
    rows = torch.cat([torch.cat(r, dim=1)[keep] for r, keep in zip(raw, train, strict=True)])
    std, mean = torch.std_mean(rows, dim=0, correction=0)
    net.pool.mean.copy_(mean)
    net.pool.std.copy_(torch.where(std > 1e-4, std, 1.0))
    _damp_deep(net)
    net.unpool.mirror(net.pool)
    z = []
    for number, run in enumerate(study.runs):
        present = torch.from_numpy(run.stim_valid)[None, :, None].expand(-1, -1, 3)
        z.append(net.pool([part[None] for part in raw[number]], present)[0])  # [T, P]
    seen = {
        split: [(run.split == SPLITS[split]) | (run.split == GAP) for run in study.runs]
        for split in ("train", "val")
    }
    train_places, val_places = (_places(study, split) for split in ("train", "val"))
    told = {"train": seen["train"], "val": [a | b for a, b in zip(*seen.values(), strict=True)]}
    slow = {
        split: [study.slow_part(number, trs) for number, trs in enumerate(runs)]
        for split, runs in told.items()
    }
    return Rows(z, seen, slow, train_places + val_places, len(train_places))


def _read(study: Study, window: Window) -> Any:
    return study.batch(
        [window], length=window.stop - window.start, context=0, follow=0, subjects=[], split=None
    )


def _places(study: Study, split: str) -> list[tuple[int, int]]:
    found = [
        (part.run, tr)
        for part in study.segments(split)
        for tr in range(part.start, part.stop)
        if study.runs[part.run].stim_valid[tr]
    ]
    step = -(-len(found) // MAX_ROWS) if found else 1
    return found[::step]


def scale_inputs(net: GibletNet, study: Study) -> None:
    """Let the log-mel energies enter layer 2B with mean 0 and variance 1 (training TRs)."""
    if not isinstance(net.audio_in, AudioEncoder):
        return
    total = squares = torch.zeros(study.n_mels, dtype=torch.float64)
    count = 0
    for part in study.segments("train"):
        group = study.file[f"runs/{study.runs[part.run].name}"]
        first, last = study.runs[part.run].audio_index[[part.start, part.stop - 1], [0, 1]]
        mel = torch.from_numpy(group["audio_log_mel"][first:last]).double()
        total, squares, count = total + mel.sum(0), squares + mel.square().sum(0), count + len(mel)
    mean = total / count
    std = (squares / count - mean**2).clamp(min=1e-6).sqrt()
    layer = net.audio_in.from_mel
    layer.weight.div_(std.float())
    layer.bias.sub_(layer.weight @ mean.float())


def _damp_deep(net: GibletNet) -> None:
    """Let untrained convolutions count little at the start."""
    plain = (net.video_in.n_coarse, net.audio_in.n_plain)
    for turn, first, last in (
        (net.pool.turns[0], plain[0], net.video_in.n_features),
        (net.pool.turns[1], plain[1], net.audio_in.n_features),
    ):
        if isinstance(turn, torch.nn.Linear):
            turn.weight[:, first:last].mul_(DEEP_SCALE)


def mean_bold(study: Study, rows: Rows, subject: int | None) -> tuple[Tensor, Tensor]:
    """BOLD of a subject, or (None) the mean of those scanned in each run.

    Returns
    -------
    [n, V], and which rows have a scan, bool [n]
    """
    names = study.subjects if subject is None else [study.subjects[subject]]
    values = np.zeros((len(rows.places), study.n_voxels), np.float32)
    there = np.zeros(len(rows.places), bool)
    run_of, tr_of = np.asarray(rows.places).T
    for number, run in enumerate(study.runs):
        have = [name for name in names if name in run.subjects]
        here = run_of == number
        for name in have:
            values[here] += study.file[f"runs/{run.name}/bold/{name}"][:][tr_of[here]] / len(have)
        there[here] = bool(have)
    return torch.from_numpy(values), torch.from_numpy(there)
