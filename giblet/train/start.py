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
from giblet.train.start_decoding import start_decoding
from giblet.train.start_refine import correlation, set_factors, supported_map

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
    shifts, n = _shifts(net), rows.n_train
    designs = [ridge.Bands.of(_design(net, rows, shift)) for shift in shifts]
    # The network's own prediction keeps the drift, and with it its level.
    levels = [
        torch.cat([band[:n].mean(0) for band in _design(net, rows, shift, with_drift=True)])
        for shift in shifts
    ]
    bold, _ = mean_bold(study, rows, None)
    choice = choose(designs, bold, rows.folds(), shifts)
    differences = []
    for number in range(len(study.subjects)):
        own, there = mean_bold(study, rows, number)
        differences.append((own - bold) * there[:, None])
    own_alpha = choose_own(designs[shifts.index(0.0)], differences, rows.folds(), choice)
    targets = [bold, *differences]
    alphas = [choice.alpha, *[own_alpha] * len(differences)]
    z_train = torch.stack([rows.z[run][tr] for run, tr in rows.places[:n]])  # [n, P]
    maps = []
    for layer, target, (weight, bias) in zip(
        (net.brain.shared, *net.brain.own),
        targets,
        _fit(designs, levels, targets, alphas, choice, n),
        strict=True,
    ):
        assert isinstance(layer, VoxelMap)
        maps.append(
            supported_map(
                designs, choice.shift, z_train, weight, target, n_train=n, max_rank=layer.rank
            )
        )
        set_factors(layer, *maps[-1], bias if target is bold else 0 * bias)
    delay_s = torch.tensor(shifts)[choice.shift]
    driven = choice.explained > RESPONSIVE
    if len(shifts) > 1:
        again = _delays_again(net, rows, maps, [bold[:n] + d[:n] for d in differences])
        delay_s = torch.where(driven, again, delay_s)
    _set_delays(net, delay_s, choice.explained)
    net.gain.copy_(choice.explained.clamp(min=0).sqrt())
    return {
        "start_voxels_explained": int(driven.sum()),
        "start_explained_median": float(choice.explained[driven].median()) if driven.any() else 0.0,
        "start_rank": len(maps[0][1]),
        "start_rank_own": sum(len(outward) for _, outward in maps[1:]) / max(1, len(maps) - 1),
    }


def _delays_again(
    net: GibletNet,
    rows: Rows,
    maps: list[tuple[Tensor, Tensor]],
    bold: list[Tensor],
) -> Tensor:
    """Delay of each voxel, seconds [V], at which the maps' drive is most like BOLD [n, V].

    The mean over subjects of the correlation on the training rows decides; one number a
    voxel is not what overfits, and the grid is as fine as the response's.
    """
    inward, outward = maps[0]
    best = torch.full((outward.shape[1],), -torch.inf)
    delay_s = torch.zeros_like(best)
    for shift in (float(s) for s in SHIFTS_S if abs(s) <= SHIFT_LIMIT_S):
        features = torch.cat(_design(net, rows, shift), dim=1)[: rows.n_train]
        shared = (features @ inward) @ outward
        r = torch.zeros_like(best)
        for (own_inward, own_outward), measured in zip(maps[1:], bold, strict=True):
            r += correlation(shared + (features @ own_inward) @ own_outward, measured)
        better = r > best
        best[better], delay_s[better] = r[better], shift
    return delay_s


def _shifts(net: GibletNet) -> list[float]:
    if not net.hrf.learns:
        return [0.0]
    return [float(s) for s in SHIFTS_S if abs(s) <= SHIFT_LIMIT_S and float(s) % SHIFT_GRID_S == 0]


