"""The batches of training: what a step is about, a process's share of it, read ahead."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from giblet.errors import TrainError
from giblet.train.data import Batch, Study
from giblet.train.draws import Draws, draw
from giblet.train.group import Workers
from giblet.train.windows import Window, drawn_subjects, drawn_windows

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """What one process computes of a training step.

    Attributes
    ----------
    batch, draws
        Of this process's windows.
    numbers
        Those windows' places in the whole batch.
    windows
        Of the whole batch.
    """

    batch: Batch
    draws: Draws
    numbers: range
    windows: list[Window]


def own_windows(workers: Workers, n_windows: int) -> range:
    """Places, in each batch, of the windows that a process computes.

    Raises
    ------
    TrainError
        If there are more processes than windows.
    """
    if workers.world_size > n_windows:
        raise TrainError(
            f"train/batch_windows is {n_windows}, but {workers.world_size} processes share a "
            f"batch and each needs a window: ask for at most {n_windows} processes, or raise it"
        )
    return workers.share(n_windows)


def drawn_share(
    study: Study,
    segments: Sequence[Window],
    settings: Mapping[str, Any],
    own: range,
    *,
    window_trs: int,
    context: int,
    follow: int,
    seed: int,
    step: int,
) -> Share:
    """One process's share of a training step, a function of `seed` and `step`.

    Only what it computes is read; what is drawn is the same on all processes.

    Parameters
    ----------
    own
        Places of its windows in the whole batch.
    """
    drawing = {"seed": seed, "step": step}
    windows = drawn_windows(segments, window_trs, int(settings["batch_windows"]), **drawing)
    subjects = drawn_subjects(len(study.subjects), int(settings["subjects_per_step"]), **drawing)
    draws = draw(
        windows,
        np.array([study.scanned(window, subjects) for window in windows]).T,
        n_frames=study.max_frames,
        code_frames=int(settings["code_frames"]),
        modality_dropout=float(settings["modality_dropout"]),
        has=study.has,
        **drawing,
    )
    batch = study.batch(
        windows[own.start : own.stop],
        length=window_trs,
        context=context,
        follow=follow,
        subjects=subjects,
        split="train",
    )
    return Share(batch, draws.of(own), own, windows)


class Ahead(Generic[T]):
    """Reads the next step's data in the background while this step is computed.

    The order is the steps'; what goes wrong in reading is raised by :meth:`take`.

    Parameters
    ----------
    read
        Makes the data of a step.
    last
        Step after which nothing is read.

    Attributes
    ----------
    waited_s
        Seconds that :meth:`take` waited.
    """

    def __init__(self, read: Callable[[int], T], last: int) -> None:
        self.read, self.last, self.waited_s = read, last, 0.0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="giblet-read")
        self._next: tuple[int, Future[T]] | None = None

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, step: int) -> T:
        """The data of a step; the next step's begin to be read."""
        began = time.monotonic()
        if self._next is None or self._next[0] != step:
            self._next = (step, self._pool.submit(self.read, step))
        found = self._next[1].result()
        self.waited_s += time.monotonic() - began
        following = step + 1
        self._next = (
            (following, self._pool.submit(self.read, following)) if following <= self.last else None
        )
        return found
