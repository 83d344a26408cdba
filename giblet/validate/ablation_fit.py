"""How well one network of an ablation does on held-out TRs, block by block.

*Encoding r* is the median over voxels of the correlation with measured BOLD, mean over subjects:
with all that was shown (``all``), and with the picture, the sound or the words alone, without
the drift that cleaning took out of measured BOLD. Subjects that training did not see do not
count. *Losses* are fractions of the constant predictor's, from the stimulus (``model``) and from
measured BOLD (``from_bold``). The bootstrap resamples blocks, and resamples the same ones for
every network, so that differences between networks have intervals too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from giblet.model.network import GibletNet
from giblet.model.pool import MODALITIES
from giblet.resampling import bootstrap_correlations
from giblet.results import read_made_json
from giblet.store import reading, writing
from giblet.train.build import load_network
from giblet.train.data import Batch, Study, Window, open_study
from giblet.train.losses import NEGLIGIBLE, Constant, add_constant, fractions
from giblet.train.objective import PATHS, add_window
from giblet.train.predict import SlowPart
from giblet.train.sound import SoundLosses, sound_losses
from giblet.train.sums import Sums
from giblet.validate.ablation_names import SHOWN, SPLITS
from giblet.validate.delays import voxel_delays
from giblet.validate.statistics import centred, pearson
from giblet.validate.truth import load_truth

Array: TypeAlias = NDArray[np.floating[Any]]
# What the network may see of the stimulus, as `GibletNet.features` takes it, by name in `SHOWN`.
KEPT: dict[str, Tensor | None] = {
    "all": None,
    **{name: torch.arange(len(MODALITIES))[None] == k for k, name in enumerate(MODALITIES)},
}
SlowParts = dict[int, dict[str, SlowPart]]  # run -> what was shown -> the part
Scores = dict[tuple[str, str], tuple[float, Array]]  # (metric, source) -> value and draws


@dataclass
class Block:
    """Errors and BOLD of one block of TRs.

    Attributes
    ----------
    segment : number of the unbroken stretch of TRs that it is a part of
    measured : subject -> [n, V]
    predicted : what was shown -> subject -> [n, V], without drift
    brain, paths, floor : errors of BOLD, of the stimulus by each path, of the constant
    """

    segment: int
    measured: dict[int, Array] = field(default_factory=dict)
    predicted: dict[str, dict[int, Array]] = field(default_factory=dict)
    brain: Sums = field(default_factory=Sums)
    paths: dict[str, Sums] = field(default_factory=lambda: {path: Sums() for path in PATHS})
    floor: Sums = field(default_factory=Sums)


def score_network(
    study: str | Path,
    model_dir: str | Path,
    ceiling: str | Path,
    truth: Sequence[str | Path],
    out: str | Path,
    *,
    seed: int,
    n_bootstrap: int,
    block_trs: int,
    min_ceiling: float,
    **sound: Any,
) -> None:
    """Write ``{split}/{metric}/{source}/value`` and ``/draws`` of the validation and test TRs.

    Parameters
    ----------
    model_dir
        Folder of the trained network; its ``metrics.json`` tells its size and speed.
    ceiling
        The brain stage's ``ceiling.h5``.
    truth
        ``simulate/truth.h5`` in a list, or an empty list for a real study.
    seed, n_bootstrap, block_trs, min_ceiling
        See config/schemas/validate.schema.yaml; voxels with a lower ceiling do not count.
    sound
        Settings of the loss of sound (`giblet.train.sound.SOUND_SETTINGS`).
    """
    net = load_network(model_dir)
    metrics = read_made_json(Path(model_dir) / "metrics.json", ("parameters", "trs_per_s"))
    with (
        open_study(study) as whole,
        reading(ceiling, stage="brain") as ceilings,
        writing(out, stage="validate", tr_s=whole.tr_s) as file,
    ):
        unseen = [name for name in whole.subjects if name not in net.subjects]
        opened = Study(whole.file, unseen)
        file.attrs["parameters"] = metrics["parameters"]
        file.attrs["trs_per_s"] = metrics["trs_per_s"]
        losses = sound_losses(opened, sound)
        voxels = _voxels(opened, ceilings, min_ceiling)
        slow = _slow_parts(net, opened)
        names: list[tuple[str, str, str]] = []
        for split in SPLITS:
            found = list(_blocks(net, opened, split, block_trs, losses, slow))
            rng = [seed, SPLITS.index(split)]
            scores = encoding(found, voxels, n_bootstrap, rng)
            scores |= reconstruction(found, losses, n_bootstrap, rng)
            for (metric, source), (value, draws) in scores.items():
                names.append((split, metric, source))
                file[f"{split}/{metric}/{source}/value"] = value
                file[f"{split}/{metric}/{source}/draws"] = draws.astype(np.float32)
            print(f"{model_dir}: {split} scored, {len(found)} blocks", flush=True)
        file.attrs["scores"] = json.dumps(names)
        if truth:
            file.attrs["delay_abs_error_s"] = _delay_error(opened, model_dir, truth[0])


def _voxels(study: Study, ceilings: h5py.File, min_ceiling: float) -> dict[int, NDArray[np.bool_]]:
    """Voxels of each subject that count: valid, and with a ceiling where one is known."""
    out = {}
    for number, name in enumerate(study.subjects):
        usable = study.voxel_valid[number]
        if f"ceiling/{name}" in ceilings:
            good = np.nan_to_num(ceilings[f"ceiling/{name}"][:]) >= min_ceiling
            usable = usable & good if (usable & good).any() else usable
        out[number] = usable
    return out


def _delay_error(study: Study, model_dir: str | Path, truth: str | Path) -> float:
    """Median over responding voxels of the error of the response's delay, seconds."""
    planted = load_truth(truth, study.file, tuple(study.subjects))
    responds = planted.any_response & study.voxel_valid.any(0)
    error = np.abs(voxel_delays(model_dir) - planted.delay_s)[responds]
    error = error[np.isfinite(error)]
    return float(np.median(error)) if len(error) else float("nan")


