"""Predictions of trained networks for the test TRs, run by run.

Windows with their context are stitched so that the result is what one pass over the whole
run would give, at the memory of a window. Several networks, trained from several seeds, each
run on their own from stimulus or BOLD to the end; what they make is averaged. Predicted BOLD
loses, over the whole run, what cleaning took out of measured BOLD.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from giblet.errors import TrainError
from giblet.model.network import GibletNet
from giblet.model.stimulus import Decoded
from giblet.train.build import load_network
from giblet.train.data import Study, open_study
from giblet.train.windows import Window, tiles

WINDOW_TRS = 48
Predictions = dict[str, list[NDArray[Any]]]


def predict_study(
    study: str | Path,
    model_dirs: str | Path | Sequence[str | Path],
    *,
    split: str = "test",
    window_trs: int = WINDOW_TRS,
) -> Iterator[tuple[str, NDArray[Any]]]:
    """What a network, or the average of several, says about a split's TRs.

    Parameters
    ----------
    study
        The align stage's ``study.h5``.
    model_dirs
        Folder of ``model.safetensors`` and ``model.json``, or one for each network.
    window_trs
        TRs computed at a time; does not change the result.

    Yields
    ------
    name, array
        For each run with n such TRs, holding N codec frames, in this order of names:
        ``{run}/bold/model/{subject}`` float32 [n, V], without drift;
        ``{run}/{video|text|latents|codes}/{source}/{who}``: source ``model`` (stimulus through
        the network's brain) and ``from_predicted`` (predicted BOLD taken for measured), both
        with who ``shared``; ``from_bold`` (measured BOLD), who being each subject. video
        uint8 [n, Fo, H, W, 3]; text float32 [n, E]; latents float32 [N, D] in the codec's own
        units; codes int16 [Q, N]. Nothing of a modality that the study lacks.

    Raises
    ------
    TrainError
        If a network was trained on another set of voxels.
    """
    folders = [model_dirs] if isinstance(model_dirs, str | Path) else list(model_dirs)
    nets = [load_network(folder) for folder in folders]
    with open_study(study) as opened, torch.no_grad():
        for folder, net in zip(folders, nets, strict=True):
            if net.brain.shared.up.out_features != opened.n_voxels:
                raise TrainError(
                    f"{folder}: the network has {net.brain.shared.up.out_features} voxels, "
                    f"{opened.path} has {opened.n_voxels}: train it on this study"
                )
        for number, run in enumerate(opened.runs):
            segments = [part for part in opened.segments(split) if part.run == number]
            if not segments:
                continue
            slow = SlowPart.of(nets, opened, number, window_trs)
            found: Predictions = {}
            for window in tiles(segments, window_trs):
                for name, values in predict_window(nets, opened, window):
                    if name.startswith("bold/"):
                        values -= slow.at(window, name.rsplit("/", 1)[1])
                    found.setdefault(f"{run.name}/{name}", []).append(values)
            for name in list(found):
                axis = 1 if "/codes/" in name else 0
                yield name, np.concatenate(found.pop(name), axis=axis)


@dataclass(frozen=True)
class SlowPart:
    """The slow part of what networks predict of one run.

    Attributes
    ----------
    basis : float32 [T, k], orthonormal
    weights : subject -> [k, V]
    """

    basis: Tensor
    weights: dict[str, Tensor]

    @classmethod
    def of(
        cls,
        nets: Sequence[GibletNet],
        study: Study,
        number: int,
        window_trs: int = WINDOW_TRS,
        keep: Tensor | None = None,
    ) -> SlowPart:
        """Predict the whole run, a window at a time, and keep its share of the basis.

        Parameters
        ----------
        keep : bool [1, 3], optional
            Modalities that the networks may see, as :meth:`GibletNet.features` takes them.
        """
        run = study.runs[number]
        basis, _ = study.slow_part(number, np.ones(run.n_trs, bool))
        if not basis.shape[1]:
            return cls(basis, {})
        zero = torch.zeros(basis.shape[1], study.n_voxels)
        weights = {name: zero.clone() for name in run.subjects}
        for window in tiles([Window(number, 0, run.n_trs)], window_trs):
            here = basis[window.start : window.stop]
            for net in nets:
                for name, bold in predicted_bold(net, study, window, keep).items():
                    weights[name].addmm_(here.T, bold, alpha=1 / len(nets))
        return cls(basis, weights)

    def at(self, window: Window, subject: str) -> NDArray[np.float32]:
        """The slow part of a window's TRs, [T, V]."""
        if not self.weights:
            return np.zeros((window.stop - window.start, 1), np.float32)
        part: NDArray[np.float32] = (
            self.basis[window.start : window.stop] @ self.weights[subject]
        ).numpy()
        return part


def predicted_bold(
    net: GibletNet, study: Study, window: Window, keep: Tensor | None = None
) -> dict[str, Tensor]:
    """BOLD [T, V] of each scanned subject in one window, from the stimulus."""
    n_trs = window.stop - window.start
    batch = study.batch(
        [window], length=n_trs, context=net.context_trs, follow=0, subjects=[], split=None
    )
    z = net.features(batch.stimulus, keep)  # [1, C + T, P]
    names = study.runs[window.run].subjects
    return {name: net.bold(net.drive(z, name), n_trs)[0] for name in names}


@dataclass(frozen=True)
class WindowDrives:
    """What enters the brain layer in one window, and what leaves it as BOLD.

    Attributes
    ----------
    bold : predicted BOLD [T, V] of each subject
    drives : layer 5 [1, T + margins, V] of each source and ``shared`` or subject
    n_frames : int64 [1, T + margins], codec frames of each TR
    inside : the window's TRs among those with margins
    """

    bold: dict[str, Tensor]
    drives: dict[str, Tensor]
    n_frames: Tensor
    inside: slice

    def mask(self, max_frames: int) -> Tensor:
        """Which places of the window's TRs hold a codec frame, film or not, bool [T, N]."""
        return torch.arange(max_frames) < self.n_frames[0, self.inside, None]


def window_drives(net: GibletNet, study: Study, window: Window) -> WindowDrives:
    """Run the network from the stimulus, and from BOLD, as far as layer 5 of a window."""
    run = study.runs[window.run]
    margin = net.context_out.around[0]
    low, high = max(0, window.start - margin), min(run.n_trs, window.stop + margin)
    follow = net.delag.n_follow
    scanned = [study.subjects.index(name) for name in run.subjects]
    batch = study.batch(
        [Window(window.run, low, high)],
        length=high - low + follow,
        context=net.context_trs,
        follow=0,
        subjects=scanned,
        split=None,
    )
    n_trs, inside = high - low, slice(window.start - low, window.stop - low)
    z = net.features(batch.stimulus)  # [1, C + T + follow, P]
    shared = net.drive(z)
    # By name: one that training did not see has no number in the network, and the shared map.
    bold = {name: net.bold(net.drive(z, name), n_trs + follow)[0, inside] for name in run.subjects}
    drives = {"model/shared": shared[:, net.context_trs :][:, :n_trs]}
    predicted = net.bold(shared, n_trs + follow)
    # Nothing was measured after the run's end, and nothing may be fed back from there.
    predicted[:, run.n_trs - low :] = 0
    drives["from_predicted/shared"] = net.from_bold(predicted, None, n_trs)
    for row, name in enumerate(run.subjects):
        drives[f"from_bold/{name}"] = net.from_bold(batch.bold[row], name, n_trs)
    index = torch.from_numpy(run.audio_index[low:high])  # [T, 2]
    return WindowDrives(bold, drives, index.diff(dim=1).T, inside)


def predict_window(
    nets: Sequence[GibletNet], study: Study, window: Window
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Predictions for one window, names as in :func:`predict_study` without the run."""
    all_found = [window_drives(net, study, window) for net in nets]
    first = all_found[0]
    for subject in first.bold:
        bold = torch.stack([found.bold[subject] for found in all_found]).mean(0)
        yield f"bold/model/{subject}", bold.numpy()
    mask = first.mask(study.max_frames)
    for source in first.drives:
        made = average(
            net.decode(found.drives[source], None, found.n_frames)
            for net, found in zip(nets, all_found, strict=True)
        )
        yield from _decoded(study, made, mask, first.inside, source)


def average(made: Iterable[Decoded]) -> Decoded:
    """Mean of what networks make; of code logits, the log of the mean probabilities."""
    every = iter(made)
    total = next(every)
    for n, other in enumerate(every, start=2):
        share = 1 / n
        logits = torch.logaddexp(
            total.code_logits.log_softmax(-1) + math.log1p(-share),
            other.code_logits.log_softmax(-1) + math.log(share),
        )
        total = Decoded(
            video=torch.lerp(total.video, other.video, share),
            latents=torch.lerp(total.latents, other.latents, share),
            code_logits=logits,
            text=torch.lerp(total.text, other.text, share),
        )
    return total


def _decoded(
    study: Study, made: Decoded, mask_TN: Tensor, inside: slice, source: str
) -> Iterator[tuple[str, NDArray[Any]]]:
    if "video" in study.modalities:
        video = made.video[0, inside].clamp(0, 1).mul(255).round().to(torch.uint8)
        yield f"video/{source}", video.movedim(2, -1).contiguous().numpy()  # [T, Fo, H, W, 3]
    if "text" in study.modalities:
        yield f"text/{source}", made.text[0, inside].numpy()
    if "audio" in study.modalities:
        latents = made.latents[0, inside][mask_TN].numpy()  # [frames, D]
        yield f"latents/{source}", latents * study.latent_std + study.latent_mean
        codes = made.code_logits[0, inside][mask_TN].argmax(-1)  # [frames, Q]
        yield f"codes/{source}", codes.T.contiguous().to(torch.int16).numpy()
