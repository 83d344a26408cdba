"""Being asked to stop: by Ctrl-C, and by the signals of a cluster that wants its machines back."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

# Ctrl-C sends SIGINT; Slurm sends SIGTERM at pre-emption and at the time limit, SIGUSR1 where
# --signal asks for it.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
# Interrupts that come within so many seconds are one Ctrl-C.
SAME_S = 1.0


def heeded() -> list[signal.Signals]:
    """Those of `SIGNALS` that ask for a stop here.

    A shell without job control has what it starts with ``&`` ignore Ctrl-C, and means it. Slurm's
    signals mean this process even where those above it ignore them to survive.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return [sign for sign in SIGNALS if not (ignored and sign == signal.SIGINT)]


class Interrupts:
    """Tells a second Ctrl-C, after which all should end at once, from copies of the first.

    A terminal sends it to every process of a training, and each passes it on to those it started.
    """

    def __init__(self) -> None:
        self.first_s: float | None = None
        self.again = False

    def add(self, number: int) -> bool:
        """Note a signal that came; whether it is a second Ctrl-C."""
        if number == signal.SIGINT:
            now = time.monotonic()
            self.first_s = now if self.first_s is None else self.first_s
            self.again = self.again or now - self.first_s > SAME_S
        return number == signal.SIGINT and self.again


class Asked:
    """Remembers, while its block runs, that one of `SIGNALS` has come.

    They come again and again: to every process of a Slurm step, and from whoever started it.
    After the block the process is about to leave, and those that still come are ignored. Only a
    second Ctrl-C ends the process at once. Outside the main thread nothing is caught.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[signal.Signals, Any] = {}
        self._interrupts = Interrupts()

    def __enter__(self) -> Asked:
        if threading.current_thread() is threading.main_thread():
            self._before = {sign: signal.signal(sign, self._remember) for sign in heeded()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.number:
            for sign, handler in self._before.items():
                signal.signal(sign, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        if self._interrupts.add(number):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)

    def flags(self) -> list[float]:
        """What processes add up to agree: whether asked, and by which signal."""
        return [float(self.number > 0), float(self.number)]


def agreed(totals: list[float]) -> str:
    """Name of the signal by which any process was asked to stop; empty if none was.

    Parameters
    ----------
    totals
        Sums over the processes of :meth:`Asked.flags`.
    """
    asked, numbers = totals
    if not asked:
        return ""
    number = round(numbers / asked)
    names = {sign.value: sign.name for sign in SIGNALS}
    return names.get(number, "several signals")


@contextmanager
def passing_on(child: subprocess.Popen[bytes], *, srun: bool) -> Iterator[Interrupts]:
    """Send the signals that ask for a stop on to the child that started the training.

    Parameters
    ----------
    srun
        Whether it is Slurm's: that passes SIGUSR1 on, but takes an interrupt as meant for itself.
    """
    interrupts = Interrupts()

    def pass_on(number: int, frame: FrameType | None) -> None:
        if interrupts.add(number):
            # A process that waits for another hears nothing; it goes when its parent is gone.
            number = signal.SIGTERM if srun else signal.SIGKILL
        elif srun and number == signal.SIGINT:
            number = signal.SIGUSR1
        child.send_signal(number)

    before = {sign: signal.signal(sign, pass_on) for sign in heeded()}
    try:
        yield interrupts
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
