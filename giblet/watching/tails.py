"""The logs of jobs: which there are, and their last lines."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from giblet.errors import WatchError
from giblet.watching.runlog import LoggedJob, Run, is_going, slurm_log

# Read from the end of a file at once; a log's last lines are in there.
_BLOCK = 1 << 16
_ERROR = re.compile(r"[\w.]+(Error|Exception|Interrupt|Exit|Warning)\b")


@dataclass(frozen=True)
class JobLogs:
    """A job and the logs of it that exist."""

    title: str
    job: LoggedJob
    paths: tuple[Path, ...]


def find(run: Run, folder: Path, wanted: str | None) -> list[JobLogs]:
    """Jobs of a run whose logs are asked for.

    Parameters
    ----------
    wanted
        A rule, a job id of Snakemake or Slurm, or a part of a log's path; None is all jobs
        that failed or, when none did, that are running.

    Raises
    ------
    WatchError
        When nothing is as wanted, naming what there is.
    """
    jobs = [job for job in run.jobs.values() if job.outputs or job.logs]
    if wanted is None:
        going = is_going(run)
        unfinished = [job for job in jobs if job.state not in ("finished", "failed")]
        failed = [job for job in jobs if job.state == "failed"]
        found = failed or unfinished if going else failed + unfinished
    else:
        found = _named(jobs, wanted)
        if not found:
            rules = ", ".join(sorted({job.rule for job in jobs})) or "nothing"
            raise WatchError(
                f"no job of the newest run is {wanted!r}: give a rule, a job id of Snakemake or "
                f"Slurm, or a part of a log's path. It ran {rules}"
            )
    return [JobLogs(_title(job), job, _paths(job, folder)) for job in found]


def _named(jobs: Sequence[LoggedJob], wanted: str) -> list[LoggedJob]:
    """By the first way of naming that fits any job."""
    ways = (
        lambda job: wanted == job.slurm_id,
        lambda job: wanted == job.rule,
        lambda job: wanted == job.jobid,
        lambda job: job.slurm_id is not None and wanted == job.slurm_id.split("_")[0],
        lambda job: any(wanted in path for path in (*job.logs, job.slurm_log or "")),
    )
    return next((found for way in ways if (found := [job for job in jobs if way(job)])), [])


def _title(job: LoggedJob) -> str:
    wildcards = "".join(f" {name}={value}" for name, value in job.wildcards.items())
    slurm = f", Slurm {job.slurm_id}" if job.slurm_id else ""
    return f"{job.rule}{wildcards} (job {job.jobid}{slurm}, {job.state})"


def _paths(job: LoggedJob, folder: Path) -> tuple[Path, ...]:
    named = [*(folder / path for path in job.logs), slurm_log(job, folder)]
    return tuple(path for path in named if path is not None and path.exists())


def last_lines(path: Path, n_lines: int) -> tuple[list[str], int]:
    """Last lines of a file, and the place up to which it was read, in bytes."""
    with path.open("rb") as handle:
        end = handle.seek(0, os.SEEK_END)
        start, content = end, b""
        while start > 0 and content.count(b"\n") <= n_lines:
            step = min(_BLOCK, start)
            start -= step
            handle.seek(start)
            content = handle.read(step) + content
    lines = content.decode("utf-8", errors="replace").removesuffix("\n").split("\n")
    lines = [] if lines == [""] else lines
    # A bar that was redrawn in place is shown as it stood last.
    shown = [line.rsplit("\r", 1)[-1] for line in lines]
    return shown[len(shown) - n_lines :] if n_lines < len(shown) else shown, end


def last_error(folder: Path, logs: Sequence[str]) -> str:
    """The error that a job's log ends with, as ``giblet.jobs`` writes it; empty without one."""
    for name in logs:
        try:
            lines, _ = last_lines(folder / name, 1)
        except OSError:
            continue
        if lines and _ERROR.match(lines[0]):
            return lines[0]
    return ""


def follow(places: dict[Path, int], poll_s: float = 0.5) -> Iterator[tuple[Path, str]]:
    """What is appended to files, for ever; a file that was written anew is read from its start."""
    while True:
        for path, place in places.items():
            try:
                length = path.stat().st_size
                if length == place:
                    continue
                with path.open("rb") as handle:
                    handle.seek(place if length > place else 0)
                    content = handle.read()
                    places[path] = handle.tell()
            except OSError:  # removed before its job runs again
                places[path] = 0
                continue
            yield path, content.decode("utf-8", errors="replace")
        time.sleep(poll_s)
