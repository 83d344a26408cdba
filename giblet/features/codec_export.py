"""Writing a codec in the layout that ``from_pretrained`` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from giblet.errors import CodecError
from giblet.store import replacing


def save_codec(model: Any, folder: str | Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (half precision, to stay small).

    The running averages behind the codebooks serve training only and are written as zeros. Of
    the directions of normalised weights only the direction counts: they are written with unit
    length, since half precision would make nothing of very short ones, and NaN of nothing.

    Raises
    ------
    CodecError
        If a weight is not finite in half precision; nothing is written.
    """
    import torch
    from safetensors.torch import save_file

    folder = Path(folder)
    weights = {}
    for name, value in model.state_dict().items():
        kept = torch.zeros_like(value) if name.endswith("embed_avg") else value.detach()
        if name.endswith("weight.original1"):
            kept = torch.nn.functional.normalize(kept.flatten(1)).reshape(kept.shape)
        weights[name] = kept.to("cpu", torch.float16).contiguous().clone()
        if not bool(weights[name].isfinite().all()):
            raise CodecError(
                f"{folder}: {name} has values that half precision does not hold (largest "
                f"{float(value.abs().max()):g}): lower features/train_codec/learning_rate"
            )
    config = model.config.to_dict()
    config |= {"dtype": "float32", "architectures": ["EncodecModel"]}
    # The folder it was trained on from is nobody else's business.
    config.pop("_name_or_path", None)
    with replacing(folder / "model.safetensors") as partial:
        save_file(weights, partial, metadata={"format": "pt"})
    with replacing(folder / "config.json") as partial:
        partial.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
