"""What Slurm says about the jobs of a run: ``squeue``, and ``sacct`` where there is accounting."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

TIMEOUT_S = 20
# As Snakemake's plugin asks: by the name of the run, finished jobs too as long as Slurm knows them.
_SQUEUE = ("squeue", "--array", "--noheader", "--states=all", "--format=%i|%T|%M|%N|%r")
_SACCT = (
    "sacct", "--allocations", "--parsable2", "--noheader", "--duplicates",
    "--format=JobID,State,Elapsed,NodeList,Reason",
)  # fmt: skip

# fmt: off
QUEUED = frozenset({
    "PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD",
    "SPECIAL_EXIT", "PREEMPTED",
})
RUNNING = frozenset({
    "RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED", "SUSPENDED", "RESIZING",
})
FAILED = frozenset({
    "BOOT_FAIL", "CANCELLED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "REVOKED",
    "TIMEOUT",
})
# fmt: on


@dataclass(frozen=True)
class SlurmJob:
    """One job, or one task of an array."""

    id: str
    state: str  # as Slurm calls it
    seconds: float | None  # since it started
    nodes: str
    reason: str


def read_table(text: str) -> dict[str, SlurmJob]:
    """Jobs by id, from lines of ``id|state|elapsed|nodes|reason``.

    A job that was queued again has several lines with ``sacct``: the last one counts.
    """
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 5 or not re.match(r"\d", cells[0]):
            continue
        # sacct says who cancelled: "CANCELLED by 0".
        state = (cells[1].split() or [""])[0]
        absent = {"None", "(null)", "None assigned", ""}
        nodes, reason = ("" if cell in absent else cell for cell in cells[3:5])
        found[cells[0]] = SlurmJob(cells[0], state, seconds(cells[2]), nodes, reason)
    return found


def seconds(elapsed: str) -> float | None:
    """Seconds in ``[days-][hours:]minutes:seconds``; None for anything else.

    >>> seconds("1-02:03:04")
    93784.0
    """
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", elapsed)
    if not found:
        return None
    days, hours, minutes, rest = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + rest)


def ask(run_id: str | None, jobs: Iterable[str]) -> tuple[dict[str, SlurmJob], list[str]]:
    """States of a run's jobs.

    Parameters
    ----------
    run_id
        The name that the plugin gives all jobs of a run.
    jobs
        Ids of jobs that are wanted.

    Returns
    -------
    jobs by id, and what went wrong on the way; both empty where there is nothing to ask
    """
    wanted = sorted(set(jobs))
    if not wanted or run_id is None or shutil.which("squeue") is None:
        return {}, []
    found, problems = {}, []
    answer, error = _run(*_SQUEUE, f"--name={run_id}")
    if error:
        problems.append(f"squeue: {error}")
    found = read_table(answer)
    missing = [job for job in wanted if job not in found]
    if missing and shutil.which("sacct"):
        # Slurm forgets a finished job after some minutes; without accounting this fails,
        # and then the log of Snakemake is all there is.
        answer, _ = _run(*_SACCT, f"--jobs={','.join(missing)}")
        found = {**read_table(answer), **found}
    return found, problems


def _run(*command: str) -> tuple[str, str]:
    """Output of a command, and what it complained about if it failed."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)
    if done.returncode:
        return "", done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed"
    return done.stdout, ""
