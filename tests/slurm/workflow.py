"""Running the workflow on the test cluster as a user does."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.slurm.cluster import run, wait_for
from tests.support.checkout import TINY, Checkout, environment

IMPATIENT = Path(__file__).with_name("impatient.py")
# Nothing is slow to appear here.
QUICK = ("--latency-wait", "5")


def start(
    checkout: Checkout, target: str, *arguments: str, threads: int = 1, **extra: str
) -> Workflow:
    """Start ``snakemake TARGET --profile profiles/slurm`` on the tiny study, without waiting.

    Parameters
    ----------
    threads
        Of a training; the machine under both nodes has few.
    extra
        Environment variables, such as the profile's ``GIBLET_SLURM_...``.
    """
    command = [sys.executable, str(IMPATIENT), target, "--profile", "profiles/slurm", *TINY]
    command += [*QUICK, "--set-threads", f"train_network={threads}", *arguments]
    with tempfile.NamedTemporaryFile(dir=checkout.folder, suffix=".out", delete=False) as out:
        process = subprocess.Popen(
            command,
            cwd=checkout.folder,
            env=environment(PYTHONPATH=str(checkout.folder), **extra),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    return Workflow(checkout, process, Path(out.name))


class Workflow(NamedTuple):
    """A Snakemake that was started."""

    checkout: Checkout
    process: subprocess.Popen[bytes]
    output: Path

    def finish(self, timeout_s: float = 1800) -> tuple[int, str]:
        """Wait for the end; the exit code and all that was printed."""
        code = self.process.wait(timeout_s)
        return code, self.output.read_text()


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


def wait_for_job(comment: str, state: str = "RUNNING", timeout_s: float = 600) -> str:
    """Wait until a job whose comment holds a text is in a state; its number."""

    def found() -> str:
        for line in run("squeue", "--noheader", "--states=all", "--format=%i|%T|%k").splitlines():
            number, now, said = line.split("|", 2)
            if comment in said and now == state:
                return number
        return ""

    return str(wait_for(f"a job {comment} {state}", found, timeout_s, poll_s=0.2))
