"""Dropout whose mask belongs to the window, not to the process or the batch it is computed in.

Each window of a step has a mask of its own, a function of the seed, the step, the window's
number in the whole batch, the layer and the path. However a batch is shared out among
processes, every window loses the same units; what a process draws does not grow with their
number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class WindowDropout(nn.Module):
    """Zeroes a share of units while training and scales up the others.

    Without drawn masks (:meth:`draw` not called) it is the usual dropout.

    Parameters
    ----------
    share
        Probability that a unit is dropped.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.key: tuple[int, ...] | None = None
        self.windows: list[int] = []

    def draw(self, key: Sequence[int], windows: Sequence[int]) -> None:
        """Make the masks of a step a function of `key` and of the windows' numbers."""
        self.key, self.windows = tuple(key), list(windows)

    def forward(self, x: Tensor) -> Tensor:
        """[B, ...], or several paths of the same B windows one after the other, [k B, ...]."""
        if not self.training or not self.share:
            return x
        if self.key is None:
            return F.dropout(x, self.share)
        mask = torch.empty_like(x, memory_format=torch.contiguous_format, requires_grad=False)
        generator = torch.Generator(x.device)
        for row, part in enumerate(mask):
            path, place = divmod(row, len(self.windows))
            draw = np.random.SeedSequence([*self.key, self.windows[place], path])
            generator.manual_seed(int(draw.generate_state(1, np.uint64)[0] >> np.uint64(1)))
            part.bernoulli_(1 - self.share, generator=generator)
        return x * mask.div_(1 - self.share)

    def extra_repr(self) -> str:
        return f"share={self.share}"


def draw_dropout(net: nn.Module, seed: int, step: int, windows: Sequence[int]) -> None:
    """Make the dropout of a network a function of seed, step and the windows it is shown.

    Parameters
    ----------
    windows
        Numbers, in the whole batch, of the windows that this process computes.
    """
    layers = (part for part in net.modules() if isinstance(part, WindowDropout))
    for number, layer in enumerate(layers):
        layer.draw((seed, step, number), windows)
