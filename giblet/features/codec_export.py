"""Writing a codec in the layout that ``from_pretrained`` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from giblet.store import replacing


def save_codec(model: Any, folder: str | Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` (half precision, to stay small).

    The running averages behind the codebooks serve training only and are written as zeros.
    """
    import torch
    from safetensors.torch import save_file

    folder = Path(folder)
    weights = {}
    for name, value in model.state_dict().items():
        kept = torch.zeros_like(value) if name.endswith("embed_avg") else value
        weights[name] = kept.detach().to(torch.float16).contiguous().clone()
    config = model.config.to_dict()
    config |= {"dtype": "float32", "architectures": ["EncodecModel"]}
    # The folder it was trained on from is nobody else's business.
    config.pop("_name_or_path", None)
    with replacing(folder / "model.safetensors") as partial:
        save_file(weights, partial, metadata={"format": "pt"})
    with replacing(folder / "config.json") as partial:
        partial.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
