"""The rule ``train_codec``: material, training, figures, and a model card.

Writes the layout that ``from_pretrained`` reads, so that the folder can be named as
``features/audio/codec``.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np

from giblet.errors import CodecError
from giblet.features import codec_material
from giblet.features.codec import Codec
from giblet.features.codec_export import save_codec
from giblet.features.codec_quality import quality
from giblet.store import replacing

# Held-out sound for the model card, of another seed than the training pool.
HELD_OUT_MINUTES = 1.0
HELD_OUT_SEED_OFFSET = 7919


def train_codec(
    out: str | Path,
    *,
    steps: int,
    batch: int,
    seconds: float,
    seed: int,
    source: str | None = None,
    start_from: str | None = None,
    pool_minutes: float = 60.0,
    synthetic_share: float = 0.5,
    sample_rate_hz: int = 12000,
    n_codebooks: int = 8,
    codebook_size: int = 1024,
    num_filters: int = 24,
    hidden_size: int = 96,
    learning_rate: float = 3e-4,
    max_minutes: float = 0.0,
    report_every: int = 250,
    device: str = "auto",
    n_threads: int = 1,
) -> None:
    """Train an EnCodec and write it as a folder.

    Writes ``config.json``, ``model.safetensors``, ``history.csv`` (a row every
    `report_every` steps: step, seconds, and the means of the training figures since the
    last row) and ``README.md``.

    Parameters
    ----------
    steps, batch, seconds
        Optimiser steps, examples in each, and their length in seconds.
    source
        Folder of recordings to train on, see :func:`codec_material.folder_pool`; None for
        synthesised sound.
    start_from
        A codec by name or folder to train on from, which then sets the sizes; None to start
        from a lapped transform.
    pool_minutes
        Minutes of synthesised speech to draw examples from, and half as much music and effects.
    synthetic_share
        Share of the examples that is synthesised where there are recordings.
    num_filters, hidden_size
        Width of the network, and size of a latent.
    max_minutes
        End after this time even if `steps` are not done; 0 for no limit.
    device
        ``cpu``, ``cuda``, or ``auto``, a GPU where there is one. A GPU adds up in another order
        each time, so its weights cannot be made again to the last bit.
    n_threads
        Threads that share the examples of a step; processes that make examples for a GPU.

    Raises
    ------
    CodecError
        If `source` holds no audio files, `start_from` is of other sizes, there is no GPU as
        asked for, or training diverged.
    """
    import torch

    from giblet.features.codec_training import Schedule, Trainer, new_model, pick_device

    pick_device(device)  # before a quarter of an hour goes into making sound
    torch.manual_seed(seed)
    folder = Path(out)
    torch.set_num_threads(1)
    material = codec_material.gather(
        source,
        sample_rate_hz=sample_rate_hz,
        minutes=pool_minutes,
        synthetic_share=synthetic_share,
        seed=seed,
    )
    if start_from:
        model = _trained_before(start_from, sample_rate_hz, n_codebooks, codebook_size)
    else:
        model = new_model(sample_rate_hz, n_codebooks, codebook_size, num_filters, hidden_size)
    schedule = Schedule(steps, batch, seconds, learning_rate, max_minutes)
    trainer = Trainer(
        model,
        material,
        schedule,
        seed,
        fresh=not start_from,
        n_threads=n_threads,
        device=device,
    )
    history = _run(trainer, folder, report_every)
    save_codec(trainer.inner.exported(), folder)
    _write_history(folder / "history.csv", history)
    held_out = codec_material.synthetic_pool(
        sample_rate_hz, HELD_OUT_MINUTES, seed + HELD_OUT_SEED_OFFSET
    )
    loaded = Codec.load(folder, sample_rate_hz, n_codebooks)
    figures = {
        "speech": quality(loaded, held_out.speech),
        "music and effects": quality(loaded, held_out.other),
    }
    with replacing(folder / "README.md") as partial:
        partial.write_text(
            _card(loaded, trainer, _data(source, material), figures), encoding="utf-8"
        )


def _trained_before(name: str, sample_rate_hz: int, n_codebooks: int, codebook_size: int) -> Any:
    from giblet.features.codec_quantiser import resume

    codec = Codec.load(name)
    found = (codec.sample_rate_hz, codec.n_codebooks, codec.codebook_size)
    wanted = (sample_rate_hz, n_codebooks, codebook_size)
    if found != wanted:
        raise CodecError(
            f"features/train_codec/start_from {name!r} has (sample_rate_hz, n_codebooks, "
            f"codebook_size) {found}, the settings ask for {wanted}: make them agree"
        )
    resume(codec.model.quantizer)
    return codec.model


def _run(trainer: Any, folder: Path, report_every: int) -> list[dict[str, float]]:
    """Train to the end of the schedule, saving and reporting on the way."""
    start_s = time.monotonic()
    history: list[dict[str, float]] = []
    since: list[dict[str, float]] = []
    while True:
        elapsed_s = time.monotonic() - start_s
        progress = trainer.schedule.progress(trainer.n_done, elapsed_s)
        if since and (progress >= 1 or len(since) >= report_every):
            row = {"step": float(trainer.n_done), "elapsed_s": round(elapsed_s, 1), **_means(since)}
            history.append(row)
            since = []
            left_s = elapsed_s * (1 / max(progress, 1e-9) - 1)
            print(f"step {trainer.n_done}: {row}; {left_s / 60:.0f} min left", flush=True)
            if not np.isfinite(row["loss"]):
                raise CodecError(
                    f"codec training diverged by step {trainer.n_done} (loss {row['loss']}): "
                    "lower features/train_codec/learning_rate"
                )
            save_codec(trainer.inner.exported(), folder / "checkpoint")
        if progress >= 1:
            return history
        since.append(trainer.step(progress))


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    names = list(rows[-1])
    return {n: float(np.mean([row[n] for row in rows if n in row])) for n in names}


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    names = list(dict.fromkeys(name for row in history for name in row))
    with replacing(path) as partial, partial.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, names, restval="")
        writer.writeheader()
        writer.writerows(history)


def _data(source: str | None, material: codec_material.Material) -> str:
    made = "synthesised speech, music and effects"
    if not source:
        return made
    recordings = f"the recordings in `{source}`"
    if len(material.shares) == 1:
        return recordings
    return f"{made} ({material.shares[0]:.0%} of the examples) and {recordings}"


def _card(codec: Codec, trainer: Any, data: str, figures: dict[str, Any]) -> str:
    schedule = trainer.schedule
    n_parameters = sum(p.numel() for p in trainer.inner.model.parameters())
    rows = [
        f"| {name} | {f['stoi']:.3f} | {f['si_sdr_db']:.1f} | {f['log_mel_db']:.1f} | "
        f"{min(f['perplexity']):.0f} to {max(f['perplexity']):.0f} |"
        for name, f in figures.items()
    ]
    return "\n".join(
        [
            "# A codec of giblet's `train_codec`",
            "",
            f"EnCodec, {n_parameters / 1e6:.1f} M parameters, {codec.sample_rate_hz} Hz, hop "
            f"{codec.hop_length} ({float(codec.frame_rate_hz):g} frames/s), {codec.n_codebooks} "
            f"codebooks of {codec.codebook_size}: {float(codec.bandwidth_kbps):g} kbps.",
            "",
            f"Trained on {data}: {trainer.n_done} steps of {schedule.batch} examples of "
            f"{schedule.crop_s:g} s.",
            "",
            "Measured on held-out synthesised sound:",
            "",
            "| sound | STOI | SI-SDR (dB) | log-mel distance (dB) | code perplexity |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
