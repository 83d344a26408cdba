"""One process of a training: ``python -m giblet.train.worker JOB.json``.

The same program alone, under ``torchrun`` and under ``srun``; :mod:`giblet.train.launch` writes
the job file and starts as many as the job's resources ask for. By hand::

    torchrun --nproc-per-node 2 -m giblet.train.worker JOB.json

The first process says how training goes; the others only what went wrong, with their rank.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from giblet.errors import GibletError, Stopped, TrainError
from giblet.jobs import stop_with_parent
from giblet.train.place import Place, place_of

# What a collective, or the store, says when the process at the other end has died.
LOST = re.compile(
    r"gloo|nccl|connection (closed|reset|refused)|broken pipe|socket|failed to recv|timed out",
    re.IGNORECASE,
)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """What is on the command line; all but the job file comes from the launcher."""
    parser = argparse.ArgumentParser(prog="python -m giblet.train.worker", description=__doc__)
    parser.add_argument("job", type=Path, help="job file: paths and settings of the training")
    parser.add_argument("--processes", type=int, help="processes that the job asked for")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs that the job asked for")
    parser.add_argument("--start", default="", help="name of this start, the same on all")
    parser.add_argument("--join-s", type=float, default=300.0, help="seconds to wait for all")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Train as one of the processes; ends this process with its exit status."""
    given = arguments(argv)
    # Until training takes steps, which can be gone on from, Ctrl-C ends it without many words.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if given.start:
        stop_with_parent()
    # Has to be in the environment before torch is loaded.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    place, status = Place(), 0
    try:
        job = read_job(given.job)
        os.environ.setdefault("GIBLET_PROVENANCE", job["provenance"])
        place = place_of(os.environ, given.processes)
        if place.rank:
            _only_errors()
        _train(job, place, given)
    except Stopped as error:
        status = error.exit_status
        if place.world_size == 1:  # of several the first has said it
            _say(str(error))
    except GibletError as error:
        status = error.exit_status
        _say(f"{place}: {type(error).__name__}: {error}")
    except Exception as error:
        status = 1
        if place.world_size > 1 and isinstance(error, RuntimeError) and LOST.search(str(error)):
            _say(
                f"{place}: another process of this training is gone; look for its message in "
                f"{job.get('log') or 'what they all print'}"
            )
        else:
            _say(f"{place}: {type(error).__name__}: {error}\n{traceback.format_exc()}")
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking a broken group apart can wait for processes that are gone.
    os._exit(status)


def _train(job: dict[str, Any], place: Place, given: argparse.Namespace) -> None:
    from giblet.train.fit import train_network
    from giblet.train.group import workers

    with workers(
        place,
        Path(job["files"]["checkpoints"]),
        device=str(job["settings"]["device"]),
        gpus=given.gpus,
        start=given.start,
        join_s=given.join_s,
    ) as group:
        train_network(**job["files"], seed=job["seed"], workers=group, **job["settings"])


def read_job(path: Path) -> dict[str, Any]:
    """The job file that :mod:`giblet.train.launch` wrote.

    Raises
    ------
    TrainError
        If it is not there or is not one.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        found["files"], found["settings"], found["seed"], found["provenance"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(
            f"{path}: not a job file of a training ({type(error).__name__}: {error}): snakemake "
            "train writes one into results/{dataset}/train/.checkpoints/"
        ) from error
    return found


def _only_errors() -> None:
    warnings.simplefilter("ignore")
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
