"""Running the workflow on the test cluster as a user does."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.slurm.cluster import run, wait_for
from tests.support.checkout import TINY, Checkout, environment

# Nothing is slow to appear here, and nobody else asks the controller.
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5")


def start(
    checkout: Checkout, target: str, *arguments: str, threads: int = 1, **extra: str
) -> subprocess.Popen[str]:
    """Start ``snakemake TARGET --profile profiles/slurm`` on the tiny study, without waiting.

    Parameters
    ----------
    threads
        Of a training; the machine under both nodes has few.
    extra
        Environment variables, such as the profile's ``GIBLET_SLURM_...``.
    """
    command = [sys.executable, "-m", "snakemake", target, "--profile", "profiles/slurm", *TINY]
    command += [*QUICK, "--set-threads", f"train_network={threads}", *arguments]
    return subprocess.Popen(
        command,
        cwd=checkout.folder,
        env=environment(PYTHONPATH=str(checkout.folder), **extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout_s: float = 3000) -> tuple[int, str]:
    """Wait for a workflow; its exit code and what it printed."""
    output, _ = process.communicate(timeout=timeout_s)
    return process.returncode, output


def slurm_ids(output: str) -> list[str]:
    """Slurm's numbers of the jobs that a workflow said it submitted, in order."""
    return re.findall(r"SLURM job ?ID (\d+)", output, re.IGNORECASE)


def described(job: str) -> dict[str, str]:
    """What Slurm knows of a job."""
    return dict(
        pair.split("=", 1)
        for pair in run("scontrol", "--details", "--oneliner", "show", "job", job).split()
        if "=" in pair
    )


def wait_for_job(comment: str, state: str = "RUNNING", timeout_s: float = 120) -> str:
    """Wait until a job whose comment holds a text is in a state; its number."""

    def found() -> str:
        for line in run("squeue", "--noheader", "--states=all", "--format=%i|%T|%k").splitlines():
            number, now, said = line.split("|", 2)
            if comment in said and now == state:
                return number
        return ""

    return str(wait_for(f"a job {comment} {state}", found, timeout_s, poll_s=0.2))
