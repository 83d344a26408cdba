"""Checkpoints to resume from: safetensors with JSON beside the tensors, never pickle.

They live outside the rule's outputs, which Snakemake deletes when a job fails, in a folder
named by a hash of the settings, the code and the study. The last two are kept; a damaged one
is passed over for the one before it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from giblet.errors import TrainError
from giblet.store import provenance, replacing
from giblet.train.data import Study

KEPT = 2
# In the message of a write that found no room.
FULL = ("No space left", "os error 28", "Disk quota exceeded", "os error 122")


def checkpoint_key(study: Study, settings: Mapping[str, Any]) -> str:
    """Hash of what a training run depends on: settings, code, and the study's content.

    The study counts through its statistics and how it was made; hashing terabytes of video
    to the last byte would take longer than the training step it saves.
    """
    digest = hashlib.sha256()
    made_by = provenance()
    digest.update(json.dumps(dict(settings), sort_keys=True, default=str).encode())
    digest.update(str(made_by.get("code", "")).encode())
    for name, value in sorted(study.file.attrs.items()):
        digest.update(f"{name}={np.asarray(value).tolist()}".encode())

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            digest.update(f"{name}{item.shape}".encode())
            digest.update(np.ascontiguousarray(item[()]).tobytes())

    study.file["stats"].visititems(visit)
    for run in study.runs:
        digest.update(run.name.encode() + run.split.tobytes() + run.stim_valid.tobytes())
    return digest.hexdigest()[:16]


class Checkpoints:
    """The checkpoints of one training run.

    Parameters
    ----------
    folder
        Where they lie; made when the first is written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.safetensors"))

    def save(
        self,
        step: int,
        net: nn.Module,
        optimizer: torch.optim.Optimizer,
        best: Mapping[str, Tensor],
        state: Mapping[str, Any],
        average: nn.Module | None = None,
    ) -> Path:
        """Write everything that training needs to go on after `step`."""
        from safetensors.torch import save_file

        tensors = {f"net/{name}": value for name, value in net.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in best.items()}
        if average is not None:
            tensors |= {f"average/{name}": value for name, value in average.state_dict().items()}
        held = optimizer.state_dict()["state"]
        for number, values in held.items():
            for name, value in values.items():
                tensors[f"optimizer/{number}/{name}"] = torch.as_tensor(value)
        tensors = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
        path = self.folder / f"step-{step:08d}.safetensors"
        needed = sum(value.nbytes for value in tensors.values())
        self.folder.mkdir(parents=True, exist_ok=True)
        self._refuse_full_disk(path, needed)
        with replacing(path) as partial:
            try:
                save_file(tensors, partial, metadata={"state": json.dumps(dict(state))})
            except Exception as error:  # safetensors' own exception, whatever the cause
                self._refuse_full_disk(path, needed, error)
                raise
        for old in self._paths()[:-KEPT]:
            old.unlink()
        return path

    def _refuse_full_disk(self, path: Path, needed: int, error: Exception | None = None) -> None:
        free = shutil.disk_usage(self.folder).free
        if error is None and free >= needed:
            return
        if error is not None and not any(word in str(error) for word in FULL):
            return
        raise TrainError(
            f"{path}: no space for a checkpoint: it needs {needed / 1e6:.1f} MB, its disk has "
            f"{free / 1e6:.1f} MB free; checkpoints before it are untouched: free some space, or "
            "move results/ to a larger disk, and run again to go on from the last one"
        ) from error

    def newest(self) -> str | None:
        """Name of the newest readable checkpoint; None without one."""
        for path in reversed(self._paths()):
            try:
                _read(path)
            except Exception as error:  # whatever damage does to a file must not stop training
                print(f"warning: {path}: damaged, using the checkpoint before it ({error})")
                continue
            return path.name
        return None

    def load(
        self,
        name: str,
        net: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: nn.Module | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Put back a checkpoint.

        Parameters
        ----------
        name
            From :meth:`newest`.

        Returns
        -------
        best weights so far and the state given to :meth:`save`
        """
        tensors, state = _read(self.folder / name)
        net.load_state_dict(_under(tensors, "net/"))
        if average is not None:
            average.load_state_dict(_under(tensors, "average/"))
        held: dict[int, dict[str, Tensor]] = {}
        for key, value in _under(tensors, "optimizer/").items():
            number, _, what = key.partition("/")
            held.setdefault(int(number), {})[what] = value
        # Rates, decays and which weights are in which group: as they were built.
        groups = torch.optim.Optimizer.state_dict(optimizer)["param_groups"]
        optimizer.load_state_dict({"state": held, "param_groups": groups})
        return _under(tensors, "best/"), state

    def clear(self) -> None:
        """Remove the folder: training is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state: dict[str, Any] = json.loads(file.metadata()["state"])
    return tensors, state


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
