"""A real Slurm with two nodes on this machine, from Debian's packages, for the tests.

    python -m tests.slurm.cluster up      # 10 s later sinfo, sbatch and squeue work
    python -m tests.slurm.cluster down

State, logs and munge's key lie in a scratch folder. Outside it only ``/etc/slurm`` (where the
executor plugin's jobs look, which drop ``SLURM_CONF``) and the names n1 and n2 in the hosts file
are written, and both are put back. A Slurm that somebody else configured is never touched.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from tests.slurm import config
from tests.slurm.machine import end, is_daemon, misnamed, name_nodes, processes_on

ETC = Path("/etc/slurm")
LOCK = Path("/tmp/giblet-slurm.lock")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "munged", "unmunge")


class ClusterError(RuntimeError):
    """The cluster cannot be brought up, or something did not happen in time."""


def unavailable() -> str | None:
    """Why no cluster can be brought up here; None when one can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return (
            f"no {', '.join(missing)} on this machine: "
            "apt-get install --no-install-recommends slurm-wlm munge"
        )
    if os.geteuid() != 0:
        return "only root can start Slurm's daemons (packages slurm-wlm and munge are installed)"
    if _configured_by_others():
        return f"{ETC} is not the tests' own: this machine has a Slurm already"
    return None


def _path() -> str:
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def _configured_by_others() -> bool:
    present = [ETC / name for name in config.FILES if (ETC / name).exists()]
    return any(not path.read_text().startswith(config.MARK) for path in present)


def wait_for(what: str, happened: Callable[[], Any], timeout_s: float, poll_s: float = 0.1) -> Any:
    """Wait until a function returns something true, and return it."""
    deadline = time.monotonic() + timeout_s
    while True:
        if result := happened():
            return result
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not within {timeout_s:g} s")
        time.sleep(poll_s)


class Cluster:
    """munged, slurmctld and a slurmd for each node.

    Parameters
    ----------
    folder
        For state and logs; short, since the path of munge's socket may have 107 characters.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids: dict[str, int] = {}
        # Those of them that this very process started, and has to collect.
        self.started: dict[str, subprocess.Popen[bytes]] = {}
        self.lock: IO[str] | None = None

    @classmethod
    def up(cls) -> Cluster:
        """Bring a cluster up, in place of one that an earlier run left behind."""
        if reason := unavailable():
            raise ClusterError(reason)
        lock = _locked()
        if old := cls.running():
            old.down()
        cluster = cls(Path(tempfile.mkdtemp(prefix="giblet-slurm-", dir="/tmp")))
        cluster.lock = lock
        try:
            cluster._start()
        except BaseException:
            cluster.down()
            raise
        return cluster

    @classmethod
    def running(cls) -> Cluster | None:
        """The cluster that the configuration in /etc/slurm belongs to."""
        conf = ETC / "slurm.conf"
        if not conf.exists() or _configured_by_others():
            return None
        cluster = cls(Path(conf.read_text().splitlines()[0].removeprefix(config.MARK).strip()))
        record = cluster.folder / "pids.json"
        cluster.pids = json.loads(record.read_text()) if record.exists() else {}
        return cluster

    def _start(self) -> None:
        self.folder.chmod(0o755)
        for name in ("state", *config.NODES):
            (self.folder / name).mkdir()
        devices = [self.folder / f"gpu{number}" for number in range(config.GPUS_PER_NODE)]
        for device in devices:
            # Slurm wants device nodes; these lead to /dev/null.
            subprocess.run(["mknod", str(device), "c", "1", "3"], check=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        ETC.mkdir(exist_ok=True)
        files = config.files(self.folder, socket.gethostname(), devices)
        for name, text in files.items():
            (ETC / name).write_text(text)
        name_nodes()
        if wrong := misnamed():
            raise ClusterError(wrong)
        self._daemon(
            "munged", "--foreground", "--force", f"--key-file={key}",
            *(f"--{name}-file={self.folder}/munge.{name}" for name in ("log", "pid", "seed")),
            f"--socket={self.folder}/munge.socket",
        )  # fmt: skip
        wait_for("munge answers", (self.folder / "munge.socket").exists, 60)
        self._daemon("slurmctld", "-D", "-c")
        for node in config.NODES:
            self.start_node(node)
        self.wait_idle()

    def _daemon(self, program: str, *arguments: str, name: str = "") -> None:
        name = name or program
        with (self.folder / f"{name}.out").open("w") as out:
            process = subprocess.Popen(
                [shutil.which(program, path=_path()) or program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started[name], self.pids[name] = process, process.pid
        (self.folder / "pids.json").write_text(json.dumps(self.pids))

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._daemon("slurmd", "-D", "-N", node, name=node)

    def vanish(self, node: str) -> None:
        """Make a node vanish: its slurmd and every process of its jobs, without a word."""
        for pid in (self.pids.pop(node), *processes_on(node)):
            end(pid)
        self.started.pop(node).wait()

    def wait_idle(self, timeout_s: float = 300) -> None:
        """Wait until both nodes are up and without jobs."""

        def idle() -> bool:
            done = run("sinfo", "--noheader", "--Node", "--format=%N %T", check=False)
            nodes = dict(line.split() for line in done.splitlines() if len(line.split()) == 2)
            if any(state.startswith("down") for state in nodes.values()):
                names = ",".join(name for name, state in nodes.items() if state != "idle")
                run("scontrol", "update", f"NodeName={names}", "State=RESUME", check=False)
            return set(nodes) == set(config.NODES) and set(nodes.values()) == {"idle"}

        try:
            wait_for("nodes idle", idle, timeout_s)
        except ClusterError as error:
            logs = "\n".join(
                f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}"
                for path in sorted(self.folder.glob("*.out"))
            )
            raise ClusterError(f"{error}\n{run('sinfo', check=False)}\n{logs}") from error

    def cancel_all(self) -> None:
        """Cancel every job and wait until the nodes are free."""
        run("scancel", "--user=root", check=False)
        self.wait_idle()

    def down(self) -> None:
        """End every job and daemon and put the machine back as it was."""
        if "slurmctld" in self.pids:
            run("scancel", "--user=root", check=False)
        for node in config.NODES:
            for pid in processes_on(node):
                end(pid)
        for pid in reversed(self.pids.values()):
            if is_daemon(pid):
                end(pid)
        for process in self.started.values():
            process.wait()
        self.pids, self.started = {}, {}
        for name in config.FILES:
            (ETC / name).unlink(missing_ok=True)
        name_nodes(remove=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.lock is not None:
            self.lock.close()


def run(*command: str, check: bool = True, timeout_s: float = 300) -> str:
    """Run one of Slurm's commands; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    if check and done.returncode:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _locked(timeout_s: float = 1800) -> IO[str]:
    """The lock that one test session at a time holds, since there is one /etc/slurm."""
    handle = LOCK.open("w")

    def taken() -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    wait_for("the cluster of another test session ends", taken, timeout_s, poll_s=1)
    # Daemons must not keep it when the session is killed.
    os.set_inheritable(handle.fileno(), False)
    return handle


def main(argv: Sequence[str] | None = None) -> int:
    """Bring the cluster up or down from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.slurm.cluster", description=__doc__)
    parser.add_argument("action", choices=["up", "down"])
    try:
        if parser.parse_args(argv).action == "up":
            cluster = Cluster.up()
            print(f"up: n1 and n2, state and logs in {cluster.folder}")
            print(run("sinfo"), end="")
        elif cluster := Cluster.running():
            cluster.down()
            print("down")
        else:
            print("no cluster of the tests is up")
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
