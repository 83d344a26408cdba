"""Networks small enough for tests, and stimuli of their sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from giblet.model.network import GibletNet
from giblet.model.stimulus import Stimulus
from giblet.train.fit import train_network

SMALL: dict[str, Any] = {
    "subjects": ["sub-01", "sub-02"],
    "tr_s": "1.5",
    "n_voxels": 40,
    "grid_shape": [4, 4, 4],
    "frames": 2,
    "height": 12,
    "width": 16,
    "frames_out": 1,
    "n_codebooks": 2,
    "codebook_size": 16,
    "latent_dim": 8,
    "n_mels": 10,
    "max_frames": 57,
    "text_dim": 12,
    "bottleneck": 32,
    "video_width": 64,
    "audio_width": 48,
    "text_width": 16,
    "video_channels": 4,
    "video_stride": 2,
    "video_grid": [3, 4],
    "audio_channels": 8,
    "audio_basis": 6,
    "context_hidden": 16,
    "brain_rank": 16,
    "subject_rank": 4,
    "volume_channels": [8],
    "hrf_groups": 1,
    "follow_trs": 6,
    "dropout": 0.0,
}


def small_network(seed: int = 0, **changes: Any) -> GibletNet:
    """A network of a few thousand weights, all parts of it doing something."""
    torch.manual_seed(seed)
    net = GibletNet(**{**SMALL, **changes})
    with torch.no_grad():
        # What starts at zero would hide a mistake in what feeds it.
        for parameter in net.parameters():
            if not parameter.any() and parameter.ndim:
                parameter.normal_(0, 0.1)
    return net.eval()


def random_stimulus(n_windows: int = 1, n_trs: int = 20, seed: int = 0) -> Stimulus:
    """Noise of the small network's sizes."""
    g = torch.Generator().manual_seed(seed)
    around = (n_windows, n_trs)
    s = SMALL
    mask = torch.ones(*around, s["max_frames"], dtype=torch.bool)
    mask[:, 1:, -1] = False
    return Stimulus(
        video=torch.randint(
            0, 256, (*around, s["frames"], s["height"], s["width"], 3), generator=g,
            dtype=torch.uint8,
        ),
        codes=torch.randint(
            0, s["codebook_size"], (*around, s["max_frames"], s["n_codebooks"]), generator=g
        ),
        latents=torch.randn(*around, s["max_frames"], s["latent_dim"], generator=g),
        log_mel=torch.randn(*around, s["max_frames"], s["n_mels"], generator=g),
        audio_mask=mask,
        text=torch.randn(*around, s["text_dim"], generator=g),
        text_valid=torch.ones(around, dtype=torch.bool),
        valid=torch.ones(around, dtype=torch.bool),
        video_embedding=torch.zeros(*around, 0),
    )  # fmt: skip


TRAINING: dict[str, Any] = {
    "start": "ridge",
    "steps": 6,
    "window_trs": 16,
    "batch_windows": 2,
    "subjects_per_step": 0,
    "unseen_subjects": [],
    "lr": 0.001,
    "start_lr_scale": 0.1,
    "delay_lr_scale": 20,
    "warmup_steps": 2,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
    "modality_dropout": 0.1,
    "brain_weight": 1.0,
    "video_weight": 0.5,
    "audio_weight": 0.5,
    "text_weight": 0.5,
    "latents_weight": 1.0,
    "latents_whitening": "each",
    "codes_weight": 1.0,
    "code_decay": 1.0,
    "code_temperature": 0.0,
    "spectrum_weight": 0.0,
    "spectrum_trs": 2,
    "code_frames": 8,
    "eval_every": 3,
    "patience": 0,
    "sharding": "none",
    "checkpoint_every": 2,
    "ema_decay": 0.0,
    "bf16": False,
    "deterministic": False,
    "tensorboard": False,
    "device": "cpu",
}
NETWORK: dict[str, Any] = {
    "name": "small",
    "bottleneck": 32,
    "video_width": 224,
    "audio_width": 104,
    "text_width": 16,
    "video_channels": 4,
    "video_stride": 2,
    "video_grid": [3, 4],
    "audio_channels": 8,
    "audio_basis": 6,
    "within_tr": "multiscale",
    "across_trs": "conv",
    "context_hidden": 16,
    "context_kernel_trs": 3,
    "brain_rank": 24,
    "subject_rank": 4,
    "volume_channels": [8],
    "parcel_width": 48,
    "frames_out": 1,
    "hrf": "glover",
    "hrf_delays": "voxel",
    "hrf_group_voxels": 2,
    "hrf_duration_s": 24,
    "follow_s": 9,
    "dropout": 0.1,
}


def train(study: str | Path, folder: str | Path, *, seed: int = 1, **changes: Any) -> dict:
    """Train a small network into `folder`; returns its metrics."""
    folder = Path(folder)
    return train_network(
        study,
        folder / "model.safetensors",
        folder / "last.safetensors",
        folder / "model.json",
        folder / "history.csv",
        folder / "metrics.json",
        folder.parent / "checkpoints",
        seed=seed,
        **{**TRAINING, **NETWORK, **changes},
    )