@torch.no_grad()
def _slow_parts(net: GibletNet, study: Study) -> SlowParts:
    """The slow part of what is predicted of the runs that hold TRs to score."""
    runs = {segment.run for split in SPLITS for segment in study.segments(split)}
    return {
        run: {name: SlowPart.of([net], study, run, keep=keep) for name, keep in KEPT.items()}
        for run in sorted(runs)
    }


@torch.no_grad()
def _blocks(
    net: GibletNet,
    study: Study,
    split: str,
    block_trs: int,
    sound: SoundLosses,
    slow: SlowParts,
) -> Iterator[Block]:
    """Every block of a split, nearly equal pieces of its segments."""
    valid = torch.from_numpy(study.voxel_valid)
    constant = Constant(study, net.frames_out, sound.codes.log_unigram)
    for number, segment in enumerate(study.segments(split)):
        n_pieces = max(1, round((segment.stop - segment.start) / block_trs))
        edges = np.linspace(segment.start, segment.stop, n_pieces + 1).astype(int)
        for start, stop in pairwise(edges):
            batch = study.batch(
                [Window(segment.run, int(start), int(stop))],
                length=int(stop - start),
                context=net.context_trs,
                follow=net.delag.n_follow,
                subjects=range(len(study.subjects)),
                split=split,
            )
            block = Block(number)
            bold = add_window(
                net, batch, voxel_valid=valid, sound=sound, brain=block.brain, paths=block.paths
            )
            add_constant(block.floor, constant, batch, voxel_valid=valid, sound=sound)
            _note_bold(block, net, batch, bold)
            _take_out(slow[segment.run], block, batch, study.subjects)
            yield block


