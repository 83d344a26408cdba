"""What is random in a training step, the same on every process that shares its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from giblet.train.windows import Window


@dataclass(frozen=True)
class Draws:
    """What is random in a training step, a function of the seed and the step.

    Attributes
    ----------
    through
        Place of the subject whose brain the stimulus passes through; None: the shared map.
    from_bold
        Place of the subject whose measured BOLD is decoded, per window.
    keep : bool [B, 3]
        Modalities shown.
    code_frames : int64 [n] or None
        Codec frames within a TR at which codes are scored; None: all.
    excerpts : int64 [B]
        TR at which the excerpt of each window begins whose sound is decoded.
    """

    through: int | None
    from_bold: list[int]
    keep: Tensor
    code_frames: Tensor | None
    excerpts: Tensor

    def of(self, windows: range) -> Draws:
        """Those of some of the windows."""
        part = slice(windows.start, windows.stop)
        return Draws(
            self.through,
            self.from_bold[part],
            self.keep[part],
            self.code_frames,
            self.excerpts[part],
        )


def draw(
    windows: Sequence[Window],
    scanned: NDArray[np.bool_],
    *,
    n_frames: int,
    code_frames: int,
    modality_dropout: float,
    seed: int,
    step: int,
    has: tuple[bool, ...] = (True, True, True),
) -> Draws:
    """Subjects whose brains are passed through, modalities shown, codec frames and TRs scored.

    Parameters
    ----------
    windows
        Of the whole batch, whichever of them this process computes.
    scanned : bool [S, B]
        Whether each subject of the step has a scan of each window's run.
    has
        Which of video, audio and text the study has; one of those is always shown.
    """
    rng = np.random.default_rng([seed, step, 3])
    chosen = [
        int(rng.choice(np.flatnonzero(column))) if column.any() else 0 for column in scanned.T
    ]
    through = int(rng.integers(-1, len(scanned)))
    keep = rng.random((len(windows), 3)) >= modality_dropout
    # At least one modality is left, whichever would have been dropped last.
    there = np.flatnonzero(has)
    keep[np.arange(len(keep)), there[rng.integers(0, len(there), len(keep))]] = True
    picked = None
    if code_frames and code_frames < n_frames:
        picked = torch.from_numpy(np.sort(rng.choice(n_frames, code_frames, replace=False)))
    excerpts = [int(rng.integers(0, window.stop - window.start)) for window in windows]
    return Draws(
        through=None if through < 0 else through,
        from_bold=chosen,
        keep=torch.from_numpy(keep),
        code_frames=picked,
        excerpts=torch.tensor(excerpts),
    )
