"""Predictions of a trained network for the test TRs, run by run.

Windows with their context are stitched so that the result is what one pass over the whole
run would give, at the memory of a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from giblet.errors import TrainError
from giblet.model.network import Decoded, GibletNet
from giblet.train.build import load_network
from giblet.train.data import Batch, Study, Window, open_study, tiles

WINDOW_TRS = 48
Predictions = dict[str, list[NDArray[Any]]]


def predict_study(
    study: str | Path, model_dir: str | Path, *, split: str = "test", window_trs: int = WINDOW_TRS
) -> Iterator[tuple[str, NDArray[Any]]]:
    """What the network says about a split's TRs.

    Parameters
    ----------
    study
        The align stage's ``study.h5``.
    model_dir
        Folder of ``model.safetensors`` and ``model.json``.
    window_trs
        TRs computed at a time; does not change the result.

    Yields
    ------
    name, array
        For each run with n such TRs, holding N codec frames, in this order of names:
        ``{run}/bold/model/{subject}`` float32 [n, V];
        ``{run}/{video|text|latents|codes}/{source}/{who}``: source ``model`` (stimulus through
        the network's brain) and ``from_predicted`` (predicted BOLD taken for measured), both
        with who ``shared``; ``from_bold`` (measured BOLD), who being each subject. video
        uint8 [n, Fo, H, W, 3]; text float32 [n, E]; latents float32 [N, D] in the codec's own
        units; codes int16 [Q, N].

    Raises
    ------
    TrainError
        If the network was trained on another set of voxels.
    """
    net = load_network(model_dir)
    with open_study(study) as opened, torch.no_grad():
        if net.brain.shared.up.out_features != opened.n_voxels:
            raise TrainError(
                f"{model_dir}: the network has {net.brain.shared.up.out_features} voxels, "
                f"{opened.path} has {opened.n_voxels}: train it on this study"
            )
        for number, run in enumerate(opened.runs):
            segments = [part for part in opened.segments(split) if part.run == number]
            found: Predictions = {}
            for window in tiles(segments, window_trs):
                for name, values in predict_window(net, opened, window):
                    found.setdefault(f"{run.name}/{name}", []).append(values)
            for name in list(found):
                axis = 1 if "/codes/" in name else 0
                yield name, np.concatenate(found.pop(name), axis=axis)


def predict_window(
    net: GibletNet, study: Study, window: Window
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Predictions for one window, names as in :func:`predict_study` without the run."""
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
    for number in scanned:
        bold = net.bold(net.drive(z, number), n_trs + follow)[0]
        yield f"bold/model/{study.subjects[number]}", bold[inside].numpy()
    drives = {"model/shared": shared[:, net.context_trs :][:, :n_trs]}
    predicted = net.bold(shared, n_trs + follow)
    # Nothing was measured after the run's end, and nothing may be fed back from there.
    predicted[:, run.n_trs - low :] = 0
    drives["from_predicted/shared"] = net.from_bold(predicted, None, n_trs)
    for row, number in enumerate(scanned):
        drives[f"from_bold/{study.subjects[number]}"] = net.from_bold(
            batch.bold[row], number, n_trs
        )
    for source, drive in drives.items():
        yield from _decoded(study, net.decode(drive), batch, inside, source)


def _decoded(
    study: Study, made: Decoded, batch: Batch, inside: slice, source: str
) -> Iterator[tuple[str, NDArray[Any]]]:
    video = made.video[0, inside].clamp(0, 1).mul(255).round().to(torch.uint8)
    yield f"video/{source}", video.movedim(2, -1).contiguous().numpy()  # [T, Fo, H, W, 3]
    yield f"text/{source}", made.text[0, inside].numpy()
    mask = _codec_frames(study, batch, inside)  # [T, N]
    latents = made.latents[0, inside][mask].numpy()  # [frames, D]
    yield f"latents/{source}", latents * study.latent_std + study.latent_mean
    codes = made.code_logits[0, inside][mask].argmax(-1)  # [frames, Q]
    yield f"codes/{source}", codes.T.contiguous().to(torch.int16).numpy()


def _codec_frames(study: Study, batch: Batch, inside: slice) -> Tensor:
    """Which places of each TR hold a codec frame, film or not, bool [T, N]."""
    window = batch.windows[0]
    index = study.runs[window.run].audio_index[window.start : window.stop][inside]
    count = torch.from_numpy(index[:, 1] - index[:, 0])
    return torch.arange(study.max_frames) < count[:, None]
