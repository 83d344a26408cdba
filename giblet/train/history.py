"""What training reports: rows of history.csv and lines of the log."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from giblet.model.network import GibletNet
from giblet.store import replacing
from giblet.train.group import Workers

COLUMNS = (
    "step", "epoch", "split", "loss", "brain", "video", "audio", "text", "lr", "trs_per_s",
)  # fmt: skip


def history_row(
    *,
    step: int,
    epoch: int,
    split: str,
    loss: float,
    parts: Mapping[str, float],
    lr: float,
    trs_per_s: float,
) -> dict[str, Any]:
    """One row of history.csv; a modality that the study lacks stays empty."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    row |= {"step": step, "epoch": epoch, "split": split, "loss": float(loss), "lr": lr}
    row |= {
        name: float(parts[name]) for name in ("brain", "video", "audio", "text") if name in parts
    }
    row["trs_per_s"] = round(trs_per_s, 3)
    return row


def write_history(rows: list[dict[str, Any]], path: str | Path) -> None:
    """Write history.csv."""
    with replacing(path) as partial, partial.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def figures(
    state: Mapping[str, Any],
    net: GibletNet,
    floor: Mapping[str, Mapping[str, float]],
    *,
    subjects: Sequence[str],
    trs_per_s: float,
    loading_share: float,
    workers: Workers,
) -> dict[str, Any]:
    """What metrics.json holds, from the state that training ended in."""
    return {
        "steps": state["step"],
        "best_step": state["best_step"],
        "val_loss": state["best_loss"],
        "val": state["best"],
        "constant_predictor": floor,
        "start": state["started"],
        "subjects": list(subjects),
        "parameters": sum(part.numel() for part in net.parameters()),
        "layer_widths": net.layer_widths(),
        "seconds": round(state["seconds"], 1),
        "trs_per_s": round(trs_per_s, 2),
        "loading_share": round(loading_share, 4),
        "device": workers.device.type,
        "processes": workers.world_size,
    }


class Progress:
    """Plain lines with rate and remaining time.

    Parameters
    ----------
    n_steps, first_step
        Steps in all, and the one this process starts at.
    """

    def __init__(self, n_steps: int, first_step: int) -> None:
        self.n_steps, self.first, self.began = n_steps, first_step, time.monotonic()
        self.trs = 0

    def add(self, n_trs: int) -> None:
        """Count TRs that were trained on."""
        self.trs += n_trs

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def trs_per_s(self) -> float:
        return self.trs / max(self.seconds, 1e-9)

    def left_s(self, step: int) -> float:
        """Seconds that the steps after this one will take."""
        return self.seconds / max(step - self.first, 1) * (self.n_steps - step)

    def line(self, row: Mapping[str, Any]) -> None:
        """Print one row of the history."""
        left_s = self.left_s(row["step"])
        parts = "  ".join(
            f"{name} {row[name]:.3f}"
            for name in ("loss", "brain", "video", "audio", "text")
            if row[name] != ""
        )
        print(
            f"step {row['step']}/{self.n_steps}  {row['split']:5s}  {parts}  "
            f"{self.trs_per_s:.0f} TRs/s  {int(left_s) // 60}:{int(left_s) % 60:02d} left",
            flush=True,
        )
