"""Where training starts on the way back: from the mirrored brain layer to the features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from giblet.model.network import GibletNet
from giblet.model.pool import MODALITIES
from giblet.train import ridge
from giblet.train.data import Study
from giblet.train.rows import Rows
from giblet.train.start_refine import set_map


def start_decoding(net: GibletNet, study: Study, rows: Rows) -> dict[str, Any]:
    """Set layer 10: ridge from the mirrored brain layer to layer 3's features.

    Fitted on measured BOLD of every subject and on the drive that the stimulus itself
    gives; penalties are chosen on measured BOLD only.
    """
    inputs, targets, is_val = [], [], []
    z = torch.stack([rows.z[run][tr] for run, tr in rows.places])  # [n, P]
    val = torch.arange(len(rows.places)) >= rows.n_train
    for number in range(len(study.subjects)):
        drive, there = _delagged(net, study, rows, number)
        inputs.append(_mirrored(net, drive[there]))
        targets.append(z[there])
        is_val.append(val[there])
    inputs.append(_mirrored(net, net.drive(z[None])[0][: rows.n_train]))
    targets.append(z[: rows.n_train])
    x, y, held_out = torch.cat(inputs), torch.cat(targets), torch.cat(is_val)
    x, y, held_out = _thinned(x, y, held_out, len(inputs[-1]))
    design = ridge.Bands.of([x])
    gram = design.mixed((1.0,))
    score = held_out.nonzero()[:, 0]
    fit = (~held_out).nonzero()[:, 0]
    errors = ridge.errors(gram, y, [(fit, score)])  # [alphas, P]
    alpha, best = torch.empty(y.shape[1]), {}
    first = 0
    for name, width in zip(MODALITIES, net.pool.widths, strict=True):
        if not width:
            continue
        share = slice(first, first + width)
        varies = y[:, share].std(0) > 1e-6
        mean = errors[:, share][:, varies].mean(1) if varies.any() else torch.ones(len(errors))
        alpha[share] = ridge.ALPHAS[int(mean.argmin())]
        best[f"start_decoding_{name}"] = float(mean.min())
        first += width
    weight = design.weight((1.0,), fit, ridge.dual(gram[fit][:, fit], y[fit], alpha))
    set_map(net.brain_out, x[fit], weight, y[fit].mean(0) - x[fit].mean(0) @ weight)
    return best


def _delagged(net: GibletNet, study: Study, rows: Rows, subject: int) -> tuple[Tensor, Tensor]:
    """Drive from a subject's measured BOLD for all rows [n, V], and which rows have one."""
    name = study.subjects[subject]
    per_run: dict[str, list[Tensor]] = {"train": [], "val": []}
    for split, all_seen in rows.seen.items():
        for run, seen in zip(study.runs, all_seen, strict=True):
            if name not in run.subjects:
                per_run[split].append(torch.zeros(run.n_trs, study.n_voxels))
                continue
            bold = torch.from_numpy(study.file[f"runs/{run.name}/bold/{name}"][: run.n_trs])
            bold = bold * torch.from_numpy(seen)[:, None]
            per_run[split].append(net.from_bold(bold[None], subject)[0])
    there = torch.tensor([name in study.runs[run].subjects for run, _ in rows.places])
    return rows.pick(per_run), there


def _mirrored(net: GibletNet, drive: Tensor) -> Tensor:
    """Layer 9 from layer 5, [n, V] -> [n, V], a few TRs at a time."""
    return torch.cat([net.middle(part[None])[1][0] for part in drive.split(64)])


def _thinned(
    x: Tensor, y: Tensor, held_out: Tensor, n_driven: int, limit: int = 6000
) -> tuple[Tensor, Tensor, Tensor]:
    """At most `limit` rows, evenly; the last `n_driven` rows are never held out."""
    held_out = torch.cat([held_out, torch.zeros(n_driven, dtype=torch.bool)])
    step = -(-len(x) // limit)
    return x[::step], y[::step], held_out[::step]
