"""Losses that are not numbers end training, with what they were computed on named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from giblet.errors import TrainError
from giblet.train.batches import Share
from giblet.train.data import Study


def refuse_non_finite(
    value: Tensor | float, study: Study, share: Share, settings: Mapping[str, Any], step: int
) -> None:
    """Stop when the whole batch's loss, or the norm of its gradient, is infinite or NaN.

    Raises
    ------
    TrainError
        With the step, the TRs and subjects of the batch, and the learning rate to lower.
    """
    if math.isfinite(value := float(value)):
        return
    named = ", ".join(f"{study.runs[w.run].name} TRs {w.start}-{w.stop}" for w in share.windows)
    subjects = ", ".join(study.subjects[number] for number in share.batch.subjects)
    raise TrainError(
        f"step {step}: the loss or its gradient is {value} on the batch of {named} "
        f"({subjects}) in {study.path}: look at those TRs for values that are not finite, or lower "
        f"train/lr (now {settings['lr']}); the last checkpoint is kept"
    )


def refuse_non_finite_validation(loss: float, study: Study, *, step: int) -> None:
    """Stop when the loss on the validation TRs is infinite or NaN."""
    if not math.isfinite(loss):
        raise TrainError(
            f"step {step}: the validation loss is {loss}: look for values that are not finite "
            f"among the validation TRs of {study.path}, or lower train/lr"
        )
