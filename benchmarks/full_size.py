"""Memory and time of training the network at full size, with noise for a study.

    python benchmarks/full_size.py

Builds the network of ``config/model/full.yaml`` (85,000 voxels) and takes whole optimiser steps:
stimulus-driven and brain-driven paths, all losses, AdamW. On the CPU one step with one window
of 32 TRs, in float32; it exits with 1 if that took more than 24 GiB. Where there is a GPU, 200
steps with the configured batch in bfloat16 as well. Prints peak memory, seconds per window and TRs
a second (those whose losses count; context is not counted).
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from giblet.model.describe import CONFIGS, read_configs
from giblet.model.full_size import Sizes, network_arguments
from giblet.model.network import GibletNet
from giblet.model.stimulus import Stimulus
from giblet.train.codes import CodeTargets
from giblet.train.data import Batch
from giblet.train.draws import Draws
from giblet.train.losses import TERMS
from giblet.train.objective import Objective
from giblet.train.optim import make_optimizer
from giblet.train.sound import SOUND_TERMS, SoundLosses
from giblet.train.windows import Window

LIMIT_GIB = 24
GIB = 2**30
WARM_UP_STEPS = 5


def noise_batch(net: GibletNet, arguments: Mapping[str, Any], n: int, n_trs: int) -> Batch:
    """`n` windows of noise in the shapes that the loader gives."""
    a = arguments
    around, context = (n, net.context_trs + n_trs), (n, n_trs)
    frames = a["max_frames"]
    size = (a["frames"], a["height"], a["width"], 3)
    n_subjects, n_follow = a["n_drawn"], net.delag.n_follow
    return Batch(
        stimulus=Stimulus(
            video=torch.randint(0, 256, (*around, *size), dtype=torch.uint8),
            codes=torch.randint(0, a["codebook_size"], (*around, frames, a["n_codebooks"])),
            latents=torch.randn(*around, frames, a["latent_dim"]),
            log_mel=torch.randn(*around, frames, a["n_mels"]),
            audio_mask=torch.ones(*around, frames, dtype=torch.bool),
            text=torch.randn(*around, a["text_dim"]),
            text_valid=torch.ones(around, dtype=torch.bool),
            valid=torch.ones(around, dtype=torch.bool),
            video_embedding=torch.zeros(*around, 0),
        ),
        bold=torch.randn(n_subjects, n, n_trs + n_follow, a["n_voxels"]),
        bold_valid=torch.ones(n_subjects, n, dtype=torch.bool),
        target=torch.ones(context, dtype=torch.bool),
        subjects=list(range(n_subjects)),
        windows=[Window(0, 0, n_trs)] * n,
    )


def sound_losses(config: Mapping[str, Any], arguments: Mapping[str, Any]) -> SoundLosses:
    """The losses of sound as configured, the decoded spectrum through the codec included."""
    from giblet.features.codec import Codec
    from giblet.train.spectrum import spectrum_of

    dim, train, audio = arguments["latent_dim"], config["train"], config["features"]["audio"]
    weights = {term: float(train[f"{term}_weight"]) for term in SOUND_TERMS}
    counts = torch.ones(arguments["n_codebooks"], arguments["codebook_size"], dtype=torch.long)
    spectrum = None
    if weights["spectrum"]:
        mean, std = torch.zeros(dim).numpy(), torch.ones(dim).numpy()
        codec = Codec.load(audio["codec"], audio["sample_rate_hz"], audio["n_codebooks"])
        spectrum = spectrum_of(codec, mean, std, int(train["spectrum_trs"]))
    return SoundLosses(torch.eye(dim).numpy(), CodeTargets(counts.numpy()), spectrum, weights)


class Step:
    """One optimiser step after the other on the same noise."""

    def __init__(self, config: Mapping[str, Any], device: str, n_windows: int) -> None:
        train = config["train"]
        arguments = network_arguments(config, Sizes())
        n_drawn = int(train["subjects_per_step"]) or len(arguments["subjects"])
        self.device, self.n_windows, self.n_trs = device, n_windows, int(train["window_trs"])
        self.bf16 = device != "cpu" and bool(train["bf16"])
        self.clip_norm = float(train["clip_norm"])
        self.net = GibletNet(**arguments).to(device).train()
        self.sound = sound_losses(config, arguments).to(device)
        sized = {**arguments, "n_drawn": n_drawn}
        self.batch = noise_batch(self.net, sized, n_windows, self.n_trs).to(device)
        self.optimizer = make_optimizer(self.net, train)
        n_frames = arguments["max_frames"]
        step = max(1, n_frames // int(train["code_frames"]))
        self.draws = Draws(
            through=0,
            from_bold=[place % n_drawn for place in range(n_windows)],
            keep=torch.ones(n_windows, 3, dtype=torch.bool).to(device),
            code_frames=torch.arange(0, n_frames, step)[: int(train["code_frames"])],
            excerpts=torch.zeros(n_windows, dtype=torch.long),
        )
        self.objective = Objective(
            self.net,
            voxel_valid=torch.ones(n_drawn, arguments["n_voxels"], dtype=torch.bool).to(device),
            sound=self.sound,
            floor=dict.fromkeys(TERMS, 1.0),
            weights={n: float(train[f"{n}_weight"]) for n in ("brain", "video", "audio", "text")},
        )

    def __call__(self) -> float:
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.bf16):
            loss, _, _ = self.objective(self.batch, self.draws)
        self.optimizer.zero_grad(set_to_none=True)
        Tensor.backward(loss)
        nn.utils.clip_grad_norm_(self.net.parameters(), self.clip_norm)
        self.optimizer.step()
        return loss.item()


def on_cpu(config: Mapping[str, Any]) -> bool:
    """One step; whether it kept below the limit."""
    began = time.monotonic()
    step = Step(config, "cpu", 1)
    n = sum(part.numel() for part in step.net.parameters())
    print(f"{n:,} parameters, built in {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    loss = step()
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    print(
        f"CPU ({os.cpu_count()} cores, {torch.get_num_threads()} threads), float32: one step with "
        f"a window of {step.n_trs} TRs took {seconds:.0f} s ({step.n_trs / seconds:.2f} TRs/s), "
        f"peak memory {peak:.1f} GiB of {LIMIT_GIB} allowed, loss {loss:.2f}",
        flush=True,
    )
    return peak <= LIMIT_GIB


def on_gpu(config: Mapping[str, Any], n_steps: int) -> None:
    """Steps on the first GPU; says so when there is none."""
    if not torch.cuda.is_available():
        print("no GPU is visible: TRs a second, memory and utilisation there were not measured")
        return
    step = Step(config, "cuda", int(config["train"]["batch_windows"]))
    for _ in range(WARM_UP_STEPS):
        step()
    torch.cuda.reset_peak_memory_stats()
    with Utilisation() as used:
        began = time.monotonic()
        for _ in range(n_steps):
            step()
        torch.cuda.synchronize()
        seconds = time.monotonic() - began
    n_trs = n_steps * step.n_windows * step.n_trs
    peak = torch.cuda.max_memory_allocated() / GIB
    print(
        f"{torch.cuda.get_device_name()}, bfloat16: {n_steps} steps of {step.n_windows} windows of "
        f"{step.n_trs} TRs, {n_trs / seconds:.0f} TRs/s, {seconds / n_steps:.3f} s a step, "
        f"{seconds / n_steps / step.n_windows:.3f} s a window, peak memory {peak:.1f} GiB, "
        f"utilisation {used.mean()}"
    )


class Utilisation:
    """Share of the time that the GPU is busy, asked of nvidia-smi once a second."""

    def __init__(self) -> None:
        self.found: list[float] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Utilisation:
        if shutil.which("nvidia-smi"):
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()

    def _watch(self) -> None:
        ask = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self.over.wait(1):
            answer = subprocess.run(ask, capture_output=True, text=True, check=False).stdout
            self.found += [float(line) for line in answer.split("\n")[:1] if line.strip()]

    def mean(self) -> str:
        """In percent, or that it is not known."""
        return f"{sum(self.found) / len(self.found):.0f} %" if self.found else "not known"


def main() -> int:
    """Measure; 1 when the CPU's limit was exceeded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", nargs="+", default=CONFIGS, help="configurations, in order")
    parser.add_argument("--steps", type=int, default=200, help="on the GPU")
    given = parser.parse_args()
    config = read_configs(given.config)
    torch.manual_seed(0)
    kept = on_cpu(config)
    on_gpu(config, given.steps)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
