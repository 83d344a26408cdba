"""Contiguous pieces of train, validation and test on the part of a run that has film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from giblet.errors import AlignError

CODES = {"train": 0, "val": 1, "test": 2, "gap": -1}
NAMES = {code: name for name, code in CODES.items()}


class TooShort(AlignError):
    """A run has no room for its pieces and the gaps between them."""


def lay_out(
    run: str,
    valid: NDArray[np.bool_],
    pieces: Sequence[str],
    fractions: Mapping[str, float],
    gap_trs: int,
) -> NDArray[np.int8]:
    """Lay contiguous pieces on the part of a run that has film, gaps between them.

    Validation and test pieces get their fraction of that part; what they and the gaps leave
    is shared by the other pieces.

    Raises
    ------
    AlignError
        If the run is too short for the pieces and gaps.
    """
    shown = np.flatnonzero(valid)
    codes = np.full(len(valid), CODES["gap"], np.int8)
    if not len(shown):
        raise AlignError(
            f"{run}: the film shows nothing in any of its {len(valid)} TRs: correct "
            "movie_onset_s or n_trs in the runs table"
        )
    first, usable = int(shown[0]), int(shown[-1] - shown[0] + 1)
    filler = "train" if "train" in pieces else pieces[0]
    sizes = [0 if p == filler else max(1, round(fractions[p] * usable)) for p in pieces]
    n_gaps = len(pieces) - 1
    left = usable - sum(sizes) - n_gaps * gap_trs
    n_filler = sum(piece == filler for piece in pieces)
    if left < n_filler:
        raise TooShort(
            f"{run} has {usable} TRs with film; {n_gaps} gaps of {gap_trs} TRs and "
            f"{sum(sizes)} TRs to validate and test on leave {left} to train on: lower "
            "align/gap_s, align/test_fraction, align/val_fraction or align/n_blocks"
        )
    edges = np.linspace(0, left, n_filler + 1).round().astype(int)
    shares = iter(np.diff(edges))
    start = first
    for piece, size in zip(pieces, sizes, strict=True):
        size = int(next(shares)) if piece == filler else size
        codes[start : start + size] = CODES[piece]
        start += size + gap_trs
    codes[~valid] = CODES["gap"]
    return codes
