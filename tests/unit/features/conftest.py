"""Small random codecs of the structures that giblet meets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    torch.set_num_threads(1)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def random_encodec(**settings: Any) -> Any:
    """EncodecModel like facebook/encodec_24khz but narrow, with codes where latents are."""
    import torch
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(0)
    config = EncodecConfig(**{"num_filters": 4, "hidden_size": 8} | settings)
    config.target_bandwidths = [32 * config.frame_rate * 10 / 1000]
    model = EncodecModel(config).eval()
    with torch.no_grad():
        if config.audio_channels == 1 and config.norm_type == "weight_norm":
            # The library's weights shrink the signal; latents of about unit size are wanted.
            samples = torch.from_numpy(noise(20 * config.hop_length))[None, None]
            last = model.encoder.layers[-1].conv
            last.parametrizations.weight.original0 /= model.encoder(samples).std()
        for layer in model.quantizer.layers:
            layer.codebook.embed.normal_()
    return model


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal(n_samples)).astype(np.float32)


@pytest.fixture(scope="session")
def meta_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a codec of the structure of facebook/encodec_24khz: causal, two LSTM layers."""
    folder = tmp_path_factory.mktemp("codec") / "encodec-24khz-like"
    random_encodec().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_codec_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def make(**settings: Any) -> Path:
        folder = tmp_path_factory.mktemp("codec") / "made"
        random_encodec(**settings).save_pretrained(folder)
        return folder

    return make
