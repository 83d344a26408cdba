"""Where training starts: at the linear solution.

With a few hundred training TRs a network fitted from random weights ends below ridge
regression. So layer 5 starts as ridge from the features of layer 3 to BOLD (through the HRF,
delay per voxel), and layer 10 as ridge from the mirrored brain layer back to those features;
the non-linear parts start at nothing and training goes on from there. Fitted on training TRs;
penalties and delays chosen by cross-validation within them and on the validation TRs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from giblet.model.brain import VoxelMap
from giblet.model.hrf import SHIFTS_S
from giblet.model.network import GibletNet
from giblet.model.pool import MODALITIES
from giblet.train import ridge
from giblet.train.build import set_delag
from giblet.train.data import Study
from giblet.train.rows import Rows, collect, mean_bold

SHIFT_LIMIT_S = 2.0
SHIFT_GRID_S = 0.5
RESPONSIVE = 0.02  # held-out variance explained above which a voxel counts as driven


@dataclass
class Choice:
    """What cross-validation chose for each voxel.

    Attributes
    ----------
    shift : int64 [V], place in the list of delays
    mix : int64 [V], place in the list of band weights
    alpha : [V], relative penalty
    explained : [V], held-out share of variance
    """

    shift: Tensor
    mix: Tensor
    alpha: Tensor
    explained: Tensor


@torch.no_grad()
def start_from_ridge(net: GibletNet, study: Study) -> dict[str, Any]:
    """Fill a fresh network with the closed-form solution.

    Returns
    -------
    dict of figures for the log and the metrics
    """
    net.eval()
    rows = collect(net, study)
    report = start_encoding(net, study, rows)
    set_delag(net, net.gain.square())
    return report | start_decoding(net, study, rows)


def start_encoding(net: GibletNet, study: Study, rows: Rows) -> dict[str, Any]:
    """Set layer 5, the delays and how far layer 6 trusts each voxel."""
    shifts = _shifts(net)
    designs = [ridge.Bands.of(_design(net, rows, shift)) for shift in shifts]
    bold, _ = mean_bold(study, rows, None)
    choice = choose(designs, bold, rows.folds(), shifts)
    weight, bias = _fit(designs, bold, choice, rows.n_train)
    z_train = torch.stack([rows.z[run][tr] for run, tr in rows.places[: rows.n_train]])  # [n, P]
    _set_map(net.brain.shared, z_train, weight, bias)
    for number, part in enumerate(net.brain.own):
        assert isinstance(part, VoxelMap)
        own, there = mean_bold(study, rows, number)
        difference = (own - bold) * there[:, None]
        _set_map(part, z_train, _own_weight(designs, difference, choice, rows), 0 * bias)
    _set_delays(net, torch.tensor(shifts)[choice.shift], choice.explained)
    net.gain.copy_(choice.explained.clamp(min=0).sqrt())
    driven = choice.explained > RESPONSIVE
    return {
        "start_voxels_explained": int(driven.sum()),
        "start_explained_median": float(choice.explained[driven].median()) if driven.any() else 0.0,
    }


def _shifts(net: GibletNet) -> list[float]:
    if not net.hrf.learns:
        return [0.0]
    return [float(s) for s in SHIFTS_S if abs(s) <= SHIFT_LIMIT_S and float(s) % SHIFT_GRID_S == 0]


def _design(net: GibletNet, rows: Rows, shift: float) -> list[Tensor]:
    """Layer 3 through the HRF at one delay, for all rows: a band [n, P_m] per modality."""
    place = int(abs(SHIFTS_S - shift).argmin()) if len(net.hrf.bank) > 1 else 0
    kernel = net.hrf.bank[place]
    filtered: dict[str, list[Tensor]] = {}
    for split, seen in rows.seen.items():
        filtered[split] = []
        for z, visible in zip(rows.z, seen, strict=True):
            drive = z * torch.from_numpy(visible)[:, None]
            out = torch.zeros_like(drive)
            for lag, weight in enumerate(kernel[: len(drive)]):
                out[lag:] += weight * drive[: len(drive) - lag]
            filtered[split].append(out)
    return list(rows.pick(filtered).split(net.pool.widths, dim=1))


def choose(
    designs: list[ridge.Bands],
    bold: Tensor,
    folds: list[tuple[Tensor, Tensor]],
    shifts: list[float],
) -> Choice:
    """Delay first (modalities in even proportions), then proportions and penalty."""
    n_bands = len(MODALITIES)
    even = (1.0,) * n_bands
    by_shift = torch.stack(
        [ridge.errors(design.mixed(even), bold, folds).amin(0) for design in designs]
    )  # [shifts, V]
    neutral = shifts.index(0.0)
    shift = by_shift.argmin(0)
    shift[by_shift.amin(0) > 1 - RESPONSIVE] = neutral
    best = torch.full((bold.shape[1],), torch.inf)
    mix, alpha = torch.zeros_like(shift), torch.zeros_like(best)
    for place, weights in enumerate(ridge.band_candidates(n_bands)):
        error, row = ridge.errors(designs[neutral].mixed(weights), bold, folds).min(0)
        better = error < best
        best[better], mix[better] = error[better], place
        alpha[better] = torch.tensor(ridge.ALPHAS)[row[better]]
    return Choice(shift, mix, alpha, 1 - torch.minimum(best, by_shift.amin(0)))


def _fit(
    designs: list[ridge.Bands], bold: Tensor, choice: Choice, n_train: int
) -> tuple[Tensor, Tensor]:
    """Weights [P, V] and bias [V] of layer 5, on the training rows."""
    train = torch.arange(n_train)
    mixes = ridge.band_candidates(len(MODALITIES))
    weight = torch.zeros(sum(band.shape[1] for band in designs[0].features), bold.shape[1])
    bias = torch.zeros(bold.shape[1])
    pairs = torch.stack([choice.shift, choice.mix])  # [2, V]
    for shift, mix in torch.unique(pairs, dim=1).T.tolist():
        here = ((choice.shift == shift) & (choice.mix == mix)).nonzero()[:, 0]
        design, y = designs[shift], bold[:n_train, here]
        gram = design.mixed(mixes[mix])[:n_train, :n_train]
        coefficients = ridge.dual(gram, y, choice.alpha[here])
        found = design.weight(mixes[mix], train, coefficients)
        centre = torch.cat([band[:n_train].mean(0) for band in design.features])
        weight[:, here] = found
        bias[here] = y.mean(0) - centre @ found
    return weight, bias


def _own_weight(
    designs: list[ridge.Bands], difference: Tensor, choice: Choice, rows: Rows
) -> Tensor:
    """Weights [P, V] of what a subject does differently from the mean subject.

    One penalty for all voxels: a single voxel's difference is mostly noise.
    """
    even, driven = (1.0,) * len(MODALITIES), choice.explained > RESPONSIVE
    weight = torch.zeros(sum(b.shape[1] for b in designs[0].features), difference.shape[1])
    if not driven.any():
        return weight
    groups = [
        (design, ((choice.shift == place) & driven).nonzero()[:, 0])
        for place, design in enumerate(designs)
    ]
    groups = [(design, here) for design, here in groups if len(here)]
    errors = torch.cat(
        [ridge.errors(d.mixed(even), difference[:, here], rows.folds()) for d, here in groups],
        dim=1,
    )
    alpha = torch.tensor(ridge.ALPHAS[int(errors.mean(1).argmin())])
    n = rows.n_train
    for design, here in groups:
        gram = design.mixed(even)[:n, :n]
        coefficients = ridge.dual(gram, difference[:n, here], alpha.expand(len(here)))
        weight[:, here] = design.weight(even, torch.arange(n), coefficients)
    return weight


def _set_map(layer: VoxelMap, inputs: Tensor, weight: Tensor, bias: Tensor) -> None:
    """Put ``inputs @ weight + bias`` into a map, through its rank."""
    if layer.down is None:
        layer.up.weight.copy_(weight.T)
    else:
        inward, outward = ridge.low_rank(inputs, weight, layer.rank)
        found = inward.shape[1]
        layer.down.weight[:found].copy_(inward.T)
        layer.up.weight.zero_()
        layer.up.weight[:, :found].copy_(outward.T)
    layer.up.bias.copy_(bias)


def _set_delays(net: GibletNet, delay_s: Tensor, explained: Tensor) -> None:
    """Delay of each group: mean of its voxels', weighted by how well they are explained."""
    if not net.hrf.learns:
        return
    weight = explained.clamp(min=1e-6)
    zero = torch.zeros_like(net.hrf.delay_s)
    total = zero.index_add(0, net.hrf.group, weight * delay_s)
    net.hrf.delay_s.copy_(total / zero.index_add(0, net.hrf.group, weight).clamp(min=1e-12))


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
    _set_map(net.brain_out, x[fit], weight, y[fit].mean(0) - x[fit].mean(0) @ weight)
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
