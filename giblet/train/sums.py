"""Errors gathered over batches, per term of the loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from giblet.train.group import Workers

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

    def over(self, count: dict[str, float]) -> Sums:
        """The same errors, of one process, as shares of the values that all have."""
        return Sums({term: self.total.get(term, 0.0) for term in count}, count)

    def extend(self, other: Sums) -> None:
        """Add another's sums, without their gradients."""
        for term, total in other.total.items():
            self.add(term, float(total), other.count[term])

    def means(self) -> dict[str, Tensor | float]:
        """Mean error of every term that had any value."""
        return {
            term: total / self.count[term] for term, total in self.total.items() if self.count[term]
        }


def summed(
    workers: Workers, sums: Sequence[Sums], terms: Sequence[str], also: Sequence[float] = ()
) -> tuple[list[Sums], list[float]]:
    """Sums over all processes, in one exchange.

    Parameters
    ----------
    terms
        Those that a process may have; it may lack some.
    also
        Numbers to add up on the way.

    Returns
    -------
    of each of `sums` one with the terms that any process has, and the totals of `also`
    """
    totals = _numbers([part.total.get(term, 0.0) for part in sums for term in terms])
    counts = [part.count.get(term, 0.0) for part in sums for term in terms]
    found = iter(workers.sum([*totals, *counts, *also]))
    all_totals = [[next(found) for _ in terms] for _ in sums]
    all_counts = [[next(found) for _ in terms] for _ in sums]
    everybody = []
    for part_totals, part_counts in zip(all_totals, all_counts, strict=True):
        there = [place for place, count in enumerate(part_counts) if count]
        everybody.append(
            Sums(
                {terms[place]: part_totals[place] for place in there},
                {terms[place]: part_counts[place] for place in there},
            )
        )
    return everybody, list(found)


def _numbers(values: Sequence[Tensor | float]) -> list[float]:
    """Plain numbers, fetched from a GPU all at once."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    fetched = iter(torch.stack([t.detach().double() for t in tensors]).tolist() if tensors else [])
    return [next(fetched) if isinstance(value, Tensor) else float(value) for value in values]
