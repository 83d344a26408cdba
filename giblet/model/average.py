"""Averages over blocks of about equal size, with a gradient that is the same every time.

What ``torch.nn.functional.adaptive_avg_pool`` computes; on a GPU its gradient adds up in whatever
order threads come, and ``train/deterministic`` refuses it.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def average(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Means of blocks of the last axes.

    Parameters
    ----------
    x
        [..., n_1, n_2, ...]
    sizes
        Blocks along each of the last axes; block k of K goes from floor(k n / K) to
        ceil((k + 1) n / K), so neighbours share an element where K does not divide n.

    Returns
    -------
    [..., *sizes]
    """
    with torch.autocast(x.device.type, enabled=False):
        for axis, size in enumerate(sizes, x.ndim - len(sizes)):
            weights = _weights(x.shape[axis], size).to(x)  # [n, K]
            x = (x.movedim(axis, -1) @ weights).movedim(-1, axis)
    return x


@lru_cache(maxsize=32)
def _weights(n: int, n_blocks: int) -> Tensor:
    weights = torch.zeros(n, n_blocks)
    for block in range(n_blocks):
        start, stop = block * n // n_blocks, -(-(block + 1) * n // n_blocks)
        weights[start:stop, block] = 1 / (stop - start)
    return weights
