"""The training loop: windows in, best weights out, resumable at any moment.

The same for one process and for several that share every batch (:mod:`giblet.train.group`):
all of them decide everything from numbers that were summed over all, and only the first writes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from giblet.errors import Stopped
from giblet.model.dropout import draw_dropout
from giblet.train.batches import Ahead, Share, drawn_share, own_windows
from giblet.train.build import build_network, set_code_frequencies
from giblet.train.checkpoint import Checkpoints
from giblet.train.data import Study
from giblet.train.finite import refuse_non_finite, refuse_non_finite_validation
from giblet.train.group import Workers
from giblet.train.history import Progress, figures, history_row
from giblet.train.losses import floors, loss_weights
from giblet.train.objective import Objective, evaluate, shared_objective
from giblet.train.optim import MovingAverage, gather_moments, learning_rate, make_optimizer
from giblet.train.progress import Report
from giblet.train.sound import sound_losses
from giblet.train.start import start_from_ridge
from giblet.train.stopping import Asked, agreed
from giblet.train.watch import Watch


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
        workers: Workers,
        report: Report,
    ) -> None:
        self.study, self.seed, self.settings = study, seed, training
        self.workers, self.device, self.report = workers, workers.device, report
        self.own_windows = own_windows(workers, int(training["batch_windows"]))
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
            split: floors(study, split, self.net.frames_out, self.window_trs, self.sound, workers)
            for split in ("train", "val")
        }
        self.sound.to(self.device)
        n_trs = sum(part.stop - part.start for part in self.segments)
        self.steps_per_epoch = max(
            1, math.ceil(n_trs / (self.window_trs * int(training["batch_windows"])))
        )
        self.net.to(self.device)
        sharded = workers.many and training["sharding"] == "optimizer"
        self.optimizer = make_optimizer(self.net, training, sharded=sharded)
        self.average = MovingAverage(self.net, float(training["ema_decay"])).to(self.device)
        self.progress = Progress(int(training["steps"]), 0)
        self.watch, self.ahead = Watch(0, 0, None), Ahead(self.share, int(training["steps"]))
        self.asked = Asked()
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
        self.clock_s = before - began
        shown = events if self.workers.is_first else None
        with (
            Watch(int(self.settings["steps"]), self.state["step"], shown) as self.watch,
            self.ahead,
            self.asked,
        ):
            self._steps(kept)
        self.state["seconds"] = self.clock_s + time.monotonic()
        return figures(
            self.state,
            self.net,
            self.floor,
            subjects=self.study.subjects,
            trs_per_s=self.progress.trs_per_s,
            loading_share=self._loading_share(),
            workers=self.workers,
        )

    def _begin(self, kept: Checkpoints) -> float:
        """Load the last checkpoint, or start; seconds that were trained before."""
        newest = self.workers.told(kept.newest)
        if newest is not None:
            self.best, self.state = kept.load(newest, self.net, self.optimizer, self.average)
            self.rows = self.state.pop("rows")
            print(f"resuming after step {self.state['step']} from {kept.folder}", flush=True)
        else:
            if self.settings["start"] == "ridge":
                self.state["started"] = self.workers.told(self._ridge)
                print("start:", json.dumps(self.state["started"]), flush=True)
            self.workers.broadcast(self.net.state_dict().values())
            self.average.update(self.net)
            if self.settings["start"] == "ridge":
                self._save(kept)
        objective = Objective(
            self.net,
            voxel_valid=torch.from_numpy(self.study.voxel_valid).to(self.device),
            sound=self.sound,
            floor=self.floor["train"],
            weights=self.weights,
            workers=self.workers,
        )
        self.objective = shared_objective(objective)
        self.progress = Progress(int(self.settings["steps"]), self.state["step"])
        self._tell(state="training")
        return float(self.state["seconds"])

    def _ridge(self) -> dict[str, Any]:
        started = start_from_ridge(self.net.cpu(), self.study)
        self.net.to(self.device)
        return started

    def _steps(self, kept: Checkpoints) -> None:
        """All steps that are left."""
        n_steps, every = int(self.settings["steps"]), int(self.settings["checkpoint_every"])
        self._evaluate_if_due()
        while self.state["step"] < n_steps and not self._patience_is_over():
            step = self.state["step"] + 1
            stopped_by = self._step(step)
            self.state["step"] = step
            self.watch.step(step, self.progress.trs_per_s)
            self._tell()
            if stopped_by:
                self._stop(kept, stopped_by)
            if self._evaluate_if_due() and step < n_steps:
                stopped_by = agreed(self.workers.sum(self.asked.flags()))
                if stopped_by:
                    self._stop(kept, stopped_by)
            if step % every == 0 and step < n_steps:
                self._save(kept)

    def _stop(self, kept: Checkpoints, stopped_by: str) -> None:
        """Write a checkpoint and leave, on all processes."""
        self._save(kept)
        message = (
            f"stopped by {stopped_by} after step {self.state['step']} of "
            f"{self.settings['steps']}; run again to go on from there"
        )
        # All is said and written before the first of several processes ends, which ends them all.
        self._tell(state="stopped", message=message)
        if self.workers.many:
            print(message, flush=True)
        self.workers.wait()
        raise Stopped(message)

    def _save(self, kept: Checkpoints) -> None:
        if self.rows:
            self.state["seconds"] = self.clock_s + time.monotonic()
        gather_moments(self.optimizer)
        if self.workers.is_first:
            state = {**self.state, "rows": self.rows}
            step = self.state["step"]
            kept.save(step, self.net, self.optimizer, self.best, state, self.average)

    def share(self, step: int) -> Share:
        """What this process computes of a step."""
        return drawn_share(
            self.study,
            self.segments,
            self.settings,
            self.own_windows,
            window_trs=self.window_trs,
            context=self.net.context_trs,
            follow=self.net.delag.n_follow,
            seed=self.seed,
            step=step,
        )

    def _step(self, step: int) -> str:
        """One step; the signal by which any process was asked to stop meanwhile."""
        share = self.ahead.take(step)
        self.net.train()
        draw_dropout(self.net, self.seed, step, share.numbers)
        for group in self.optimizer.param_groups:
            group["lr"] = group["scale"] * learning_rate(step, self.settings)
        also = [float(share.batch.target.sum()), *self.asked.flags()]
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=bool(self.settings["bf16"])
        ):
            loss, found, (n_trs, *flags) = self.objective(
                share.batch.to(self.device), share.draws, also
            )
        refuse_non_finite(found["loss"], self.study, share, self.settings, step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.net.parameters(), float(self.settings["clip_norm"]))
        refuse_non_finite(norm, self.study, share, self.settings, step)
        self.optimizer.step()
        self.average.update(self.net)
        sums = self.state["sums"]
        for name, value in found.items():
            total, count = sums.get(name, (0.0, 0))
            sums[name] = (total + value, count + 1)
        self.state["trs"] += int(n_trs)
        self.progress.add(int(n_trs))
        self.report.found["loss"] = found["loss"]
        return agreed(flags)

    def _evaluate_if_due(self) -> bool:
        """Evaluate after this step unless it was done before; whether it was done now."""
        step = self.state["step"]
        due = step % int(self.settings["eval_every"]) == 0 or step == int(self.settings["steps"])
        done = bool(self.rows) and self.rows[-1]["step"] == step
        if not due or done:
            return False
        if step:
            sums = {name: total / count for name, (total, count) in self.state["sums"].items()}
            self.state["sums"] = {}
            self._add_row(step, "train", sums.pop("loss"), sums)
        self._evaluate(step)
        return True

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
            workers=self.workers,
        )
        self._add_row(step, "val", loss, parts)
        refuse_non_finite_validation(loss, self.study, step=step)
        if loss < self.state["best_loss"]:
            self.state |= {"best_loss": loss, "best_step": step, "bad_evals": 0}
            self.state["best"] = {**parts, **{path: paths[path] for path in paths}}
            self.best = {k: v.detach().cpu().clone() for k, v in net.state_dict().items()}
        else:
            self.state["bad_evals"] += 1
        self._tell(val_loss=loss)

    def _patience_is_over(self) -> bool:
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

    def _loading_share(self) -> float:
        return self.ahead.waited_s / max(self.progress.seconds, 1e-9)

    def _tell(self, **changes: Any) -> None:
        self.report.tell(
            step=self.state["step"],
            steps=int(self.settings["steps"]),
            best_loss=self.state["best_loss"],
            best_step=self.state["best_step"],
            trs_per_s=self.progress.trs_per_s,
            eta_s=self.progress.left_s(self.state["step"]),
            loading_share=self._loading_share(),
            **changes,
        )
