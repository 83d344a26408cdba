"""How trainings go, from the progress files that they keep beside their logs."""

from __future__ import annotations

import json
import os
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from giblet.watching.state import CheckpointState, TensorBoard, TrainingState

# A training says something every few seconds, but for the time of a long evaluation.
SILENT_AFTER_S = 120
# One whose process is not there is given less; in a container a process may not be seen.
GONE_AFTER_S = 15
_ACTIVE = ("starting", "training")
_KEYS = tuple(
    part.name
    for part in fields(TrainingState)
    if part.name not in ("name", "state", "silent_s", "file")
)


def trainings(folder: Path, dataset: str, now: float | None = None) -> list[TrainingState]:
    """All trainings of a data set, those at work first."""
    now = time.time() if now is None else now
    root = folder / "logs" / dataset / "train"
    found = [
        state
        for path in sorted(root.glob("**/*.progress.json"))
        if (state := read_progress(path, root, now)) is not None
    ]
    order = ("training", "starting", "silent", "failed", "stopped", "finished")
    return sorted(found, key=lambda one: (order.index(one.state), one.name))


def read_progress(path: Path, root: Path, now: float) -> TrainingState | None:
    """One training; None for a file that is gone or is not such a file.

    A training that says it is at work but has said nothing for two minutes, or for some seconds
    and its process is gone from this host, is ``silent``.
    """
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        state = str(said["state"])
        updated = float(said.get("updated") or path.stat().st_mtime)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    silent_s = None
    quiet_s = now - updated
    limit_s = GONE_AFTER_S if _is_gone(said) else SILENT_AFTER_S
    if state in _ACTIVE and quiet_s > limit_s:
        state, silent_s = "silent", quiet_s
    elif state not in (*_ACTIVE, "stopped", "finished", "failed"):
        return None
    known: dict[str, Any] = {key: said.get(key) for key in _KEYS}
    if known["slurm_job_id"] is not None:
        known["slurm_job_id"] = str(known["slurm_job_id"])
    name = str(path.relative_to(root)).removesuffix(".progress.json")
    return TrainingState(
        name=name, state=state, silent_s=silent_s, file=str(path), **{**known, "updated": updated}
    )


def _is_gone(said: dict[str, Any]) -> bool:
    import psutil

    here = said.get("host") == os.uname().nodename
    return here and isinstance(said.get("pid"), int) and not psutil.pid_exists(said["pid"])


def last_checkpoint(folder: Path, dataset: str) -> CheckpointState | None:
    """The newest checkpoint of the trainings that are not done; those that are keep none."""
    found = []
    for path in (folder / "results" / dataset / "train").glob("**/.checkpoints/**/step-*"):
        try:
            about = path.stat()
        except OSError:  # replaced by a newer one meanwhile
            continue
        if path.suffix == ".safetensors":
            found.append(CheckpointState(str(path), about.st_mtime, about.st_size))
    return max(found, key=lambda one: one.written, default=None)


def tensorboard(folder: Path, dataset: str) -> TensorBoard | None:
    """Where event files lie, if there are any."""
    root = folder / "results" / dataset / "train"
    if not any(root.glob("**/tensorboard/events.out.*")):
        return None
    shown = os.path.relpath(root)
    return TensorBoard(str(root), f"tensorboard --logdir {shown}")
