"""Training an EnCodec of one's own: small, for one sample rate, on a GPU or a CPU.

A new codec starts as a lapped transform with codebooks from k-means, which already codes
(:mod:`giblet.features.codec_lapped`); what is trained is the network in a form that trains well
(:mod:`giblet.features.codec_inner`). On a CPU examples are shared out to threads, whose gradients
are averaged: small convolutions use two cores better that way than one convolution at a time.
On a GPU the threads make examples instead, each in a process of its own.
"""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from giblet.errors import CodecError
from giblet.features import codec_material
from giblet.features.codec_inner import Inner
from giblet.features.codec_lapped import start_from_lapped_transform
from giblet.features.codec_losses import ReconstructionLoss
from giblet.features.codec_quantiser import follow, perplexity, quantise, start_from_kmeans

# Frames that k-means sees, per code of a codebook.
KMEANS_FRAMES_PER_CODE = 24
COMMITMENT_WEIGHT = 0.1
# Keeps the latents from shrinking towards zero, where commitment is cheap.
SCALE_WEIGHT = 0.1
# Share of the examples that keep all codebooks.
WHOLE_SHARE = 0.7
WARM_UP_STEPS = 200
FINAL_LEARNING_RATE = 0.03
# Examples of 2 s that a new codec's transform and the layers' means are found on.
N_FIRST = 128
FIRST_S = 2.0
# Numbers of batches that no step takes: of those examples, and of k-means' first.
FIRST_NUMBER = 2**40
KMEANS_NUMBER = 2**41


@dataclass(frozen=True)
class Schedule:
    """How long to train and how fast.

    `max_minutes` of 0 leaves the length to `steps`; otherwise whichever ends first, with
    the learning rate falling to its end by then (such a run cannot be repeated exactly).
    """

    steps: int
    batch: int
    crop_s: float
    learning_rate: float
    max_minutes: float = 0.0

    def progress(self, step: int, elapsed_s: float) -> float:
        """Share of the training that is done, 0 to 1."""
        done = step / self.steps
        if self.max_minutes:
            done = max(done, elapsed_s / 60 / self.max_minutes)
        return min(1.0, done)

    def rate(self, step: int, progress: float) -> float:
        """Learning rate: a short warm-up, then half a cosine."""
        low = FINAL_LEARNING_RATE
        factor = low + (1 - low) * (1 + math.cos(math.pi * progress)) / 2
        return self.learning_rate * min(1.0, (step + 1) / WARM_UP_STEPS) * factor


def new_model(
    sample_rate_hz: int, n_codebooks: int, codebook_size: int, num_filters: int, hidden_size: int
) -> Any:
    """EncodecModel with random weights: hop 320, strides 8, 5, 4, 2, one LSTM layer.

    The library derives the number of codebooks from the largest bandwidth at a frame rate
    that it rounds up (38 for 37.5), so the bandwidths given to it are in its own units.
    """
    from transformers import EncodecConfig, EncodecModel

    hop = 320
    bits = math.ceil(math.log2(codebook_size))
    kbps_each = math.ceil(sample_rate_hz / hop) * bits / 1000
    levels = sorted({1, 2, 4, n_codebooks} & set(range(1, n_codebooks + 1)))
    config = EncodecConfig(
        target_bandwidths=[round(level * kbps_each, 6) for level in levels],
        sampling_rate=sample_rate_hz,
        num_filters=num_filters,
        hidden_size=hidden_size,
        codebook_size=codebook_size,
        # The decoder's order: the encoder strides by 8 first, which buys width for its time.
        upsampling_ratios=[2, 4, 5, 8],
        num_lstm_layers=1,
        use_causal_conv=False,
        use_conv_shortcut=False,
        norm_type="weight_norm",
    )
    return EncodecModel(config)


