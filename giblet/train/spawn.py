"""``torchrun`` on one machine, without its many lines when a process ends.

``python -m giblet.train.spawn N ARGUMENTS`` starts N times ``giblet.train.worker ARGUMENTS``,
passes SIGINT, SIGTERM and SIGUSR1 on to them and waits until they have written a checkpoint. Ends
with 75 (EX_TEMPFAIL) when they were stopped.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

import psutil

from giblet.errors import Stopped
from giblet.jobs import stop_with_parent
from giblet.train.place import host_name
from giblet.train.stopping import heeded


def main(argv: Sequence[str] | None = None) -> int:
    """Start the workers and wait for them.

    Returns
    -------
    exit status: 0, 75 when they were stopped, or 1
    """
    number, *rest = sys.argv[1:] if argv is None else argv
    asked = pass_on(heeded())
    stop_with_parent()
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    # The workers say themselves what went wrong.
    logging.disable(logging.CRITICAL)
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(number),
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        # At the others the launcher would give up at the second signal, workers or not.
        signals_to_handle="SIGQUIT",
    )
    if asked:
        return Stopped.exit_status
    try:
        elastic_launch(config, sys.executable)("-m", "giblet.train.worker", *rest)
    except SignalException:
        return 1
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        if asked or Stopped.exit_status in codes.values():
            return Stopped.exit_status
        for rank, code in sorted(codes.items()):
            if code < 0:
                print(f"rank {rank} of {number} on {host_name()}: {killed(-code)}", file=sys.stderr)
        return 1
    return 0


def pass_on(signals: Sequence[signal.Signals]) -> list[int]:
    """Send signals that come on to the workers.

    Returns
    -------
    those that have come, a list that grows
    """
    asked: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        for child in psutil.Process().children():
            with suppress(psutil.Error):
                if "giblet.train.worker" in child.cmdline():
                    child.send_signal(number)

    for sign in signals:
        signal.signal(sign, handle)
    return asked


def killed(number: int) -> str:
    """What to say of a process that a signal ended."""
    name = signal.Signals(number).name
    why = " (by hand, or by the system because memory ran out)" if name == "SIGKILL" else ""
    return f"killed by {name}{why}"


if __name__ == "__main__":
    sys.exit(main())
