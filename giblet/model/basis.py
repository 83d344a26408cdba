"""A temporal basis over the codec frames of a TR.

A TR holds a whole number of codec frames that may be one less than the longest TR's (56 of
57), so there are two sets of functions, each orthonormal over its own frames. Suffixes:
``giblet.model.stimulus``; J functions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from giblet.errors import ModelError


def cosines(n_frames: int, n_functions: int) -> Tensor:
    """Orthonormal cosines (DCT-II) over `n_frames` frames, [N, J]; the first is constant.

    ``c_j(n) = sqrt(2 / N) cos(pi j (n + 1/2) / N)``, ``c_0 = sqrt(1 / N)``. Ahmed, Natarajan &
    Rao (1974), IEEE Trans. Computers C-23:90.
    """
    place = torch.arange(n_frames, dtype=torch.float64)[:, None] + 0.5  # [N, 1]
    order = torch.arange(n_functions, dtype=torch.float64)  # [J]
    basis = (math.pi / n_frames * place * order).cos() * math.sqrt(2 / n_frames)  # [N, J]
    basis[:, 0] = math.sqrt(1 / n_frames)
    return basis.float()


def tr_bases(max_frames: int, n_functions: int) -> Tensor:
    """The bases of a TR with one frame less than the longest, and of the longest: [2, N, J].

    Raises
    ------
    ModelError
        If there are more functions than frames to tell them apart.
    """
    fewest = max(1, max_frames - 1)
    if n_functions > fewest:
        raise ModelError(
            f"model/audio_basis is {n_functions}, but a TR may have no more than {fewest} codec "
            "frames: lower it"
        )
    bases = torch.zeros(2, max_frames, n_functions)
    for row, n_frames in enumerate((fewest, max_frames)):
        bases[row, :n_frames] = cosines(n_frames, n_functions)
    return bases
