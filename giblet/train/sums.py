"""Errors gathered over batches, per term of the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def in_full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Compute a loss in float32 also where autocast computes the network in bfloat16.

    Three significant digits are enough for an activation, not for a sum over a batch.
    """

    @wraps(function)
    def computed(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
            return function(*args, **kwargs)

    return computed


@dataclass
class Sums:
    """Summed errors and how many values they are of, per term."""

    total: dict[str, Tensor | float] = field(default_factory=dict)
    count: dict[str, float] = field(default_factory=dict)

    def add(self, term: str, total: Tensor | float, count: float) -> None:
        """Add errors of one term."""
        self.total[term] = self.total.get(term, 0.0) + total
        self.count[term] = self.count.get(term, 0.0) + count

    def extend(self, other: Sums) -> None:
        """Add another's sums, without their gradients."""
        for term, total in other.total.items():
            self.add(term, float(total), other.count[term])

    def means(self) -> dict[str, Tensor | float]:
        """Mean error of every term that had any value."""
        return {
            term: total / self.count[term] for term, total in self.total.items() if self.count[term]
        }
