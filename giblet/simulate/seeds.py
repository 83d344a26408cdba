"""Random generators by name, so that each part of a simulation has numbers of its own."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """Generator that depends on the study's seed and on what it is for.

    The same seed and names give the same numbers whatever else is simulated, so that a
    third subject or a longer film leaves the others as they were.
    """
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])
