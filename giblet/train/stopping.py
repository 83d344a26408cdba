"""Being asked to stop: the signals of a cluster that wants its machines back."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

# Slurm sends SIGTERM at pre-emption and at the time limit, SIGUSR1 where --signal asks for it.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Asked:
    """Remembers, while its block runs, that one of `SIGNALS` has come.

    They come again and again: to every process of a Slurm step, and from whoever started it.
    After the block the process is about to leave, and those that still come are ignored.
    Outside the main thread nothing is caught.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Asked:
        if threading.current_thread() is threading.main_thread():
            self._before = {sign: signal.signal(sign, self._remember) for sign in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sign, handler in self._before.items():
            signal.signal(sign, signal.SIG_IGN if self.number else handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.number = number

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
    return names.get(number, " and ".join(names.values()))
