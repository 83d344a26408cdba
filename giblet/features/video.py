"""Optional description of the picture by a pretrained vision network.

`backbone` is ``none``, ``torchvision:NAME`` (an extra, see pyproject.toml) or ``hf:ID``, a
vision model of the transformers library by hub id or folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ConfigError, MissingExtraError
from giblet.features import pretrained
from giblet.store import dataset, reading, writing
from giblet.timing import Exact

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def extract_video(
    frames: str | Path,
    out: str | Path,
    *,
    run: str,
    tr_s: Exact,
    backbone: str,
    revision: str | None = None,
    batch_trs: int = 16,
) -> None:
    """Write ``video.h5`` of a run: ``embedding`` float32 (T, P), the mean over a TR's frames.

    Frames that the film does not show do not count; a TR without any is 0.

    Parameters
    ----------
    frames
        ``frames.h5`` of the stimulus stage.
    backbone, revision
        See the module's docstring; the commit or tag of a hub id.
    batch_trs
        TRs read and embedded at a time.

    Raises
    ------
    ConfigError
        If `backbone` is none or of an unknown kind.
    MissingExtraError, PretrainedModelError
        If its library or its weights are not on this machine.
    """
    embed = load_backbone(backbone, revision)
    with reading(frames, stage="stimulus", tr_s=tr_s) as source:
        pictures = dataset(source, "frames", dtype=np.uint8, shape=(None, None, None, None, 3))
        valid = dataset(source, "valid", dtype=bool, shape=pictures.shape[:2])
        parts = [
            _tr_means(embed, pictures[start : start + batch_trs], valid[start : start + batch_trs])
            for start in range(0, len(pictures), batch_trs)
        ]
    with writing(out, stage="features", run=run, tr_s=tr_s, units="activation") as file:
        file.attrs["backbone"] = backbone
        file["embedding"] = np.concatenate(parts)


def _tr_means(
    embed: Embed, pictures: NDArray[np.uint8], valid: NDArray[np.bool_]
) -> NDArray[np.float32]:
    n_trs, per_tr = valid.shape
    flat = embed(pictures.reshape(n_trs * per_tr, *pictures.shape[2:]))  # (T * F, P)
    each = flat.reshape(n_trs, per_tr, -1) * valid[:, :, None]
    found: NDArray[np.float32] = each.sum(1) / np.maximum(valid.sum(1), 1)[:, None]
    return found.astype(np.float32)


def load_backbone(backbone: str, revision: str | None = None) -> Embed:
    """A function from pictures (n, H, W, 3) uint8 to embeddings (n, P) float32."""
    kind, _, name = backbone.partition(":")
    if kind == "torchvision" and name:
        return _torchvision(name)
    if kind == "hf" and name:
        return _transformers(name, revision)
    raise ConfigError(
        f"features/video/backbone is {backbone!r}: use none, torchvision:NAME (for example "
        "torchvision:resnet18) or hf:ID (for example hf:facebook/dinov2-small)"
    )


def _torchvision(name: str) -> Embed:
    import torch

    try:
        import torchvision
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtraError(
            f"features/video/backbone is 'torchvision:{name}', but torchvision cannot be "
            f"imported ({error}): pip install 'giblet[video]', in a build that matches torch "
            f"{torch.__version__}, or set features/video/backbone to none"
        ) from error
    try:
        weights = torchvision.models.get_model_weights(name).DEFAULT
    except ValueError as error:
        raise ConfigError(
            f"features/video/backbone is 'torchvision:{name}': torchvision "
            f"{torchvision.__version__} has no model of that name"
        ) from error
    network = pretrained.load(
        lambda chosen, **_: torchvision.models.get_model(chosen, weights=weights),
        name,
        revision=None,
        purpose="describing the picture",
        setting="features/video/backbone",
        instead="none",
    ).eval()
    # The features that the classifier sees.
    head = (
        "fc" if hasattr(network, "fc") else "classifier" if hasattr(network, "classifier") else ""
    )
    if head:
        setattr(network, head, torch.nn.Identity())
    prepare = weights.transforms()

    def embed(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            images = torch.from_numpy(pictures).permute(0, 3, 1, 2)
            found: NDArray[np.float32] = network(prepare(images)).flatten(1).numpy()
        return found

    return embed


def _transformers(name: str, revision: str | None) -> Embed:
    import torch

    network = pretrained.load_network(
        name,
        revision=revision,
        purpose="describing the picture",
        setting="features/video/backbone",
    )
    vision = getattr(network, "vision_model", network)
    size = vision.config.image_size
    height, width = (size, size) if isinstance(size, int) else size

    def embed(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
            resized = torch.nn.functional.interpolate(
                images, (height, width), mode="bilinear", antialias=True
            )
            # ImageNet's mean and deviation, which nearly all vision models were trained with.
            mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
            deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
            hidden = vision(pixel_values=(resized - mean) / deviation).last_hidden_state
            # (n, tokens, P) for transformers, (n, P, h, w) for convolutional networks.
            found: NDArray[np.float32]
            found = (hidden.mean((2, 3)) if hidden.ndim == 4 else hidden.mean(1)).numpy()
        return found

    return embed
