"""Watching a training: a bar on the terminal, curves in TensorBoard."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from giblet.errors import TrainError

CURVES = ("loss", "brain", "video", "audio", "text", "lr", "trs_per_s")


class Watch:
    """Shows how far a training is; does nothing where nobody looks.

    The bar goes to the terminal that the process was started from, also when standard output
    and error are redirected into a log, where plain lines say the same.

    Parameters
    ----------
    n_steps, done
        Steps in all, and those done before.
    events
        Folder for TensorBoard's event files; None writes none.

    Raises
    ------
    TrainError
        If event files are wanted and the package ``tensorboard`` is not installed.
    """

    def __init__(self, n_steps: int, done: int, events: Path | None) -> None:
        self.bar: Any = None
        self.writer = None if events is None else _writer(events, done)
        if sys.__stderr__ is not None and sys.__stderr__.isatty():
            self.bar = _bar()
            self.task = self.bar.add_task("train", total=n_steps, completed=done, trs_per_s=0.0)

    def __enter__(self) -> Watch:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()
        if self.writer is not None:
            self.writer.close()

    def step(self, step: int, trs_per_s: float) -> None:
        """Show that a step is done."""
        if self.bar is not None:
            self.bar.update(self.task, completed=step, trs_per_s=trs_per_s)

    def row(self, row: Mapping[str, Any]) -> None:
        """Draw one row of the history, a curve for each column."""
        if self.writer is not None:
            for name in CURVES:
                if row[name] != "":
                    self.writer.add_scalar(f"{name}/{row['split']}", row[name], row["step"])
            self.writer.flush()


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[trs_per_s]:.0f} TRs/s"),
        TimeRemainingColumn(),
        console=Console(file=sys.__stderr__),
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _writer(events: Path, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainError(
            f"train/tensorboard is true, but the package tensorboard cannot be loaded ({error}): "
            "pip install 'giblet[tensorboard]', or set train/tensorboard to false"
        ) from error
    # What a killed run wrote after its last checkpoint is written again.
    return SummaryWriter(str(events), purge_step=done + 1 if done else None)
