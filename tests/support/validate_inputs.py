"""Everything the validate stage reads, with known answers, around a planted study."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.hrf import convolve_causal, hrf_kernel
from giblet.store import reading, writing
from giblet.timing import n_items
from giblet.validate.predictions import write_predictions
from giblet.validate.testset import TestSet, load_test_set
from tests.support.caches import edited
from tests.support.study_files import PlantedStudy, make_study

SAMPLE_RATE_HZ = 12000


class LinearCodec:
    """A codec simple enough to know its answers: each latent is a chord of `latent_dim` tones."""

    hop_length = 320

    def __init__(self, latent_dim: int = 8, n_codebooks: int = 2, codebook_size: int = 16) -> None:
        rng = np.random.default_rng(5)
        hz = np.linspace(200, 4000, latent_dim)[:, None]
        self.tones = 0.05 * np.sin(2 * np.pi * hz * np.arange(self.hop_length) / SAMPLE_RATE_HZ)
        self.books = rng.normal(size=(n_codebooks, codebook_size, latent_dim))

    def dequantise(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Sum of the code vectors, (N, D)."""
        return sum(self.books[q][row] for q, row in enumerate(codes)).astype(np.float32)

    def decode_latents(
        self, latents: NDArray[Any], requantise: bool = False
    ) -> NDArray[np.float32]:
        """Sound (N * hop,)."""
        return (np.asarray(latents) @ self.tones).ravel().astype(np.float32)


@dataclass(frozen=True)
class Inputs:
    """Paths of the inputs and the truth behind them."""

    folder: Path
    planted: PlantedStudy
    study: Path
    predictions: Path
    baseline: Path
    ceiling: Path
    partition: Path
    truth: Path
    regressors: list[Path]
    audio: list[Path]
    text: list[Path]


def make_inputs(
    folder: Path,
    *,
    prediction_noise: float = 0.5,
    decoding_noise: float = 0.5,
    seed: int = 0,
    **study: Any,
) -> Inputs:
    """Write a study, predictions as good as asked for, and all the rest.

    Predicted BOLD is the noiseless response plus `prediction_noise` of its own (smooth) noise;
    null voxels are predicted with noise alone. Decodings are the truth plus `decoding_noise`
    (from measured BOLD twice as much).
    """
    folder.mkdir(parents=True, exist_ok=True)
    planted = make_study(folder / "study.h5", seed=seed, **study)
    rng = np.random.default_rng(seed + 1)
    audio = _give_sound(planted, folder, rng)
    with reading(planted.path, stage="align") as file:
        tests = load_test_set(file)
        noisy = _noisy_bold(file, planted, prediction_noise, rng)
        pairs = _predicted(file, planted, tests, noisy, decoding_noise, rng)
        late = (planted.delay_s + 0.1).astype(np.float32)
        write_predictions(planted.path, folder / "predictions.h5", pairs, delay_s=late)
        _write_baseline(folder / "baseline.h5", file, planted, noisy, rng)
        _write_partition(folder / "partition.h5", planted, tests, noisy)
        _write_ceiling(folder / "ceiling.h5", planted)
        _write_truth(folder / "truth.h5", file, planted)
        regressors = [_write_regressors(folder, file, run) for run in planted.runs]
        text = [_write_text(folder, file, run) for run in planted.runs]
    return Inputs(
        folder,
        planted,
        planted.path,
        folder / "predictions.h5",
        folder / "baseline.h5",
        folder / "ceiling.h5",
        folder / "partition.h5",
        folder / "truth.h5",
        regressors,
        audio,
        text,
    )


