"""What happens to trainings on a cluster, made to happen."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.slurm.cluster import run

# Steps of a training, and after which one it is disturbed.
STEPS, ENOUGH = 12, 3


def preempt() -> None:
    """Send a job that wants what a job of the partition `low` on n2 has: both its GPUs."""
    wants = ["--partition=high", "--nodelist=n2", "--gres=gpu:2", "--output=/dev/null"]
    run("sbatch", *wants, "--comment=stronger", "--wrap=sleep 3")


def hang(pid: int, job: str) -> None:
    """Make a process deaf to every signal but the last, and its job's time limit a minute."""
    os.kill(pid, signal.SIGSTOP)
    run("scontrol", "update", f"JobId={job}", "TimeLimit=1")


def shorten(job: str, *, minutes: int) -> None:
    """Leave a running job so many minutes from now, or up to one more."""
    (gone,) = re.findall(r"RunTime=(\d+):(\d+):", run("scontrol", "show", "job", job))
    limit = 60 * int(gone[0]) + int(gone[1]) + 1 + minutes
    run("scontrol", "update", f"JobId={job}", f"TimeLimit={limit}")


def kill_a_rank(rank: int) -> None:
    """SIGKILL to one process of the one training over several nodes that runs."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
    workers = re.findall(r"^ *(\d+) \S*python\S* -m giblet\.train\.worker ", listed, re.MULTILINE)
    for pid in map(int, workers):
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if f"SLURM_PROCID={rank}".encode() in variables:
            os.kill(pid, signal.SIGKILL)
            return
    raise AssertionError(f"no process with rank {rank} among {workers}")


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[bool], None]]:
    """A file system of 256 MB as a folder; yields what keeps it full and empties it again."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    ballast, enough = folder / "ballast", threading.Event()
    filling = threading.Thread(target=_take_all_room, args=(ballast, enough))

    def fill(up: bool) -> None:
        if up:
            filling.start()
        else:
            enough.set()
            filling.join()
            ballast.unlink()

    try:
        yield fill
    finally:
        enough.set()
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _take_all_room(path: Path, enough: threading.Event) -> None:
    """Grow a file into all room there is, also what others give back, until told to stop."""
    with path.open("wb", buffering=0) as file:
        while not enough.wait(0.005):
            try:
                while file.write(bytes(2**20)):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