def pick_device(name: str) -> torch.device:
    """Device of a training: ``cpu``, ``cuda``, or ``auto``, a GPU where there is one.

    Raises
    ------
    CodecError
        If a GPU is asked for and none is visible.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise CodecError(
            f"features/train_codec/device is {name!r}, but torch {torch.__version__} sees no GPU: "
            "set it to auto or cpu, or run where there is one"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@dataclass(frozen=True)
class Examples(Dataset[Tensor]):
    """Batches of examples (B, 1, n) by their number, the same whoever makes them."""

    material: codec_material.Material
    seed: int
    size: int
    length: int
    rate_hz: int

    def __getitem__(self, number: int) -> Tensor:
        rng = np.random.default_rng((self.seed, number))
        made = codec_material.batch(self.material, rng, self.size, self.length, self.rate_hz)
        return torch.from_numpy(made)[:, None]


class Trainer:
    """One training run; `step` advances it by one batch.

    Parameters
    ----------
    model
        An ``EncodecModel``; `fresh` ones are given a start, others are trained on as they are.
    n_threads
        Parts that a batch is cut into on a CPU; processes that make examples for a GPU.
    device
        See :func:`pick_device`.
    """

    def __init__(
        self,
        model: Any,
        material: codec_material.Material,
        schedule: Schedule,
        seed: int,
        *,
        fresh: bool = True,
        n_threads: int = 1,
        device: str = "cpu",
    ) -> None:
        self.material, self.schedule, self.seed = material, schedule, seed
        self.device = pick_device(device)
        self.rate_hz = model.config.sampling_rate
        self.hop = model.config.hop_length
        self.generator = torch.Generator().manual_seed(seed)
        self.loss = ReconstructionLoss(self.rate_hz).to(self.device)
        first = self._examples(N_FIRST, FIRST_S)[FIRST_NUMBER]
        if fresh:
            start_from_lapped_transform(model, first[:, 0].numpy())
        self.inner = Inner(model.train(), first[: N_FIRST // 2])
        self.inner.to(self.device)
        examples = self._examples(schedule.batch, schedule.crop_s)
        if fresh:
            self._start_codebooks(examples)
        self.optimiser = torch.optim.AdamW(
            self.inner.parameter_groups(),
            schedule.learning_rate,
            betas=(0.8, 0.99),
            weight_decay=0.0,
        )
        on_gpu = self.device.type == "cuda"
        self.batches = iter(
            DataLoader(
                examples,
                batch_size=None,
                sampler=itertools.count(),
                num_workers=n_threads if on_gpu else 1,
                pin_memory=on_gpu,
            )
        )
        self.n_parts = 1 if on_gpu else min(n_threads, schedule.batch)
        self.threads = ThreadPoolExecutor(self.n_parts)
        self.n_done = 0

    def _examples(self, size: int, seconds: float) -> Examples:
        """Batches of examples of about some length, a multiple of the hop."""
        length = self.hop * max(1, round(seconds * self.rate_hz / self.hop))
        return Examples(self.material, self.seed, size, length, self.rate_hz)

    def step(self, progress: float) -> dict[str, float]:
        """One optimiser step; figures of it by name."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["scale"] * self.schedule.rate(self.n_done, progress)
        samples = next(self.batches).to(self.device, non_blocking=True)
        kept = self._kept().to(self.device)
        parts = zip(samples.chunk(self.n_parts), kept.chunk(self.n_parts), strict=True)
        found = list(self.threads.map(lambda part: self._part(*part), parts))
        parameters = self.inner.parameters()
        for number, parameter in enumerate(parameters):
            shares = [part.share * part.gradients[number] for part in found]
            parameter.grad = sum(shares[1:], start=shares[0])
        self.inner.hold()
        norm = nn.utils.clip_grad_norm_(parameters, 3.0)
        self.optimiser.step()
        residuals, codes = (
            torch.cat([getattr(part, name) for part in found], dim=1)
            for name in ("residuals", "codes")
        )
        follow(self.inner.quantizer, residuals, codes, self.generator)
        self.n_done += 1
        figures = {
            name: sum(part.share * part.figures[name] for part in found)
            for name in found[0].figures
        }
        in_use = float(perplexity(codes, self._k).mean())
        return figures | {"in_use": in_use, "grad": float(norm)}

    def _part(self, samples: Tensor, kept: Tensor) -> _Part:
        """Gradients of some of the examples (b, 1, n)."""
        latents = self.inner.encode(samples)
        quantised = quantise(self.inner.quantizer, latents, kept)
        made = self.inner.decode(quantised.latents)
        terms = self.loss.terms(made[:, 0], samples[:, 0])
        distance = self.loss.weigh(terms)
        total = distance + COMMITMENT_WEIGHT * quantised.commitment
        total = total + SCALE_WEIGHT * (latents.std() - 1).square()
        gradients = torch.autograd.grad(total, self.inner.parameters())
        figures = {"loss": distance, **terms, "commitment": quantised.commitment}
        return _Part(
            len(samples) / self.schedule.batch,
            gradients,
            {name: float(value.detach()) for name, value in figures.items()},
            quantised.residuals,
            quantised.codes,
        )

    @property
    def _k(self) -> int:
        return int(self.inner.model.config.codebook_size)

    def _kept(self) -> Tensor:
        """Codebooks kept for each example: all for most of them, any number for the rest."""
        levels = len(self.inner.quantizer.layers)
        size = (self.schedule.batch,)
        some = torch.randint(1, levels + 1, size, generator=self.generator)
        every = torch.rand(size, generator=self.generator) < WHOLE_SHARE
        return torch.where(every, torch.full_like(some, levels), some)

    @torch.no_grad()
    def _start_codebooks(self, examples: Examples) -> None:
        wanted = KMEANS_FRAMES_PER_CODE * self._k
        vectors: list[Tensor] = []
        while sum(map(len, vectors)) < wanted:
            batch = examples[KMEANS_NUMBER + len(vectors)].to(self.device)
            latents = self.inner.encode(batch)
            vectors.append(latents.transpose(1, 2).reshape(-1, latents.shape[1]))
        start_from_kmeans(self.inner.quantizer, torch.cat(vectors), self.generator)


@dataclass(frozen=True)
class _Part:
    """What one thread found: its share of the batch, gradients, figures, codes."""

    share: float
    gradients: tuple[Tensor, ...]
    figures: dict[str, float]
    residuals: Tensor
    codes: Tensor
