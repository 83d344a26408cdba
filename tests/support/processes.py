"""Trainings of the small network in processes of their own, as the cluster starts them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from giblet.train.launch import write_job
from tests.support.networks import NETWORK, TRAINING

ROOT = Path(__file__).resolve().parents[2]
LOSSES = ("loss", "brain", "video", "audio", "text")


def clean_environment(**more: str) -> dict[str, str]:
    """This environment without what a launcher would set, and one thread."""
    left_out = ("SLURM_", "GIBLET_")
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    kept = {k: v for k, v in os.environ.items() if k not in names and not k.startswith(left_out)}
    return {**kept, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", **more}


def job_of(study: str | Path, folder: str | Path, **changes: Any) -> Path:
    """Job file of a training of the small network into `folder`."""
    folder = Path(folder)
    names = {
        "model": "model.safetensors", "last": "last.safetensors", "kwargs": "model.json",
        "history": "history.csv", "metrics": "metrics.json", "progress": "log.progress.json",
    }  # fmt: skip
    files = {key: str(folder / name) for key, name in names.items()}
    files |= {"study": str(study), "checkpoints": str(folder / "checkpoints")}
    return write_job(files, {**TRAINING, **NETWORK, **changes}, seed=1, log="the log")


def started(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start ``python -m`` of a module of giblet; what it prints is kept together."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, command)], cwd=ROOT, text=True,
        env=dict(environment or clean_environment()),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def ended(process: subprocess.Popen[str], timeout_s: float = 600) -> tuple[int, str]:
    """Exit status and output of a process, killed when it takes too long."""
    try:
        out, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out


def by_torchrun(job: Path, n: int = 2) -> subprocess.Popen[str]:
    """A training in `n` processes of this machine."""
    return started(["giblet.train.spawn", str(n), job, f"--processes={n}", "--start=test"])


def by_srun(job: Path, n: int = 2, step: int = 0, **more: str) -> list[subprocess.Popen[str]]:
    """The same as ``srun --ntasks=n`` would start it."""
    return [
        started(
            ["giblet.train.worker", job, f"--processes={n}", "--join-s=60"],
            clean_environment(
                SLURM_JOB_ID="42", SLURM_STEP_ID=str(step), SLURM_NTASKS=str(n),
                SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), **more,
            ),
        )
        for rank in range(n)
    ]  # fmt: skip


def rows_of(folder: str | Path) -> list[dict[str, str]]:
    """Rows of history.csv."""
    with (Path(folder) / "history.csv").open() as handle:
        return list(csv.DictReader(handle))


def losses(folder: str | Path) -> list[float]:
    """Every loss of history.csv, those of the modalities too."""
    return [float(row[name]) for row in rows_of(folder) for name in LOSSES if row[name]]
