"""Which of a training's processes this one is, from the environment it was started in.

``torchrun`` sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT; ``srun`` sets
SLURM_PROCID, SLURM_NTASKS and SLURM_LOCALID. Without either it is the only one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from giblet.errors import TrainError

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
SRUN = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")
MASTER = ("MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """A process among those of one training.

    Attributes
    ----------
    rank, world_size
        Its number, from 0, and how many there are.
    local_rank
        Its number on its machine.
    master
        ``host:port`` where they meet; empty where they have to find each other.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    master: str = ""

    def __str__(self) -> str:
        return f"rank {self.rank} of {self.world_size} on {host_name()}"


def host_name() -> str:
    """Name of this machine; Slurm's where several of its nodes are one machine."""
    return os.environ.get("SLURMD_NODENAME") or os.uname().nodename


def place_of(environment: Mapping[str, str], expected: int | None = None) -> Place:
    """Find a process's place.

    Parameters
    ----------
    expected
        Processes that the job asked for, where that is known.

    Raises
    ------
    TrainError
        If variables are missing, are not numbers, or contradict each other or `expected`.
    """
    names = TORCHRUN if any(name in environment for name in TORCHRUN) else SRUN
    if not any(name in environment for name in names):
        if expected not in (None, 1):
            raise TrainError(
                f"the job asked for {expected} processes, but neither RANK nor SLURM_PROCID is "
                "set: start them with torchrun or srun"
            )
        return Place()
    rank, world_size, local_rank = (_number(environment, name, names) for name in names)
    if world_size < 1 or rank >= world_size:
        raise TrainError(
            f"{names[0]} is {rank} and {names[1]} is {world_size}: ranks go from 0 to one less "
            "than the number of processes; unset both and start with torchrun or srun"
        )
    if expected is not None and world_size != expected:
        raise TrainError(
            f"{names[1]} is {world_size}, but the job asked for {expected} processes: start as "
            f"many (torchrun --nproc-per-node {expected}, srun --ntasks={expected}), or ask for "
            f"{world_size} (tasks: {world_size} for train_network in the profile)"
        )
    return Place(rank, world_size, local_rank, _master(environment, names))


def _number(environment: Mapping[str, str], name: str, names: tuple[str, ...]) -> int:
    value = environment.get(name)
    if value is None:
        there = " and ".join(f"{n}={environment[n]}" for n in names if n in environment)
        raise TrainError(
            f"{there} is set, but {name} is not: start with torchrun or srun, which set all of "
            f"{', '.join(names)}, or unset what is left over"
        )
    if not value.isdigit():
        raise TrainError(f"{name} is {value!r}, not a number: unset it, or start with torchrun")
    return int(value)


def _master(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    host, port = (environment.get(name, "") for name in MASTER)
    if not host and not port and names is SRUN:
        return ""
    if not host or not port:
        given, missing = MASTER if host else MASTER[::-1]
        there = f"{given}={host or port} is set" if host or port else "RANK is set"
        missing = f"{missing} is not" if host or port else f"{' and '.join(MASTER)} are not"
        raise TrainError(
            f"{there}, but {missing}: start with torchrun, which sets both, or set the "
            "host and a free port of the process with rank 0"
        )
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise TrainError(f"MASTER_PORT is {port!r}: set it to a free port, 1024 to 65535")
    return f"{host}:{port}"