def _design(net: GibletNet, rows: Rows, shift: float, *, with_drift: bool = False) -> list[Tensor]:
    """Layer 3 through the HRF at one delay, for all rows: a band [n, P_m] per modality.

    It loses the drift that BOLD has lost: of training rows what training TRs tell of it, of
    validation rows what both tell.
    """
    place = int(abs(SHIFTS_S - shift).argmin()) if len(net.hrf.bank) > 1 else 0
    kernel = net.hrf.bank[place]
    filtered: dict[str, list[Tensor]] = {}
    for split, seen in rows.seen.items():
        filtered[split] = []
        for z, visible, (slow, reader) in zip(rows.z, seen, rows.slow[split], strict=True):
            out = _through(kernel, z * torch.from_numpy(visible)[:, None])
            if slow.shape[1] and not with_drift:
                told = (reader != 0).any(0)[:, None]
                out -= slow @ (reader @ _through(kernel, z * told))
            filtered[split].append(out)
    return list(rows.pick(filtered).split(net.pool.widths, dim=1))


def _through(kernel: Tensor, drive: Tensor) -> Tensor:
    """Drives [T, P] through a causal response, from rest."""
    out = torch.zeros_like(drive)
    for lag, weight in enumerate(kernel[: len(drive)]):
        out[lag:] += weight * drive[: len(drive) - lag]
    return out


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


def choose_own(
    design: ridge.Bands,
    differences: list[Tensor],
    folds: list[tuple[Tensor, Tensor]],
    choice: Choice,
) -> Tensor:
    """Penalty of what subjects do differently from their mean, for each voxel [V].

    One for all subjects, at the voxel's proportions of modalities: what one subject does
    differently in one voxel is mostly noise. Infinite where nothing drives the voxel.
    """
    mixes = ridge.band_candidates(len(MODALITIES))
    alpha = torch.full_like(choice.alpha, torch.inf)
    driven = choice.explained > RESPONSIVE
    for mix in choice.mix[driven].unique().tolist():
        here = ((choice.mix == mix) & driven).nonzero()[:, 0]
        stacked = torch.cat([difference[:, here] for difference in differences], dim=1)
        errors = ridge.errors(design.mixed(mixes[mix]), stacked, folds)  # [alphas, S V']
        pooled = errors.unflatten(1, (len(differences), len(here))).sum(1)
        alpha[here] = torch.tensor(ridge.ALPHAS)[pooled.argmin(0)]
    return alpha


def _fit(
    designs: list[ridge.Bands],
    levels: list[Tensor],
    targets: list[Tensor],
    alphas: list[Tensor],
    choice: Choice,
    n_train: int,
) -> list[tuple[Tensor, Tensor]]:
    """Weights [P, V] and bias [V] for each of several targets [n, V], on the training rows.

    `levels` are the means [P] over those rows of what each design is of, with its drift.
    """
    train = torch.arange(n_train)
    mixes = ridge.band_candidates(len(MODALITIES))
    n_features = sum(band.shape[1] for band in designs[0].features)
    weights = [torch.zeros(n_features, target.shape[1]) for target in targets]
    biases = [torch.zeros(target.shape[1]) for target in targets]
    pairs = torch.stack([choice.shift, choice.mix])  # [2, V]
    for shift, mix in torch.unique(pairs, dim=1).T.tolist():
        here = ((choice.shift == shift) & (choice.mix == mix)).nonzero()[:, 0]
        design = designs[shift]
        y = torch.cat([target[:n_train, here] for target in targets], dim=1)
        alpha = torch.cat([alpha[here] for alpha in alphas])
        coefficients = ridge.dual(design.mixed(mixes[mix])[:n_train, :n_train], y, alpha)
        found = design.weight(mixes[mix], train, coefficients)
        bias = y.mean(0) - levels[shift] @ found
        for k, (one, level) in enumerate(
            zip(found.split(len(here), 1), bias.split(len(here)), strict=True)
        ):
            weights[k][:, here], biases[k][here] = one, level
    return list(zip(weights, biases, strict=True))


def _set_delays(net: GibletNet, delay_s: Tensor, explained: Tensor) -> None:
    """Delay of each group: mean of its voxels', weighted by how well they are explained."""
    if not net.hrf.learns:
        return
    weight = explained.clamp(min=1e-6)
    zero = torch.zeros_like(net.hrf.delay_s)
    total = zero.index_add(0, net.hrf.group, weight * delay_s)
    net.hrf.delay_s.copy_(total / zero.index_add(0, net.hrf.group, weight).clamp(min=1e-12))
