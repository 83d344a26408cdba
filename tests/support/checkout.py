"""A private copy of the workflow to run, break and edit."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "Snakefile",
    "rules",
    "workflow",
    "giblet",
    "config",
    "profiles",
    "environment.yml",
    "pyproject.toml",
)
WARM = Path(__file__).with_name("warm.py")
TINY = ("--configfile", "config/datasets/tiny.yaml")


def heed_interrupts() -> None:
    """Undo that a shell had tests which it runs in the background ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Planner:
    """Client of tests/support/planner.py."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "support" / "planner.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def __call__(self, cwd: Path, *argv: str) -> tuple[int, str]:
        """Run ``snakemake`` with arguments in a folder; exit code and what it printed."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"cwd": str(cwd), "argv": argv}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["code"], answer["output"]

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def environment(**extra: str) -> dict[str, str]:
    """Environment in which a copied checkout finds its own library, with one thread."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIBLET_", "SNAKEMAKE_", "PYTEST_"))
    }
    return {**kept, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **extra}


class Checkout:
    """A copy of the repository's workflow in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def make(cls, folder: Path) -> Checkout:
        """Copy what the workflow needs, without results."""
        folder.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / part)
        return cls(folder)

    def copy(self, folder: Path) -> Checkout:
        """Copy everything, results and Snakemake's records included, times kept."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Checkout(folder)

    def start(
        self,
        *arguments: str,
        cores: int = 2,
        leads: bool = False,
        warm: bool = False,
        **extra: str,
    ) -> subprocess.Popen[str]:
        """Start ``snakemake`` in the copy without waiting.

        Parameters
        ----------
        leads
            A group of processes of its own, as one that a terminal's shell starts.
        warm
            Jobs start with the large libraries loaded (``tests/support/warm.py``).
        """
        program = [str(WARM)] if warm else ["-m", "snakemake"]
        return subprocess.Popen(
            [sys.executable, *program, "--cores", str(cores), *arguments],
            cwd=self.folder,
            env=environment(PYTHONPATH=str(self.folder), **extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0 if leads else None,
            preexec_fn=heed_interrupts if leads else None,
        )

    def snakemake(
        self, *arguments: str, cores: int = 2, warm: bool = False, **extra: str
    ) -> tuple[int, str]:
        """Run ``snakemake`` in the copy; exit code and what it printed."""
        process = self.start(*arguments, cores=cores, warm=warm, **extra)
        output, _ = process.communicate(timeout=1800)
        return process.returncode, output


def nested(key: str, value: Any) -> dict[str, Any]:
    """A setting, named by its path with slashes, as it stands in a configuration."""
    for part in reversed(key.split("/")):
        value = {part: value}
    return value


def planned_jobs(output: str) -> Counter[str]:
    """Jobs per rule in what a dry run printed; empty when nothing is to be done."""
    counts: Counter[str] = Counter()
    table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\n *\n", output, re.DOTALL)
    if table:
        for line in table.group(1).splitlines():
            name, number = line.split()
            if name != "total":
                counts[name] = int(number)
    return counts
