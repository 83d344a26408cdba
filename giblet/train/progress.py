"""How far a training is, as a small JSON file beside its log, for whoever watches.

Written by the first process alone, under a temporary name, at every change of state and at
most every two seconds otherwise.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from giblet.errors import Stopped, StoreError
from giblet.store import replacing
from giblet.train.group import Workers
from giblet.train.place import host_name

EVERY_S = 2.0


def progress_path(log: str | Path) -> Path:
    """Where the progress of the training with that log stands."""
    return Path(log).with_suffix(".progress.json")


class Report:
    """The progress file of one training.

    Parameters
    ----------
    path
        Where; None writes nothing.
    workers
        The processes that train.
    """

    def __init__(self, path: str | Path | None, workers: Workers) -> None:
        self.path = Path(path) if path and workers.is_first else None
        self.device, now, self._written = workers.device, time.time(), 0.0
        self.found: dict[str, Any] = {
            "state": "starting", "step": 0, "steps": 0, "loss": None, "val_loss": None,
            "best_loss": None, "best_step": None, "floor": 1.0, "trs_per_s": None, "eta_s": None,
            "started": now, "updated": now, "host": host_name(), "pid": os.getpid(),
            "slurm_job_id": os.environ.get("SLURM_JOB_ID"), "device": str(workers.device),
            "world_size": workers.world_size, "gpu_memory_gb": None, "gpu_utilisation": None,
            "loading_share": None, "message": "",
        }  # fmt: skip

    def tell(self, **changes: Any) -> None:
        """Change some entries; a change of state is written at once."""
        at_once = changes.get("state", self.found["state"]) != self.found["state"]
        self.found |= changes
        if self.path is None:
            return
        if at_once or not self._written or time.monotonic() - self._written > EVERY_S:
            self.found |= {"updated": time.time(), **_gpu(self.device)}
            write_progress(self.path, self.found)
            self._written = time.monotonic()

    @contextmanager
    def ending(self) -> Iterator[Report]:
        """Say at the end of the block how it ended."""
        self.tell()
        try:
            yield self
        except Stopped as error:
            self.tell(state="stopped", message=str(error))
            raise
        except BaseException as error:
            self.tell(state="failed", message=f"{type(error).__name__}: {error}")
            raise
        self.tell(state="finished", eta_s=0.0)


def write_progress(path: Path, found: Mapping[str, Any]) -> None:
    """Write a progress file; a full disk does not end the training that it is about."""
    plain = {k: None if v in (float("inf"), float("-inf")) else v for k, v in found.items()}
    try:
        with replacing(path) as partial:
            partial.write_text(json.dumps(plain, indent=1))
    except StoreError as error:
        print(f"warning: {error}", flush=True)


def _gpu(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {}
    found: dict[str, Any] = {"gpu_memory_gb": torch.cuda.max_memory_allocated(device) / 1e9}
    try:
        found["gpu_utilisation"] = torch.cuda.utilization(device)
    except Exception:  # needs a package of the driver's maker, which may not be there
        found["gpu_utilisation"] = None
    return found
