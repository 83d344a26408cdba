"""This machine under the cluster's two nodes: their names, and the processes of their jobs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

from tests.slurm import config

HOSTS = Path("/etc/hosts")


def name_nodes(remove: bool = False, hosts: Path = HOSTS) -> None:
    """Write the nodes' names into the hosts file, or take them out again.

    In place: in a container the file is a mount. Other lines are left as they are.
    """
    lines = [line for line in hosts.read_text().splitlines() if config.HOSTS_MARK not in line]
    if not remove:
        for name, node in config.NODES.items():
            lines.append(f"{node.address} {name} {config.HOSTS_MARK}")
    hosts.write_text("\n".join(lines) + "\n")


def misnamed() -> str:
    """What is wrong with the addresses that the nodes' names lead to; empty if nothing is."""
    for name, node in config.NODES.items():
        found = socket.gethostbyname(name)
        if found != node.address:
            return f"{name} is {found}, not {node.address}: see {HOSTS}"
    return ""


def processes_on(node: str) -> list[int]:
    """Processes of a node's jobs, after the slurmstepd above them."""
    tasks, parents = set(), set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            if f"SLURMD_NODENAME={node}".encode() in variables:
                tasks.add(int(folder.name))
                parents.add(int((folder / "stat").read_text().rpartition(")")[2].split()[1]))
        except OSError:
            continue
    return [*(pid for pid in parents if command_of(pid).startswith("slurmstepd")), *tasks]


def command_of(pid: int) -> str:
    """A process's command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def is_daemon(pid: int) -> bool:
    """Whether a process is one of the cluster's."""
    return any(name in command_of(pid) for name in ("munged", "slurmctld", "slurmd"))


def end(pid: int) -> None:
    """End a process without a word."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
