"""Windows of consecutive TRs, and what is drawn for a training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """TRs ``[start, stop)`` of a run, by its number."""

    run: int
    start: int
    stop: int


def tiles(segments: Sequence[Window], length: int) -> list[Window]:
    """Windows of at most `length` TRs that cover segments once, in order."""
    return [
        Window(part.run, start, min(start + length, part.stop))
        for part in segments
        for start in range(part.start, part.stop, length)
    ]


def drawn_windows(
    segments: Sequence[Window], length: int, n: int, *, seed: int, step: int
) -> list[Window]:
    """The windows of a training step: a function of `seed` and `step` alone.

    Every TR is about equally likely: a centre is drawn over all segments, and the window
    around it is moved into its segment. Segments shorter than `length` are taken whole.
    """
    rng = np.random.default_rng([seed, step, 1])
    lengths = np.asarray([part.stop - part.start for part in segments])
    edges = np.cumsum(lengths)
    # One draw from each of n equal parts, so that a batch spreads over the study.
    draws = (np.arange(n) + rng.random(n)) / n * edges[-1]
    out = []
    for draw in rng.permutation(draws):
        number = min(int(np.searchsorted(edges, draw, side="right")), len(segments) - 1)
        part = segments[number]
        centre = part.start + int(draw - (edges[number] - lengths[number]))
        start = min(max(centre - length // 2, part.start), max(part.start, part.stop - length))
        out.append(Window(part.run, start, min(start + length, part.stop)))
    return out


def drawn_subjects(n_subjects: int, n: int, *, seed: int, step: int) -> list[int]:
    """Subjects of a training step, `n` of them (0: all), a function of `seed` and `step`."""
    if n == 0 or n >= n_subjects:
        return list(range(n_subjects))
    rng = np.random.default_rng([seed, step, 2])
    return sorted(int(number) for number in rng.choice(n_subjects, n, replace=False))
