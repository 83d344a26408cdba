"""How the weights are moved: device, learning rates, optimiser."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from giblet.model.network import GibletNet

# Parts that start at nothing or at random; the others start where the linear solution put them.
# Layer 4 starts at nothing too, but feeds layer 5: at the full rate it spoils what ridge has set.
FRESH = ("video_out", "audio_out", "context_out", "refine", "hrf.taps")
# In seconds, or amounts of something per second.
IN_SECONDS = ("hrf.delay_s", "hrf.shape")
UNDECAYED = ("gain", "own_gain", "delag.filter")
LR_FLOOR = 0.05  # share of the learning rate that is left at the last step


@contextmanager
def determinism(wanted: bool) -> Iterator[None]:
    """Let torch use only algorithms that give the same result twice, also on a GPU."""
    before = torch.are_deterministic_algorithms_enabled()
    if wanted:
        # cuBLAS asks for it; it counts from its first use in the process.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


class MovingAverage(nn.Module):
    """Exponential moving average of the weights, ``a = decay a + (1 - decay) w``.

    It starts at the weights of the first update. A decay of 0 keeps none.
    """

    def __init__(self, net: GibletNet, decay: float) -> None:
        super().__init__()
        self.averaged = None
        if decay:
            self.averaged = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(decay))

    def update(self, net: GibletNet) -> None:
        """Take the present weights into the average."""
        if self.averaged is not None:
            self.averaged.update_parameters(net)

    def of(self, net: GibletNet) -> GibletNet:
        """The network to evaluate and to keep: the average, or without one `net` itself."""
        if self.averaged is None:
            return net
        assert isinstance(self.averaged.module, GibletNet)
        return self.averaged.module


def learning_rate(step: int, settings: Mapping[str, Any]) -> float:
    """Warm-up to ``lr``, then half a cosine down to a twentieth of it."""
    warmup, n_steps = int(settings["warmup_steps"]), int(settings["steps"])
    if step <= warmup:
        return float(settings["lr"]) * step / max(warmup, 1)
    part = (step - warmup) / max(n_steps - warmup, 1)
    share = LR_FLOOR + (1 - LR_FLOOR) * 0.5 * (1 + math.cos(math.pi * min(part, 1.0)))
    return float(settings["lr"]) * share


def make_optimizer(
    net: GibletNet, settings: Mapping[str, Any], *, sharded: bool = False
) -> torch.optim.Optimizer:
    """AdamW: weight decay on matrices only, rates of their own for what ridge has set.

    What starts at the regularised linear optimum would be thrown off it by full steps within
    a few batches; the delays are in seconds and need larger ones.

    Parameters
    ----------
    sharded
        Let each of several processes keep the moments of a part of the weights alone (ZeRO
        stage 1: Rajbhandari et al. 2020).
    """
    set_by_ridge = settings["start"] == "ridge"
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = 1.0
        if name in IN_SECONDS:
            scale = float(settings["delay_lr_scale"])
        elif set_by_ridge and not any(part in name for part in FRESH):
            scale = float(settings["start_lr_scale"])
        free = parameter.ndim <= 1 or name in UNDECAYED
        decay = 0.0 if free else float(settings["weight_decay"])
        groups.setdefault((scale, decay), []).append(parameter)
    wanted = [
        {"params": params, "weight_decay": decay, "scale": scale}
        for (scale, decay), params in groups.items()
    ]
    how: dict[str, Any] = {"lr": float(settings["lr"]), "betas": (0.9, 0.98)}
    if not sharded:
        return torch.optim.AdamW(wanted, **how)
    from torch.distributed.optim import ZeroRedundancyOptimizer

    return ZeroRedundancyOptimizer(wanted, optimizer_class=torch.optim.AdamW, **how)


def gather_moments(optimizer: torch.optim.Optimizer) -> None:
    """Bring a sharded optimiser's parts to the first process; all have to call it."""
    gather = getattr(optimizer, "consolidate_state_dict", None)
    if gather is not None:
        gather(to=0)
