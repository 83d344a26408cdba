"""What is left to do, from dry runs of Snakemake."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from giblet.errors import WatchError
from giblet.watching.records import records
from giblet.watching.state import Job, place
from giblet.watching.study import Study

TIMEOUT_S = 300
# Without a lock, so that it works beside a run; whatever a profile says about what to print.
_DRY = ("--dry-run", "--nolock", "--rerun-incomplete", "--nocolor", "--quiet", "host")
# Each begins the account of something that an earlier line has told.
_NOT_WHY = ("Traceback", "  ", "^", "~")


@dataclass(frozen=True)
class PlannedJob(Job):
    """A job that makes results of the study."""

    rule: str
    wildcards: dict[str, str]
    outputs: list[str]
    logs: list[str]
    reason: str

    def is_made(self, folder: Path) -> bool:
        """Whether all that it makes is on disk."""
        return all((folder / path).exists() for path in self.outputs)


@dataclass(frozen=True)
class Plan:
    """All jobs of a study and those that are left; `asked` is when that was so."""

    all: list[PlannedJob]
    left: list[PlannedJob]
    asked: float

    def gone(self, folder: Path) -> list[PlannedJob]:
        """Jobs that are not left to do and whose results are not there."""
        left = {job.key for job in self.left}
        return [job for job in self.all if job.key not in left and not job.is_made(folder)]

    @property
    def dataset(self) -> str | None:
        """Name of the configured data set."""
        return next((found for job in self.all if (found := place(job.outputs)[0])), None)


def make_plan(study: Study) -> Plan:
    """Ask Snakemake what the study consists of and what of that is left.

    Raises
    ------
    WatchError
        With Snakemake's words, when it refuses the study.
    """
    asked = time.time()
    # Side by side: most of the time goes into starting Snakemake.
    left, everything = _start(study), _start(study, "--forceall")
    try:
        return Plan(_jobs(everything), _jobs(left), asked)
    finally:
        for process in (left, everything):
            process.kill()
            process.wait()


def _start(study: Study, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # The targets come first: options that take several values would swallow them.
        [sys.executable, "-m", "snakemake", *study.targets, *_DRY, *arguments, *study.options],
        cwd=study.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def _jobs(process: subprocess.Popen[str]) -> list[PlannedJob]:
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise WatchError(f"planning the study took more than {TIMEOUT_S} s") from error
    if process.returncode:
        raise WatchError(why(output))
    found = [
        PlannedJob(
            record.text,
            record.wildcards,
            record.paths("output"),
            record.paths("log"),
            record.fields.get("reason", "").strip(),
        )
        for record in records(output.splitlines())
        if record.kind == "job"
    ]
    # Targets make nothing themselves.
    return [job for job in found if job.outputs]


def why(output: str) -> str:
    """The words of Snakemake that say why it refused: its last lines, without a traceback."""
    lines = [line for line in output.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if "Error" in line.split(":")[0] and not line.startswith(_NOT_WHY):
            said = [line, *(more for more in lines[number + 1 :] if not more.startswith("File "))]
            return "\n".join(said[:12])
    return "\n".join(lines[-6:]) or "snakemake ended without a word"
