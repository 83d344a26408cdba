"""A codec small enough for tests, of the sizes of the small studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.caches import edited


def small_codec(folder: str | Path, **changes: Any) -> Path:
    """Save a random EnCodec: 12 kHz, hop 320, 2 codebooks of 16 codes, 8 latent dimensions."""
    import torch
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "sampling_rate": 12000, "upsampling_ratios": [8, 5, 4, 2], "num_filters": 4,
        "hidden_size": 8, "codebook_dim": 8, "codebook_size": 16, "num_lstm_layers": 1,
        "target_bandwidths": [2 * 38 * 4 / 1000],
    }  # fmt: skip
    model = EncodecModel(EncodecConfig(**{**settings, **changes})).eval()
    with torch.no_grad():
        for layer in model.quantizer.layers:
            layer.codebook.embed.normal_()
        # The library's weights shrink the signal: ask for sound that can be heard.
        sound = model.decoder(torch.randn(1, model.config.hidden_size, 40))
        last = model.decoder.layers[-1].conv
        last.parametrizations.weight.original0 *= 0.1 / sound.std()
    model.save_pretrained(folder)
    return Path(folder)


def with_codec(study: str | Path, codec: str | Path) -> None:
    """Let a study file name another codec."""
    with edited(study) as file:
        file.attrs["codec"] = str(codec)
