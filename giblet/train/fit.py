"""A study in, a trained network's files out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from giblet.store import replacing
from giblet.train.build import save_weights
from giblet.train.checkpoint import Checkpoints, checkpoint_key
from giblet.train.data import open_study
from giblet.train.group import Workers, pick_device
from giblet.train.history import write_history
from giblet.train.loop import Training
from giblet.train.optim import determinism
from giblet.train.progress import Report
from giblet.train.sound import SOUND_SETTINGS

# Settings of the config block `train`; the others are the network's.
TRAINING = (
    "batch_windows", "bf16", "brain_weight", "video_weight", "audio_weight", "text_weight",
    "checkpoint_every", "clip_norm", "code_frames", "delay_lr_scale", "deterministic", "device",
    "ema_decay", "eval_every", "lr", "modality_dropout", "patience", "sharding", "start",
    "start_lr_scale", "steps", "subjects_per_step", "tensorboard", "unseen_subjects",
    "warmup_steps", "weight_decay", "window_trs",
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
    progress: str | Path | None = None,
    workers: Workers | None = None,
    gpus: int = 0,
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
    progress
        JSON that says how far training is; None writes none.
    workers
        The processes that train together, each calling this; None: this one alone. The first
        alone writes files.
    gpus
        GPUs that the job asked for; with some, a single process does not train on the CPU.
    settings
        The settings of the config blocks ``train`` and ``model`` side by side.

    Returns
    -------
    what `metrics` holds

    Raises
    ------
    TrainError
        If the study has no training or validation TRs, or a loss is not finite.
    Stopped
        If it was asked to stop by a signal; a checkpoint to go on from is written.
    ModelError
        If the sizes break the architecture.
    """
    training = {name: settings.pop(name) for name in TRAINING}
    network = {name: value for name, value in settings.items() if name != "name"}
    workers = workers or Workers(device=pick_device(training["device"], gpus=gpus))
    with (
        Report(progress, workers).ending() as report,
        open_study(study, without=training["unseen_subjects"]) as opened,
        determinism(bool(training["deterministic"])),
    ):
        run = Training(
            opened, seed=seed, training=training, network=network, workers=workers, report=report
        )
        key = checkpoint_key(opened, {"seed": seed, **training, **network})
        kept = Checkpoints(Path(checkpoints) / f"{Path(model).parent.name}-{key}")
        events = Path(model).parent / "tensorboard" if training["tensorboard"] else None
        result = run.run(kept, events)
        if workers.is_first:
            save_weights(run.net.state_dict(), last)
            save_weights(run.best, model)
            _write_json(kwargs, run.kwargs)
            write_history(run.rows, history)
            _write_json(metrics, result)
            kept.clear()
    return result


def _write_json(path: str | Path, values: Mapping[str, Any]) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(values, indent=1))
