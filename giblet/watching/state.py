"""What there is to say about a study.

The names of the fields are the keys of the JSON (docs/watching.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

STAGES = ("simulate", "stimulus", "features", "brain", "align", "train", "validate")
# Raised when a key changes its meaning or goes; new keys may come without.
VERSION = 1
_RESULT = re.compile(r"(?:.*/)?results/([^/]+)/([^/]+)/")


@dataclass
class StageState:
    """Jobs of one stage: ``total = done + left``; the others are counts among those left.

    `gone`: what they made is not there any more, and Snakemake would not make it again.
    """

    stage: str
    total: int = 0
    done: int = 0
    left: int = 0
    running: int = 0
    queued: int = 0
    failed: int = 0
    stale: int = 0
    gone: int = 0


@dataclass
class JobState:
    """One job of the newest run that is queued, running or failed."""

    state: str  # queued, running or failed
    rule: str
    stage: str | None
    wildcards: dict[str, str]
    seconds: float | None  # since it started (queued: since it was submitted), or ran
    attempt: int
    message: str  # of a failed job: why, where that is known
    logs: list[str]
    slurm_id: str | None
    slurm_state: str | None
    slurm_reason: str | None
    slurm_nodes: str | None
    slurm_log: str | None


@dataclass
class RunState:
    """The newest run of Snakemake on the study."""

    state: str  # going, ended or killed
    command: str
    host: str
    started: float | None  # unix seconds
    steps_done: int | None
    steps: int | None
    log: str
    slurm_run_id: str | None


@dataclass
class TrainingState:
    """One network that was, is, or was about to be trained; unknown numbers are None."""

    name: str
    state: str  # starting, training, silent, stopped, finished or failed
    silent_s: float | None  # since the last word, where the state is "silent"
    step: int | None
    steps: int | None
    loss: float | None
    val_loss: float | None
    best_loss: float | None
    best_step: int | None
    floor: float | None
    trs_per_s: float | None
    eta_s: float | None
    loading_share: float | None
    started: float | None
    updated: float | None
    host: str | None
    pid: int | None
    slurm_job_id: str | None
    device: str | None
    world_size: int | None
    gpu_memory_gb: float | None
    gpu_utilisation: float | None  # per cent
    message: str | None
    file: str


@dataclass
class StaleRule:
    """A rule whose results exist but no longer count, and why."""

    rule: str
    stage: str | None
    jobs: int
    reason: str
    follows: bool  # only because what it reads is made anew


@dataclass
class GoneRule:
    """A rule whose results are not there, though Snakemake has nothing to do.

    Snakemake looks at what was asked for, the report say; what that was made from may have been
    removed since, by hand or by a run that was killed while it made it anew.
    """

    rule: str
    stage: str | None
    paths: list[str]


@dataclass
class DiskState:
    """Where the results lie and how much is left there, in bytes."""

    folder: str
    free_bytes: int
    total_bytes: int
    results_bytes: int


@dataclass
class CheckpointState:
    """The newest checkpoint that an unfinished training can resume from."""

    path: str
    written: float  # unix seconds
    bytes: int


@dataclass
class TensorBoard:
    """Event files of the trainings, and what to type to look at them."""

    folder: str
    command: str


@dataclass
class Status:
    """Everything, at one moment."""

    state: str  # done, going, failed or idle
    time: float  # unix seconds
    folder: str
    dataset: str | None
    chosen: str  # which study this is, and why
    options: list[str]  # those that snakemake takes for it
    run: RunState | None
    stages: list[StageState]
    jobs: list[JobState]
    stale: list[StaleRule]
    gone: list[GoneRule]
    training: list[TrainingState]
    disk: DiskState | None
    checkpoint: CheckpointState | None
    tensorboard: TensorBoard | None
    problems: list[str] = field(default_factory=list)
    version: int = VERSION


def place(outputs: list[str]) -> tuple[str | None, str | None]:
    """Data set and stage of a job, from ``results/{dataset}/{stage}/`` in its outputs."""
    for path in outputs:
        found = _RESULT.match(path)
        if found:
            return found[1], found[2]
    return None, None


def job_key(rule: str, wildcards: dict[str, str]) -> tuple[Any, ...]:
    """What a job is known by in a plan and in the log of a run."""
    return (rule, *sorted(wildcards.items()))


class Job:
    """What a planned job and one in a log have in common."""

    rule: str
    wildcards: dict[str, str]
    outputs: list[str]

    @property
    def key(self) -> tuple[object, ...]:
        """See :func:`giblet.watching.state.job_key`."""
        return job_key(self.rule, self.wildcards)

    @property
    def stage(self) -> str | None:
        """Stage whose results it makes."""
        return place(self.outputs)[1]
