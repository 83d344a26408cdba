"""The training loop: windows in, best weights out, resumable at any moment."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from giblet.model.dropout import draw_dropout
from giblet.store import replacing
from giblet.train.batches import drawn_batch
from giblet.train.build import build_network, save_weights, set_code_frequencies
from giblet.train.checkpoint import Checkpoints, checkpoint_key
from giblet.train.data import Batch, Study, open_study
from giblet.train.finite import refuse_non_finite, refuse_non_finite_validation
from giblet.train.history import Progress, figures, history_row, write_history
from giblet.train.losses import floors, loss_weights
from giblet.train.objective import draw, evaluate, training_loss
from giblet.train.optim import (
    MovingAverage,
    determinism,
    learning_rate,
    make_optimizer,
    pick_device,
)
from giblet.train.sound import SOUND_SETTINGS, sound_losses
from giblet.train.start import start_from_ridge
from giblet.train.watch import Watch

# Settings of the config block `train`; the others are the network's.
TRAINING = (
    "batch_windows", "bf16", "brain_weight", "video_weight", "audio_weight", "text_weight",
    "checkpoint_every", "clip_norm", "code_frames", "delay_lr_scale", "deterministic", "device",
    "ema_decay", "eval_every", "lr", "modality_dropout", "patience", "start", "start_lr_scale",
    "steps", "subjects_per_step", "tensorboard", "unseen_subjects", "warmup_steps",
    "weight_decay", "window_trs",
    *SOUND_SETTINGS,
)  # fmt: skip


def train_network(
    study: str | Path,
    model: str | Path,
    last: str | Path,
    kwargs: str | Path,
    history: str | Path,
    metrics: str | Path,
    checkpoints: str | Path,
    *,
    seed: int,
    **settings: Any,
) -> dict[str, Any]:
    """Train a network on a study and write its files.

    Parameters
    ----------
    study
        The align stage's ``study.h5``.
    model, last
        Weights with the lowest validation loss, and those of the last step (safetensors).
    kwargs
        JSON with the arguments that rebuild the network.
    history, metrics
        Losses along training (CSV), and the figures of the result (JSON).
    checkpoints
        Folder for the checkpoints of all trainings, each in a folder of its own.
    settings
        The settings of the config blocks ``train`` and ``model`` side by side.

    Returns
    -------
    what `metrics` holds

    Raises
    ------
    TrainError
        If the study has no training or validation TRs, or a loss is not finite.
    ModelError
        If the sizes break the architecture.
    """
    training = {name: settings.pop(name) for name in TRAINING}
    network = {name: value for name, value in settings.items() if name != "name"}
    with (
        open_study(study, without=training["unseen_subjects"]) as opened,
        determinism(bool(training["deterministic"])),
    ):
        run = Training(opened, seed=seed, training=training, network=network)
        key = checkpoint_key(opened, {"seed": seed, **training, **network})
        kept = Checkpoints(Path(checkpoints) / f"{Path(model).parent.name}-{key}")
        events = Path(model).parent / "tensorboard" if training["tensorboard"] else None
        result = run.run(kept, events)
    save_weights(run.net.state_dict(), last)
    save_weights(run.best, model)
    with replacing(kwargs) as partial:
        partial.write_text(json.dumps(run.kwargs, indent=1))
    write_history(run.rows, history)
    with replacing(metrics) as partial:
        partial.write_text(json.dumps(result, indent=1))
    kept.clear()
    return result


class Training:
    """One training run and all that it has to remember.

    Everything random in step ``n`` is a function of the seed and ``n``, so a resumed run sees
    the batches and the dropout that an undisturbed one sees.
    """

    def __init__(
        self,
        study: Study,
        *,
        seed: int,
        training: Mapping[str, Any],
        network: Mapping[str, Any],
    ) -> None:
        self.study, self.seed, self.settings = study, seed, training
        self.device = pick_device(training["device"])
        self.segments = study.segments("train")
        study.segments("val")
        self.window_trs = min(
            int(training["window_trs"]), max(part.stop - part.start for part in self.segments)
        )
        self.weights = loss_weights(training, study.modalities)
        self.net, self.kwargs = build_network(study, seed=seed, **network)
        self.sound = sound_losses(study, training)
        set_code_frequencies(self.net, self.sound.codes.log_unigram)
        self.floor = {
            split: floors(study, split, self.net.frames_out, self.window_trs, self.sound)
            for split in ("train", "val")
        }
        self.sound.to(self.device)
        self.voxel_valid = torch.from_numpy(study.voxel_valid).to(self.device)
        n_trs = sum(part.stop - part.start for part in self.segments)
        self.steps_per_epoch = max(
            1, math.ceil(n_trs / (self.window_trs * int(training["batch_windows"])))
        )
        self.optimizer = make_optimizer(self.net, training)
        self.average = MovingAverage(self.net, float(training["ema_decay"]))
        self.progress = Progress(int(training["steps"]), 0)
        self.watch = Watch(0, 0, None)
        self.rows: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] = {}
        # Plain numbers only: this goes through JSON into the checkpoints.
        self.state: dict[str, Any] = {
            "step": 0, "best_loss": math.inf, "best_step": 0, "best": {}, "bad_evals": 0,
            "started": {}, "sums": {}, "seconds": 0.0, "trs": 0,
        }  # fmt: skip

    def run(self, kept: Checkpoints, events: Path | None = None) -> dict[str, Any]:
        """Train until the last step, or until validation stops improving."""
        began = time.monotonic()
        before = self._begin(kept) - (0 if self.rows else time.monotonic() - began)
        with Watch(int(self.settings["steps"]), self.state["step"], events) as self.watch:
            self._steps(kept, before - began)
        self.state["seconds"] = before + time.monotonic() - began
        return figures(
            self.state,
            self.net,
            self.floor,
            subjects=self.study.subjects,
            trs_per_s=self.progress.trs_per_s,
            device=self.device,
        )

    def _begin(self, kept: Checkpoints) -> float:
        """Load the last checkpoint, or start; seconds that were trained before."""
        self.net.to(self.device)
        self.average.to(self.device)
        loaded = kept.load(self.net, self.optimizer, self.average)
        if loaded is not None:
            self.best, self.state = loaded
            self.rows = self.state.pop("rows")
            print(f"resuming after step {self.state['step']} from {kept.folder}")
        elif self.settings["start"] == "ridge":
            self.state["started"] = start_from_ridge(self.net.cpu(), self.study)
            self.net.to(self.device)
            print("start:", json.dumps(self.state["started"]), flush=True)
        if loaded is None:
            self.average.update(self.net)
        self.progress = Progress(int(self.settings["steps"]), self.state["step"])
        return float(self.state["seconds"])

    def _steps(self, kept: Checkpoints, clock_s: float) -> None:
        """All steps that are left; `clock_s` added to the clock gives the seconds trained."""
        n_steps = int(self.settings["steps"])
        if not self.rows:
            self._evaluate(0)
        while self.state["step"] < n_steps and not self._stopped():
            step = self.state["step"] + 1
            self._step(step)
            self.state["step"] = step
            self.watch.step(step, self.progress.trs_per_s)
            if step % int(self.settings["eval_every"]) == 0 or step == n_steps:
                self._log_train(step)
                self._evaluate(step)
            if step % int(self.settings["checkpoint_every"]) == 0 and step < n_steps:
                self.state["seconds"] = clock_s + time.monotonic()
                state = {**self.state, "rows": self.rows}
                kept.save(step, self.net, self.optimizer, self.best, state, self.average)

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        return drawn_batch(
            self.study,
            self.segments,
            self.settings,
            window_trs=self.window_trs,
            context=self.net.context_trs,
            follow=self.net.delag.n_follow,
            seed=self.seed,
            step=step,
        )

    def _step(self, step: int) -> None:
        batch = self.batch(step)
        draws = draw(
            batch,
            n_frames=self.study.max_frames,
            code_frames=int(self.settings["code_frames"]),
            modality_dropout=float(self.settings["modality_dropout"]),
            has=batch.stimulus.has,
            seed=self.seed,
            step=step,
        )
        self.net.train()
        draw_dropout(self.net, self.seed, step, range(len(batch.windows)))
        for group in self.optimizer.param_groups:
            group["lr"] = group["scale"] * learning_rate(step, self.settings)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=bool(self.settings["bf16"])
        ):
            loss, parts = training_loss(
                self.net,
                batch.to(self.device),
                draws,
                voxel_valid=self.voxel_valid,
                sound=self.sound,
                floor=self.floor["train"],
                weights=self.weights,
            )
        refuse_non_finite(loss, self.study, batch, self.settings, step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), float(self.settings["clip_norm"]))
        refuse_non_finite(norm, self.study, batch, self.settings, step)
        self.optimizer.step()
        self.average.update(self.net)
        sums = self.state["sums"]
        for name, value in {"loss": loss, **parts}.items():
            total, count = sums.get(name, (0.0, 0))
            sums[name] = (total + float(torch.as_tensor(value).detach()), count + 1)
        n_trs = int(batch.target.sum())
        self.state["trs"] += n_trs
        self.progress.add(n_trs)

    def _log_train(self, step: int) -> None:
        sums = {name: total / count for name, (total, count) in self.state["sums"].items()}
        self.state["sums"] = {}
        self._add_row(step, "train", sums.pop("loss"), sums)

    def _evaluate(self, step: int) -> None:
        net = self.average.of(self.net)
        loss, parts, paths = evaluate(
            net,
            self.study,
            split="val",
            window_trs=self.window_trs,
            sound=self.sound,
            floor=self.floor["val"],
            weights=self.weights,
        )
        self._add_row(step, "val", loss, parts)
        refuse_non_finite_validation(loss, self.study, step=step)
        if loss < self.state["best_loss"]:
            self.state |= {"best_loss": loss, "best_step": step, "bad_evals": 0}
            self.state["best"] = {**parts, **{path: paths[path] for path in paths}}
            self.best = {k: v.detach().cpu().clone() for k, v in net.state_dict().items()}
        else:
            self.state["bad_evals"] += 1

    def _stopped(self) -> bool:
        patience = int(self.settings["patience"])
        if patience and self.state["bad_evals"] >= patience:
            print(f"no better for {patience} evaluations: stopping", flush=True)
            return True
        return False

    def _add_row(self, step: int, split: str, loss: float, parts: Mapping[str, float]) -> None:
        row = history_row(
            step=step,
            epoch=step // self.steps_per_epoch,
            split=split,
            loss=loss,
            parts=parts,
            lr=learning_rate(step, self.settings),
            trs_per_s=self.progress.trs_per_s,
        )
        self.rows.append(row)
        self.watch.row(row)
        self.progress.line(row)