def _note_bold(block: Block, net: GibletNet, batch: Batch, bold_STV: Tensor) -> None:
    target = batch.target[0]  # [T]
    scanned = [s for s in batch.subjects if batch.bold_valid[s, 0]]
    for subject in scanned:
        block.measured[subject] = batch.bold[subject, 0, : len(target)][target].numpy()
    block.predicted["all"] = {s: bold_STV[s][target].numpy() for s in scanned}
    for name in MODALITIES:
        z = net.features(batch.stimulus, KEPT[name])
        block.predicted[name] = {
            s: net.bold(net.drive(z, s), len(target))[0][target].numpy() for s in scanned
        }


def _take_out(
    slow: Mapping[str, SlowPart], block: Block, batch: Batch, subjects: Sequence[str]
) -> None:
    """Leave what is predicted of a block without its slow part."""
    (window,) = batch.windows
    for name, part in slow.items():
        for subject, predicted in block.predicted[name].items():
            predicted -= part.at(window, subjects[subject])[batch.target[0]]


def encoding(
    blocks: Sequence[Block],
    voxels: Mapping[int, NDArray[np.bool_]],
    n_bootstrap: int,
    seed: Sequence[int],
) -> Scores:
    """Encoding r of each of `SHOWN`, with its draws."""
    out: Scores = {}
    for shown in SHOWN:
        values, draws = [], []
        for subject, usable in voxels.items():
            mine = [block for block in blocks if len(block.measured.get(subject, ()))]
            if not mine:
                continue
            number = np.repeat(np.arange(len(mine)), [len(b.measured[subject]) for b in mine])
            segment = np.array([block.segment for block in mine])[number]
            lengths = np.unique(segment, return_counts=True)[1].tolist()
            y = np.concatenate([block.measured[subject][:, usable] for block in mine])
            x = np.concatenate([block.predicted[shown][subject][:, usable] for block in mine])
            x, y = centred(x, lengths), centred(y, lengths)
            rng = np.random.default_rng(list(seed))
            values.append(np.median(pearson(x, y)))
            draws.append(np.median(bootstrap_correlations(x, y, number, n_bootstrap, rng), axis=1))
        drawn = [found for found in draws if len(found)]
        mean = np.mean(drawn, axis=0) if drawn else np.zeros(0)
        out["encoding_r", shown] = (float(np.mean(values)), mean)
    return out


def reconstruction(
    blocks: Sequence[Block], sound: SoundLosses, n_bootstrap: int, seed: Sequence[int]
) -> Scores:
    """Losses as fractions of the constant predictor's, with their draws."""
    rng = np.random.default_rng(list(seed))
    chosen = rng.integers(len(blocks), size=(n_bootstrap, len(blocks)))
    n_draws = n_bootstrap if len(blocks) > 1 else 0
    # The first row is every block once: the value itself.
    counts = np.ones((1 + n_draws, len(blocks)))
    for draw in range(n_draws):
        counts[1 + draw] = np.bincount(chosen[draw], minlength=len(blocks))
    floor = _means([block.floor for block in blocks], counts)
    floor = {term: found for term, found in floor.items() if found[0] > NEGLIGIBLE}
    out: Scores = {}
    for source in ("brain", *PATHS):
        sums = [block.brain if source == "brain" else block.paths[source] for block in blocks]
        parts: Mapping[str, Any] = fractions(_means(sums, counts), floor, sound.weights)
        for name, found in parts.items():
            where = "model" if source == "brain" else source
            out[f"{name}_loss", where] = (float(found[0]), found[1:])
    return out


def _means(sums: Sequence[Sums], counts: Array) -> dict[str, Any]:
    """Mean error of each term in every draw; NaN in draws without any value."""
    terms = dict.fromkeys(term for one in sums for term in one.total)
    out = {}
    for term in terms:
        total = np.array([float(one.total.get(term, 0.0)) for one in sums])
        count = counts @ np.array([float(one.count.get(term, 0.0)) for one in sums])
        if count[0]:
            empty = np.full(len(count), np.nan)
            out[term] = np.divide(counts @ total, count, out=empty, where=count > 0)
    return out
