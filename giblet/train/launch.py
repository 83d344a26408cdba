"""From a job's resources to running processes: this one, several of a machine, several machines.

===================  =========================================================================
resources            what trains
===================  =========================================================================
none                 the job's own process
``tasks`` or         that many processes of one machine, started by torchrun's launcher
``gpu``              (:mod:`giblet.train.spawn`)
``mpi: srun``        ``tasks`` processes (or ``nodes`` times ``tasks_per_node``) over ``nodes``
                     machines, started by that command
===================  =========================================================================
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from giblet.errors import Stopped, TrainError
from giblet.jobs import THREAD_VARIABLES
from giblet.store import provenance, replacing
from giblet.train.progress import progress_path, write_progress
from giblet.train.stopping import passing_on

FINAL = ("stopped", "failed", "finished")
# What a process says of itself, and what srun says of one that could not.
SAID = re.compile(
    r"^(rank \d+ of \d+ on \S+: .*"
    r"|srun: error: \S+: tasks? \S+: (?!Exited|Terminated).*"
    r"|srun: error: (?!\S+: task).*)$",
    re.MULTILINE,
)
# What the launcher's other children say of the one that mattered.
ECHO = "another process of this training is gone"


@dataclass(frozen=True)
class Plan:
    """How a training is started.

    Attributes
    ----------
    processes
        How many, over all machines.
    gpus
        GPUs that the job asked for, per machine or in all; 0 for none.
    threads
        Threads of each process.
    starter
        Command line before the worker's; empty: in the job's own process.
    """

    processes: int
    gpus: int
    threads: int
    starter: tuple[str, ...]


def plan_of(resources: Mapping[str, Any], threads: int) -> Plan:
    """Decide from a job's resources how it trains.

    Parameters
    ----------
    threads
        The job's; under ``mpi`` Slurm gives so many to each process.

    Raises
    ------
    TrainError
        If resources contradict each other.
    """
    gpus = _gpus(resources)
    nodes = _number(resources, "nodes")
    tasks = _number(resources, "tasks")
    mpi = str(resources.get("mpi") or "")
    if mpi:
        per_node = _number(resources, "tasks_per_node")
        tasks = tasks or max(nodes, 1) * per_node
        if not tasks:
            raise TrainError(
                f"resources: mpi is {mpi!r}, but neither tasks nor tasks_per_node says how many "
                "processes: set tasks for train_network in the profile (profiles/slurm does, from "
                "GIBLET_SLURM_NODES and GIBLET_SLURM_GPUS)"
            )
        return Plan(tasks, gpus, max(1, threads), tuple(_srun(mpi, tasks, nodes, threads)))
    if nodes > 1:
        raise TrainError(
            f"resources: nodes is {nodes}, but without mpi all processes are started on one "
            "machine: set mpi: srun and tasks for train_network in the profile (profiles/slurm "
            "does, from GIBLET_SLURM_NODES)"
        )
    processes = tasks or gpus or 1
    starter = (sys.executable, "-m", "giblet.train.spawn", str(processes))
    return Plan(processes, gpus, max(1, threads // processes), starter if processes > 1 else ())


def _srun(mpi: str, tasks: int, nodes: int, threads: int) -> list[str]:
    command = shlex.split(mpi)
    if Path(command[0]).name != "srun":
        raise TrainError(
            f"resources: mpi is {mpi!r}; giblet knows how srun numbers its processes, no other "
            "command: set mpi: srun for train_network in the profile"
        )
    command += [f"--ntasks={tasks}", f"--cpus-per-task={max(1, threads)}"]
    command += [f"--nodes={nodes}"] if nodes else []
    # One process that ends with an error ends them all.
    return [*command, "--kill-on-bad-exit=1", sys.executable, "-m", "giblet.train.worker"]


def _number(resources: Mapping[str, Any], name: str) -> int:
    value = resources.get(name) or 0
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise TrainError(f"resources: {name} is {value!r}, not a whole number") from error


def _gpus(resources: Mapping[str, Any]) -> int:
    for name in ("gpu", "gpus", "nvidia_gpu"):
        if resources.get(name):
            return _number(resources, name)
    counts = re.findall(r"\bgpu(?::[A-Za-z][\w.-]*)?(?::(\d+))?", str(resources.get("gres") or ""))
    return sum(int(count or 1) for count in counts)


def train(
    files: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    seed: int,
    resources: Mapping[str, Any],
    threads: int,
    log: str | Path,
) -> None:
    """Train a network in as many processes as the job's resources ask for.

    Parameters
    ----------
    files
        Inputs and outputs of the rule, arguments of
        :func:`giblet.train.fit.train_network`.
    settings
        Its settings, and ``checkpoints``.
    log
        The rule's log; progress is reported beside it.

    Raises
    ------
    Stopped
        If it was stopped by a signal; the next start goes on from there.
    TrainError
        If a process failed, with what it said.
    """
    plan, settings = plan_of(resources, threads), dict(settings)
    paths = {name: str(path) for name, path in files.items()}
    paths |= {"checkpoints": str(settings.pop("checkpoints"))}
    paths |= {"progress": str(progress_path(log))}
    job = write_job(paths, settings, seed=seed, log=log)
    if not plan.starter:
        from giblet.train.fit import train_network

        own: dict[str, Any] = {**paths, **settings}
        train_network(**own, seed=seed, gpus=plan.gpus)
        return
    given = [str(job), f"--processes={plan.processes}", f"--gpus={plan.gpus}"]
    command = [*plan.starter, *given, f"--start={uuid.uuid4().hex[:8]}"]
    _run(command, plan, Path(log), Path(paths["progress"]))


def write_job(
    files: Mapping[str, str], settings: Mapping[str, Any], *, seed: int, log: str | Path
) -> Path:
    """Write what the processes need to know where all of them see it."""
    model = Path(files["model"])
    path = Path(files["checkpoints"]) / f"{model.parent.parent.name}-{model.parent.name}.job.json"
    held = {
        "files": dict(files), "settings": dict(settings), "seed": seed, "log": str(log),
        "provenance": json.dumps(provenance()),
    }  # fmt: skip
    with replacing(path) as partial:
        partial.write_text(json.dumps(held, indent=1, default=str))
    return path


def _run(command: list[str], plan: Plan, log: Path, progress: Path) -> None:
    """Run the processes, passing signals on, and turn how they end into an exception."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment |= dict.fromkeys(THREAD_VARIABLES, str(plan.threads))
    progress.unlink(missing_ok=True)
    print(f"{plan.processes} processes, {plan.threads} threads each: {shlex.join(command)}")
    sys.stdout.flush()
    before = log.stat().st_size if log.exists() else 0
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stdout,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    except OSError as error:
        raise TrainError(
            f"{command[0]}: cannot be started ({error}): is it on the PATH?"
        ) from error
    try:
        with passing_on(child, srun="srun" in Path(command[0]).name) as interrupts:
            status = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
    if status == 0:
        return
    found = _progress(progress)
    if found.get("state") == "stopped":
        raise Stopped(found["message"])
    if status == Stopped.exit_status and not interrupts.again:
        raise Stopped("stopped before the first step; run again")
    cause = "interrupted a second time, and ended at once" if interrupts.again else ""
    cause = cause or _cause(log, before) or f"{command[0]} ended with exit status {status}"
    if found and found["state"] not in FINAL:
        write_progress(progress, {**found, "state": "failed", "message": cause})
    if "Error: " not in cause:  # it was killed, which says nothing against trying again
        cause += "; the last checkpoint is kept, run again to go on from it"
    raise TrainError(cause)


def _progress(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _cause(log: Path, start: int) -> str:
    """First thing that a process said went wrong; not that another one is gone."""
    if not log.exists():
        return ""
    with log.open("rb") as handle:
        handle.seek(start)
        said = SAID.findall(handle.read().decode(errors="replace"))
    own = [line for line in said if ECHO not in line]
    return next(iter([*own, *said]), "")
