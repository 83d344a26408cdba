"""Losses that are not numbers end training, with what they were computed on named."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from giblet.errors import TrainError
from giblet.train.data import Study
from giblet.train.windows import Window


def refuse_non_finite(
    value: Tensor, study: Study, *, step: int, windows: Sequence[Window], lr: float
) -> None:
    """Stop when the loss or the norm of its gradient is infinite or NaN.

    Raises
    ------
    TrainError
        With the step, the TRs of the batch, and the learning rate to lower.
    """
    if torch.isfinite(value):
        return
    named = ", ".join(f"{study.runs[w.run].name} TRs {w.start}-{w.stop}" for w in windows)
    raise TrainError(
        f"step {step}: the loss or its gradient is {value.item()} on the batch of {named} in "
        f"{study.path}: look at those TRs for values that are not finite, or lower "
        f"train/lr (now {lr}); the last checkpoint is kept"
    )


def refuse_non_finite_validation(loss: float, study: Study, *, step: int) -> None:
    """Stop when the loss on the validation TRs is infinite or NaN."""
    if not math.isfinite(loss):
        raise TrainError(
            f"step {step}: the validation loss is {loss}: look for values that are not finite "
            f"among the validation TRs of {study.path}, or lower train/lr"
        )
