"""The batches of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from giblet.train.data import Batch, Study
from giblet.train.windows import Window, drawn_subjects, drawn_windows


def drawn_batch(
    study: Study,
    segments: Sequence[Window],
    settings: Mapping[str, Any],
    *,
    window_trs: int,
    context: int,
    follow: int,
    seed: int,
    step: int,
) -> Batch:
    """The batch of a training step, a function of `seed` and `step`."""
    draw = {"seed": seed, "step": step}
    return study.batch(
        drawn_windows(segments, window_trs, int(settings["batch_windows"]), **draw),
        length=window_trs,
        context=context,
        follow=follow,
        subjects=drawn_subjects(len(study.subjects), int(settings["subjects_per_step"]), **draw),
        split="train",
    )
