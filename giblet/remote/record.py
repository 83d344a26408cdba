"""What is written down about a run, here and on its host: which code, started how."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from giblet.errors import RemoteError
from giblet.remote import commands
from giblet.remote.places import Run
from giblet.remote.tree import Tree, difference


@dataclass(frozen=True)
class Launch:
    """How Snakemake is started.

    Parameters
    ----------
    target
        What to make.
    configfiles
        For ``--configfile``, later ones first to count.
    gpus
        For one training, on each node; None leaves it to the profile.
    nodes
        For one training; more than one needs Slurm.
    scheduler
        ``slurm``, ``none``, or ``auto``: Slurm where ``sbatch`` is.
    extra
        Further arguments of Snakemake.
    """

    target: str = "train"
    configfiles: tuple[str, ...] = ()
    gpus: int | None = None
    nodes: int | None = None
    scheduler: str = "auto"
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for option, number in (("--gpus", self.gpus), ("--nodes", self.nodes)):
            if number is not None and number < 1:
                raise RemoteError(f"{option} {number}: at least 1, or leave it out")
        if (self.nodes or 1) > 1 and self.scheduler == "none":
            raise RemoteError(
                f"--nodes {self.nodes} with --no-slurm: only Slurm joins several machines; leave "
                "one of the two out"
            )

    def on_machine(self) -> list[str]:
        """Arguments of Snakemake on a machine without a scheduler."""
        arguments = [self.target, "--cores", "all"]
        if self.gpus is not None:
            # As many as one training takes: two trainings at once would share them.
            arguments += ["--resources", f"gpu={self.gpus}"]
            arguments += ["--set-resources", f"train_network:gpu={self.gpus}"]
            # A process for each GPU, with a core to compute and one to read the next batch.
            arguments += ["--set-threads", f"train_network={2 * self.gpus}"]
        return [*arguments, *self._common()]

    def on_slurm(self) -> list[str]:
        """Arguments of Snakemake where Slurm runs the jobs."""
        return [self.target, "--profile", "profiles/slurm", *self._common()]

    def _common(self) -> list[str]:
        configfiles = ["--configfile", *self.configfiles] if self.configfiles else []
        return [*configfiles, *self.extra]


def arguments_file(launch: Launch) -> str:
    """What ``run.sh`` reads on the host."""
    return "".join(
        commands.assignment(name, value) + "\n"
        for name, value in (
            ("scheduler", "slurm" if (launch.nodes or 1) > 1 else launch.scheduler),
            ("on_machine", launch.on_machine()),
            ("on_slurm", launch.on_slurm()),
            # The profile works out from these what Slurm is asked for.
            ("gpus", launch.gpus),
            ("nodes", launch.nodes),
        )
    )


def describe(run: Run, tree: Tree, launch: Launch, data: Sequence[str]) -> dict[str, Any]:
    """The record as a mapping, for people and for ``status``."""
    return {
        "run": run.name,
        "host": run.host.name,
        "folder": run.folder,
        "sent": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "commit": tree.commit,
        "branch": tree.branch,
        "pushed": tree.pushed,
        "changed": list(tree.changed),
        "untracked": list(tree.untracked),
        "target": launch.target,
        "configfiles": list(launch.configfiles),
        "gpus": launch.gpus,
        "nodes": launch.nodes,
        "scheduler": launch.scheduler,
        "arguments": list(launch.extra),
        "data": list(data),
    }


def record_files(
    run: Run, tree: Tree, launch: Launch, data: Sequence[str], sent: Sequence[str]
) -> dict[str, str]:
    """Names and contents of the files of a run's record; `sent`: files of the checkout."""
    files = {
        "run.json": json.dumps(describe(run, tree, launch, data), indent=1) + "\n",
        "arguments.sh": arguments_file(launch),
        "files": "".join(f"{path}\0" for path in sent),
    }
    if tree.changed or tree.untracked:
        files["code.diff"] = difference(tree)
    return files


def write_record(folder: Path, files: dict[str, str]) -> None:
    """Put the files of a record into a folder, in place of an earlier record."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "code.diff").unlink(missing_ok=True)
    for name, text in files.items():
        # Names of files and what is in them need not be UTF-8.
        (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