def _noisy_bold(
    file: h5py.File, planted: PlantedStudy, noise: float, rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Response plus smooth noise, whole runs."""
    kernel = hrf_kernel("glover", "1.5")
    out = {}
    for run, response in planted.response.items():
        drive = rng.normal(size=response.shape)
        own = convolve_causal(drive, kernel / np.linalg.norm(kernel))
        out[run] = (response + noise * own).astype(np.float32)
    return out


def _predicted(
    file: h5py.File,
    planted: PlantedStudy,
    tests: TestSet,
    bold: dict[str, NDArray[np.float32]],
    noise: float,
    rng: np.random.Generator,
) -> Iterator[tuple[str, NDArray[Any]]]:
    for run, trs in zip(tests.runs, tests.trs, strict=True):
        scanned = [s for s in planted.subjects if f"runs/{run}/bold/{s}" in file]
        for subject in scanned:
            yield f"{run}/bold/model/{subject}", bold[run][trs]
        index = file[f"runs/{run}/audio_index"][:][trs]
        frames = np.concatenate([np.arange(a, b) for a, b in index])
        whom = [("model", "shared", noise), ("from_predicted", "shared", noise)]
        whom += [("from_bold", subject, 2 * noise) for subject in scanned]
        for source, subject, level in whom:
            where = f"{source}/{subject}"
            video = file[f"runs/{run}/video"][:][trs].astype(float)
            video += 40 * level * rng.normal(size=video.shape)
            yield f"{run}/video/{where}", np.clip(video, 0, 255).astype(np.uint8)
            text = file[f"runs/{run}/text"][:][trs]
            text = text + level * rng.normal(size=text.shape) / np.sqrt(text.shape[1])
            yield f"{run}/text/{where}", text.astype(np.float32)
            latents = file[f"runs/{run}/audio_latents"][:].astype(np.float32)[frames]
            latents = latents + level * rng.normal(size=latents.shape)
            yield f"{run}/latents/{where}", latents.astype(np.float32)
            yield f"{run}/codes/{where}", file[f"runs/{run}/audio_codes"][:][:, frames]


def _write_baseline(
    path: Path,
    file: h5py.File,
    planted: PlantedStudy,
    bold: dict[str, NDArray[np.float32]],
    rng: np.random.Generator,
) -> None:
    with writing(path, stage="train") as out:
        for subject in planted.subjects:
            out[f"delay_s/{subject}"] = (planted.delay_s + 0.25).astype(np.float32)
            for run in planted.runs:
                group = file[f"runs/{run}"]
                length = len(group["split"])
                out[f"bold/{subject}/{run}"] = bold[run]
                text = group["text"][:] + 0.1 * rng.normal(size=group["text"].shape)
                out[f"decode/text/{subject}/{run}"] = text.astype(np.float32)
                small = group["video"][:].mean(1)[:, ::4, ::4].astype(np.float32)
                out[f"decode/video/{subject}/{run}"] = small
                mel = group["audio_log_mel"][:].astype(np.float32)
                index = group["audio_index"][:]
                mean = np.stack([mel[a:b].mean(0) for a, b in index])
                out[f"decode/log_mel/{subject}/{run}"] = mean + 0.1 * rng.normal(
                    size=(length, mel.shape[1])
                )


def _write_partition(
    path: Path, planted: PlantedStudy, tests: TestSet, bold: dict[str, NDArray[np.float32]]
) -> None:
    """A subset of the modalities predicts the voxels that respond to one of its own."""
    names = ("video", "audio", "text")
    with writing(path, stage="train") as out:
        out.attrs["bands"] = json.dumps(names)
        for subset in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2)):
            stem = "bold/" + "_".join(names[k] for k in subset)
            known = planted.responds[:, list(subset)].any(1)
            for subject in planted.subjects:
                for run, trs in zip(tests.runs, tests.trs, strict=True):
                    out[f"{stem}/{subject}/{run}"] = (bold[run][trs] * known).astype(np.float16)


def _write_ceiling(path: Path, planted: PlantedStudy) -> None:
    with writing(path, stage="brain") as out:
        out.attrs["n_subjects"] = len(planted.subjects)
        for subject in planted.subjects:
            out[f"ceiling/{subject}"] = planted.ceiling.astype(np.float32)
            # Draws from a tenth below to a tenth above, all voxels together.
            around = np.linspace(-0.1, 0.1, 41)[:, None]
            out[f"ceiling_draws/{subject}"] = (planted.ceiling + around).astype(np.float16)
            out[f"isc/{subject}"] = (planted.ceiling**2).astype(np.float32)


def _write_truth(path: Path, file: h5py.File, planted: PlantedStudy) -> None:
    with writing(path, stage="simulate") as out:
        out["ijk"] = file["geometry/ijk"][:]
        out["affine"] = file["geometry/affine"][:]
        out["responds"] = planted.responds
        out["delay_s"] = planted.delay_s.astype(np.float32)
        out["ceiling"] = planted.ceiling.astype(np.float32)
        region = np.where(planted.responds.any(1), planted.responds.argmax(1), 3)
        out["region"] = region
        out.attrs["region_names"] = ["picture", "sound", "words", "nothing"]


def _write_regressors(folder: Path, file: h5py.File, run: str) -> Path:
    path = folder / f"{run}_regressors.h5"
    group = file[f"runs/{run}"]
    kernel = hrf_kernel("glover", "1.5")
    mel = group["audio_log_mel"][:].astype(float)
    raw = {
        "video": group["video"][:].mean((1, 2, 3)),
        "audio": np.stack([mel[a:b].mean(0) for a, b in group["audio_index"][:]]),
        "text": group["text"][:],
    }
    with writing(path, stage="align", run=run, tr_s="1.5") as out:
        for name, values in raw.items():
            out[f"raw/{name}"] = values.astype(np.float32)
            out[f"hrf/{name}"] = convolve_causal(values, kernel).astype(np.float32)
    return path


def _give_sound(planted: PlantedStudy, folder: Path, rng: np.random.Generator) -> list[Path]:
    """Write each run's sound and put its own log-mel into the study."""
    with edited(planted.path) as file:
        return [_write_sound(folder, file, run, rng) for run in planted.runs]


def _write_sound(folder: Path, file: h5py.File, run: str, rng: np.random.Generator) -> Path:
    import soundfile

    from giblet.features.mel import log_mel

    path = folder / run / "audio.wav"
    path.parent.mkdir(exist_ok=True)
    n = n_items(len(file[f"runs/{run}/split"]), "1.5", SAMPLE_RATE_HZ)
    latents = file[f"runs/{run}/audio_latents"][:].astype(np.float32)
    sound = LinearCodec(latents.shape[1]).decode_latents(latents)[:n]
    sound = np.pad(sound, (0, n - len(sound))) + 0.001 * rng.normal(size=n)
    soundfile.write(path, sound, SAMPLE_RATE_HZ, subtype="PCM_16")
    old = file[f"runs/{run}/audio_log_mel"]
    mel = log_mel(sound, SAMPLE_RATE_HZ, LinearCodec.hop_length, old.shape[1])
    old[:] = np.pad(mel, ((0, max(0, len(old) - len(mel))), (0, 0)), "edge")[: len(old)]
    return path


def _write_text(folder: Path, file: h5py.File, run: str) -> Path:
    """One sentence for each different embedding direction, to the nearest scene."""
    path = folder / run / "text.tsv"
    path.parent.mkdir(exist_ok=True)
    values, valid = file[f"runs/{run}/text"][:], file[f"runs/{run}/text_valid"][:]
    scene = np.abs(values).argmax(1)
    change = np.concatenate([[True], np.linalg.norm(np.diff(values, axis=0), axis=1) > 0.6])
    shot = np.cumsum(change)
    sentences = [
        f"{run} shot {k} of scene {s}" if v else ""
        for k, s, v in zip(shot, scene, valid, strict=True)
    ]
    rows = {
        "tr": np.arange(len(values)),
        "start_s": 1.5 * np.arange(len(values)),
        "end_s": 1.5 * np.arange(1, len(values) + 1),
        "text": sentences,
        "n_rows": valid.astype(int),
        "coverage": valid.astype(float),
        "speech": valid.astype(float),
    }
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    return path
