"""What a picture shows, by CLIP: embeddings of decoded and shown frames, to identify moments by.

Pixels forgive nothing; CLIP's image embeddings of a scene stay alike when its colours or its
framing change (Radford et al. 2021, ICML 139:8748). Optional, because its weights have to be
fetched: ``validate/video/clip`` is ``none`` or ``hf:ID``, a hub id or a folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ConfigError
from giblet.features import pretrained
from giblet.validate.floors import train_moments
from giblet.validate.picture_scores import frames_shown

SETTING = "validate/video/clip"
PICTURES_AT_ONCE = 64
# Training TRs whose mean embedding is taken off.
TRAIN_TRS = 200
Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def load_clip(clip: str, revision: str | None) -> Embed | None:
    """A function from TRs (n, F, H, W, 3) to the mean embeddings of their frames (n, P).

    Returns
    -------
    None when `clip` is ``none``

    Raises
    ------
    ConfigError
        If `clip` is neither none nor ``hf:ID``, or names a model of another kind.
    PretrainedModelError
        If its weights are not on this machine and cannot be fetched.
    """
    if clip == "none":
        return None
    kind, _, name = clip.partition(":")
    if kind != "hf" or not name:
        raise ConfigError(
            f"{SETTING} is {clip!r}: use none, or hf:ID of a CLIP model (for example "
            "hf:openai/clip-vit-base-patch32)"
        )
    return _embedder(name, revision)


def _embedder(name: str, revision: str | None) -> Embed:
    import torch
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    network = pretrained.load_network(
        name,
        revision=revision,
        purpose="identifying what pictures show",
        setting=SETTING,
    )
    if not hasattr(network, "get_image_features"):
        raise ConfigError(
            f"{SETTING} is 'hf:{name}', a {type(network).__name__}, which has no image "
            "embeddings: name a CLIP model (for example hf:openai/clip-vit-base-patch32), or none"
        )
    size = int(network.config.vision_config.image_size)
    mean, std = (torch.tensor(v)[:, None, None] for v in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))

    def embed(trs: NDArray[np.uint8]) -> NDArray[np.float32]:
        flat = trs.reshape(-1, *trs.shape[2:])
        out = []
        with torch.no_grad():
            for start in range(0, len(flat), PICTURES_AT_ONCE):
                pixels = _prepared(flat[start : start + PICTURES_AT_ONCE], size)
                found = network.get_image_features(pixel_values=(pixels - mean) / std)
                # Newer releases of transformers wrap what was an array.
                out.append(getattr(found, "pooler_output", found).numpy())
        each: NDArray[np.float32] = np.concatenate(out).astype(np.float32)
        return each.reshape(*trs.shape[:2], -1).mean(1)

    return embed


def _prepared(pictures: NDArray[np.uint8], size: int):  # type: ignore[no-untyped-def]
    """As CLIP was trained: the shorter side `size` long, the middle square, values 0 to 1."""
    import torch

    images = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255
    height, width = images.shape[2:]
    scale = size / min(height, width)
    shape = (max(size, round(height * scale)), max(size, round(width * scale)))
    images = torch.nn.functional.interpolate(images, shape, mode="bicubic", antialias=True)
    top, left = (shape[0] - size) // 2, (shape[1] - size) // 2
    return images[:, :, top : top + size, left : left + size].clamp(0, 1)


class Embedded:
    """Embeddings without the mean of training TRs.

    Attributes
    ----------
    centre : array of shape (P,), that mean
    true : array of shape (n, P), of the frames shown
    """

    def __init__(self, embed: Embed, study: h5py.File, shown: NDArray[np.uint8]) -> None:
        self.embed = embed
        self.centre = train_mean(embed, study, shown.shape[1])
        self.true = embed(shown) - self.centre

    def of(self, source: str, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of decoded frames (n, F, H, W, 3); nothing at all of a constant picture."""
        if source == "floor_mean":
            return np.zeros_like(self.true)
        return np.asarray(self.embed(frames) - self.centre)


def train_mean(embed: Embed, study: h5py.File, per_tr: int) -> NDArray[np.float32]:
    """Mean embedding of training TRs, of many some spread evenly; shape (P,)."""
    train = train_moments(study, json.loads(study.attrs["runs"]))
    some = np.unique(np.linspace(0, len(train.tr) - 1, TRAIN_TRS).round().astype(int))
    frames = type(train)(train.run[some], train.tr[some]).rows(study, "runs/{run}/video")
    shown = np.asarray(frames, np.uint8)[:, frames_shown(frames.shape[1], per_tr)]
    return embed(shown).mean(0)
