"""Runs of Snakemake, from the logs it keeps in ``.snakemake/log``."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from giblet.watching.records import Record, records
from giblet.watching.state import Job, place

# Snakemake calls a group by the name of one of its jobs (snakemake/jobs.py, GroupJob.jobid).
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://snakemake.readthedocs.io")
_FINISHED = re.compile(r"Finished jobid: (\S+) \(Rule: (\w+)\)")
_SUBMITTED = re.compile(r"Job (\S+) has been submitted with SLURM jobid (\S+) \(log: (.*)\)\.")
_ARRAY = re.compile(
    r"Submitted array job with Snakemake IDs ([\d,]+) and SLURM job ID (\d+)\. "
    r"The individual task IDs are (\d+)-(\d+)"
)
_RESTART = re.compile(r"Trying to restart job (\S+)\.")
_STEPS = re.compile(r"(\d+) of (\d+) steps \(.*\) done")
_HEADER = re.compile(r"  ([A-Z][\w() ]*): (.*)")
_RUN_ID = re.compile(r"SLURM run ID: (\S+)")
_ENDED = ("Complete log(s):", "Nothing to be done")


@dataclass
class LoggedJob(Job):
    """A job as the log tells it; `state` is started, restarting, finished or failed."""

    jobid: str
    rule: str
    wildcards: dict[str, str]
    outputs: list[str]
    logs: list[str]
    state: str = "started"
    started: float | None = None
    ended: float | None = None
    attempt: int = 1
    message: str = ""
    slurm_id: str | None = None
    slurm_log: str | None = None
    group: int | None = None  # groups share their names: they are told apart by number


@dataclass
class Run:
    """One run of Snakemake, up to what its log says now."""

    path: Path
    header: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, LoggedJob] = field(default_factory=dict)
    steps_done: int | None = None
    steps: int | None = None
    ended: bool = False
    slurm_run_id: str | None = None
    groups: dict[str, int] = field(default_factory=dict)

    @property
    def dataset(self) -> str | None:
        """Data set whose results it makes, None before it has started a job."""
        return next((found for job in self.jobs.values() if (found := place(job.outputs)[0])), None)


def newest_runs(folder: Path) -> Iterator[Run]:
    """Runs in a working directory, the newest first."""
    paths = (folder / ".snakemake" / "log").glob("*.snakemake.log")
    # The names begin with the time.
    for path in sorted(paths, key=lambda path: path.name, reverse=True):
        try:
            yield read_run(path)
        except OSError:  # removed meanwhile
            continue


def read_run(path: Path) -> Run:
    """Read the log of a run, finished or not.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    run = Run(path)
    group: int | None = None
    n_groups = 0
    with path.open(encoding="utf-8", errors="replace") as lines:
        for record in records(lines):
            if record.kind == "group":
                group = n_groups = n_groups + 1
            elif record.kind == "job":
                group = group if record.indented else None
                _start(run, record, group)
            elif record.kind == "error":
                _fail(run, record)
            else:
                _line(run, record)
    return run


def _start(run: Run, record: Record, group: int | None) -> None:
    jobid = record.fields.get("jobid", "")
    before = run.jobs.get(jobid)
    run.jobs[jobid] = LoggedJob(
        jobid,
        record.text,
        record.wildcards,
        record.paths("output"),
        record.paths("log"),
        started=record.time,
        attempt=1 if before is None else before.attempt + 1,
        group=group,
    )
    if group is not None:
        run.groups[_group_name(run.jobs[jobid])] = group


def _group_name(job: LoggedJob) -> str:
    wildcards = ",".join(sorted(f"{name}:{value}" for name, value in job.wildcards.items()))
    return str(uuid.uuid5(_NAMESPACE, f"{job.rule}:{wildcards}"))


def _members(run: Run, name: str) -> list[LoggedJob]:
    """Jobs that a job id stands for: one, or those of a group."""
    if name in run.jobs:
        return [run.jobs[name]]
    group = run.groups.get(name)
    return [job for job in run.jobs.values() if group is not None and job.group == group]


def _fail(run: Run, record: Record) -> None:
    jobid = record.fields.get("jobid", "")
    job = run.jobs.setdefault(
        jobid, LoggedJob(jobid, record.text, record.wildcards, record.paths("output"), [])
    )
    if job.rule != record.text:  # quoted from the log of another Snakemake, that of a job
        return
    # Snakemake says None for a local job.
    message = record.fields.get("message", "").partition("For further error details")[0]
    job.state, job.ended = "failed", record.time
    job.message = "" if message == "None" else message
    job.slurm_id = record.fields.get("external_jobid", job.slurm_id)
    for path in record.paths("log"):
        if job.slurm_id and Path(path).stem == job.slurm_id:
            job.slurm_log = path
        elif path not in job.logs:
            job.logs.append(path)


def _line(run: Run, record: Record) -> None:
    line = record.text
    if found := _FINISHED.match(line):
        for job in _members(run, found[1]):
            job.state, job.ended, job.rule = "finished", record.time, found[2]
    elif found := _STEPS.match(line):
        run.steps_done, run.steps = int(found[1]), int(found[2])
    elif found := _SUBMITTED.match(line):
        for job in _members(run, found[1]):
            job.slurm_id, job.slurm_log = found[2], found[3]
    elif found := _ARRAY.match(line):
        for number, jobid in enumerate(found[1].split(","), start=int(found[3])):
            for job in _members(run, jobid):
                job.slurm_id = f"{found[2]}_{number}"
    elif found := _RESTART.match(line):
        for job in _members(run, found[1]):
            job.state = "restarting"
    elif found := _RUN_ID.match(line):
        run.slurm_run_id = found[1]
    elif line.startswith(_ENDED):
        run.ended = True
    elif not run.jobs and (found := _HEADER.match(line)):
        run.header[found[1]] = found[2]


def slurm_log(job: LoggedJob, folder: Path) -> Path | None:
    """Slurm's log of a job; None for a job that is not Slurm's.

    For a task of an array Snakemake names a folder too much, or nothing at all.
    """
    if job.slurm_id is None:
        return None
    told = None if job.slurm_log is None else folder / job.slurm_log
    default = folder / ".snakemake" / "slurm_logs" / f"rule_{job.rule}" / f"{job.slurm_id}.log"
    places = [default] if told is None else [told, told.parent.parent / told.name]
    return next((path for path in places if path.exists()), told)


def is_going(run: Run) -> bool:
    """Whether the Snakemake that writes the log still runs.

    A Snakemake on this host holds its log open. On another one it cannot be seen from here:
    then its lock tells, which a killed one leaves behind.
    """
    if run.ended:
        return False
    if run.header.get("Host") not in (None, os.uname().nodename):
        return any((run.path.parent.parent / "locks").glob("*.lock"))
    return _is_open(run.path)


def _is_open(path: Path) -> bool:
    import psutil

    wanted = str(path.resolve())
    for process in psutil.process_iter():
        try:
            # Whoever only reads it is told apart by the mode, where the system tells that.
            if any(
                file.path == wanted and getattr(file, "mode", "a") != "r"
                for file in process.open_files()
            ):
                return True
        except (psutil.Error, OSError):
            continue
    return False
