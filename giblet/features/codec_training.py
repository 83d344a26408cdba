"""Training an EnCodec of one's own: small, for one sample rate, on a CPU if need be.

The steps that made it learn: convolutions scaled on one batch before the first step (the
library's initial weights shrink the signal layer by layer), early strides, a start without
quantiser, codebooks from k-means. See docs/features.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from giblet.features import codec_material
from giblet.features.codec_losses import ReconstructionLoss
from giblet.features.codec_quantiser import perplexity, quantise, start_from_kmeans

# Frames that k-means sees, per code of a codebook.
KMEANS_FRAMES_PER_CODE = 12
COMMITMENT_WEIGHT = 0.1
# Keeps the latents from shrinking towards zero, where commitment is cheap.
SCALE_WEIGHT = 0.1
WARM_UP_STEPS = 100
FINAL_LEARNING_RATE = 0.03


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
    float_steps: int
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


def scale_to_unit_variance(model: Any, samples: Tensor) -> None:
    """Scale each convolution so that on `samples` (B, 1, T) its outputs have unit variance.

    The last one gets the variance of the samples. After Salimans & Kingma 2016, section 3.
    """
    last = [m for m in model.decoder.modules() if isinstance(m, nn.Conv1d)][-1]

    def rescale(module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        target = float(samples.std()) if module is last else 1.0
        mean = output.mean((0, 2))
        gain = target / output.std((0, 2)).clamp(min=1e-5)
        parametrized: Any = module
        weights = parametrized.parametrizations.weight
        transposed = isinstance(module, nn.ConvTranspose1d)
        if transposed:
            # Weight norm of a transposed convolution is per input channel: one gain for all.
            gain = torch.full_like(gain, float(target / output.std().clamp(min=1e-5)))
            weights.original0.mul_(gain[0])
        else:
            weights.original0.mul_(gain[:, None, None])
        old_bias = module.bias.clone()  # type: ignore[operator, union-attr]
        module.bias.copy_((old_bias - mean) * gain)  # type: ignore[operator, union-attr]
        return (output - mean[None, :, None]) * gain[None, :, None]

    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv1d | nn.ConvTranspose1d)]
    hooks = [m.register_forward_hook(rescale) for m in convolutions]
    try:
        with torch.no_grad():
            model.decoder(model.encoder(samples))
    finally:
        for hook in hooks:
            hook.remove()


def parameter_groups(model: Any) -> list[dict[str, Any]]:
    """Parameters with the `scale` of their learning rate.

    Adam's steps are as large as the learning rate whatever the parameter's size. The gains
    of the weight norms differ in size by thousands (the last one sets the level of the
    sound), so theirs are scaled to it: otherwise the level swings from step to step.
    """
    groups = []
    last_bias = [n for n, _ in model.decoder.named_parameters() if n.endswith("conv.bias")][-1]
    for name, parameter in model.named_parameters():
        scale = 1.0
        if name.endswith("weight.original0"):
            scale = min(1.0, float(parameter.detach().abs().mean()))
        elif name == f"decoder.{last_bias}":
            scale = 0.01
        groups.append({"params": [parameter], "scale": scale})
    return groups


class Trainer:
    """One training run; `step` advances it by one batch.

    A model that is not `fresh` has been trained before and is trained on as it is.
    """

    def __init__(
        self,
        model: Any,
        pool: codec_material.Pool,
        schedule: Schedule,
        seed: int,
        fresh: bool = True,
    ) -> None:
        self.model = model.train()
        self.pool = pool
        self.fresh = fresh
        self.schedule = schedule
        self.rate_hz = model.config.sampling_rate
        self.length = model.config.hop_length * round(
            schedule.crop_s * self.rate_hz / model.config.hop_length
        )
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.loss = ReconstructionLoss(self.rate_hz)
        if fresh:
            scale_to_unit_variance(model, self._batch(4 * schedule.batch))
        self.optimiser = torch.optim.AdamW(
            parameter_groups(model), schedule.learning_rate, betas=(0.8, 0.99), weight_decay=0.0
        )
        self.n_done = 0

    def _batch(self, size: int) -> Tensor:
        examples = codec_material.batch(self.pool, self.rng, size, self.length, self.rate_hz)
        return torch.from_numpy(examples)[:, None]

    def step(self, progress: float) -> dict[str, float]:
        """One optimiser step; figures of it by name."""
        if self.fresh and self.n_done == self.schedule.float_steps:
            self._start_codebooks()
        for group in self.optimiser.param_groups:
            group["lr"] = group["scale"] * self.schedule.rate(self.n_done, progress)
        samples = self._batch(self.schedule.batch)
        latents = self.model.encoder(samples)
        figures = {"latent_sd": float(latents.detach().std())}
        total = SCALE_WEIGHT * (latents.std() - 1).square()
        if self.n_done >= self.schedule.float_steps:
            quantised = quantise(self.model.quantizer, latents, self._kept(), self.generator)
            total = total + COMMITMENT_WEIGHT * quantised.commitment
            figures["commitment"] = float(quantised.commitment.detach())
            figures["in_use"] = float(perplexity(quantised.codes, self._k).mean())
            latents = quantised.latents
        distance = self.loss(self.model.decoder(latents)[:, 0], samples[:, 0])
        figures["loss"] = float(distance.detach())
        self.optimiser.zero_grad(set_to_none=True)
        (total + distance).backward()
        figures["grad"] = float(nn.utils.clip_grad_norm_(self.model.parameters(), 3.0))
        self.optimiser.step()
        self.n_done += 1
        return figures

    @property
    def _k(self) -> int:
        return int(self.model.config.codebook_size)

    def _kept(self) -> Tensor:
        """Codebooks kept for each example: all for half of them, any number for the rest."""
        levels = len(self.model.quantizer.layers)
        size = (self.schedule.batch,)
        some = torch.randint(1, levels + 1, size, generator=self.generator)
        every = torch.rand(size, generator=self.generator) < 0.5
        return torch.where(every, torch.full_like(some, levels), some)

    @torch.no_grad()
    def _start_codebooks(self) -> None:
        wanted = KMEANS_FRAMES_PER_CODE * self._k
        vectors: list[Tensor] = []
        while sum(map(len, vectors)) < wanted:
            latents = self.model.encoder(self._batch(self.schedule.batch))
            vectors.append(latents.transpose(1, 2).reshape(-1, latents.shape[1]))
        start_from_kmeans(self.model.quantizer, torch.cat(vectors), self.generator)
