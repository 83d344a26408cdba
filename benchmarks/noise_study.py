"""A study of noise of the size of the Sherlock film study, and all that `validate` reads of it.

Two subjects, runs of 946 and 1030 TRs and about 85,000 voxels of a grid of 61 x 73 x 61. Laid out
as results/{dataset}. What is measured on it does not depend on what the numbers are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SUBJECTS = ("sub-01", "sub-02")
RUNS = {"run-1": 946, "run-2": 1030}
GRID = (61, 73, 61)
N_VOXELS = 85_000
N_REGIONS = 50
FRAMES, FRAMES_OUT, HEIGHT, WIDTH = 8, 4, 90, 160
TEXT_DIM, LATENT_DIM, N_MELS, N_DRAWS = 384, 96, 64, 200
RATE_HZ, HOP, TR_S = 12000, 320, "1.5"
MODALITIES = ("video", "audio", "text")
TEST_SHARE = 0.2


class Files:
    """Where everything is, and how large the study is."""

    def __init__(self, folder: Path, share: float = 1.0, n_networks: int = 1) -> None:
        self.folder, self.n_networks = folder, n_networks
        self.runs = {run: max(120, round(n * share)) for run, n in RUNS.items()}
        self.n_voxels = round(N_VOXELS * share)
        self.study, self.ceiling = folder / "align/study.h5", folder / "brain/ceiling.h5"
        self.baseline = folder / "train/ridge/baseline.h5"
        self.partition = folder / "train/ridge/partition.h5"
        self.network, self.out = folder / "train/giblet", folder / "validate"
        # Of noise; a network's own are put beside it, so that the rest can be run without.
        self.predictions = self.out / "predictions.h5"

    def per_run(self, stage: str, name: str) -> list[Path]:
        """A stage's file of each run."""
        return [self.folder / stage / run / name for run in self.runs]

    def of(self, modality: str) -> Path:
        """Where the results of a modality go."""
        return self.out / modality

    def split(self, run: str) -> np.ndarray:
        """Train, 20 TRs of gap, test."""
        out = np.zeros(self.runs[run], np.int8)
        n_test = round(TEST_SHARE * len(out))
        out[-n_test:], out[-n_test - 20 : -n_test] = 2, -1
        return out


def write_study(files: Files) -> None:
    """All inputs, written run by run and subject by subject."""
    from giblet.store import writing

    rng = np.random.default_rng(0)
    with writing(files.study, stage="align", tr_s=TR_S) as file:
        attrs = {"kind": "voxels", "grid_shape": GRID, "sample_rate_hz": RATE_HZ}
        attrs |= {"hop_length": HOP, "n_codebooks": 8, "codebook_size": 1024, "repeats": "{}"}
        attrs |= {"codec": "giblet-12khz", "high_pass_hz": 0.008, "detrend": True}
        lists = {"subjects": SUBJECTS, "runs": list(files.runs), "modalities": MODALITIES}
        file.attrs.update(attrs | {name: json.dumps(value) for name, value in lists.items()})
        _geometry(file, files, rng)
        for run in files.runs:
            _write_run(file, files, run, rng)
        for subject in SUBJECTS:
            file[f"stats/bold/{subject}/valid"] = np.ones(files.n_voxels, bool)
            for name, value in (("mean", 0), ("std", 1)):
                file[f"stats/bold/{subject}/{name}"] = np.full(files.n_voxels, value, np.float32)
        file["stats/video/mean"] = np.full((FRAMES, HEIGHT, WIDTH, 3), 128, np.float32)
        for name, width in (("text", TEXT_DIM), ("latents", LATENT_DIM)):
            file[f"stats/{name}/mean"] = np.zeros(width, np.float32)
            file[f"stats/{name}/std"] = np.ones(width, np.float32)
        file["stats/latents/covariance"] = np.eye(LATENT_DIM, dtype=np.float32)
        file["stats/code_counts"] = np.ones((8, 1024), np.int64)
    _write_predictions(files, rng)
    _write_training(files)
    _write_ridge(files, rng)
    with writing(files.ceiling, stage="brain", tr_s=TR_S) as file:
        file.attrs["n_subjects"] = len(SUBJECTS)
        for subject in SUBJECTS:
            file[f"ceiling/{subject}"] = rng.uniform(0, 0.5, files.n_voxels).astype(np.float32)
            draws = rng.uniform(0, 0.5, (N_DRAWS, files.n_voxels)).astype(np.float16)
            file[f"ceiling_draws/{subject}"] = draws


def _geometry(file: Any, files: Files, rng: np.random.Generator) -> None:
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = (-90, -126, -72)
    middle = (np.array(GRID) - 1) / 2
    ijk = np.argwhere(np.ones(GRID))
    nearest = np.argsort((((ijk - middle) / middle) ** 2).sum(1))[: files.n_voxels]
    ijk = ijk[np.sort(nearest)].astype(np.int32)
    file["geometry/ijk"], file["geometry/affine"] = ijk, affine
    file["geometry/xyz_mm"] = ijk @ affine[:3, :3].T + affine[:3, 3]
    file["geometry/region"] = rng.integers(1, N_REGIONS + 1, len(ijk)).astype(np.int32)
    names = {str(k): f"region {k}" for k in range(1, N_REGIONS + 1)}
    file["geometry"].attrs["region_names"] = json.dumps(names)


def _write_run(file: Any, files: Files, run: str, rng: np.random.Generator) -> None:
    import soundfile

    from giblet.store import image_compression, writing
    from giblet.timing import as_fraction, n_items, tr_ranges

    n = files.runs[run]
    group, folder = file.create_group(f"runs/{run}"), files.folder / "stimulus" / run
    folder.mkdir(parents=True, exist_ok=True)
    group["split"] = files.split(run)
    group["text_valid"] = group["stim_valid"] = np.ones(n, bool)
    shape = (n, FRAMES, HEIGHT, WIDTH, 3)
    chunks, packed = (1, *shape[1:]), dict(image_compression())
    video = group.create_dataset("video", shape, np.uint8, chunks=chunks, **packed)
    for tr in range(n):
        video[tr] = _frames(rng, 1, FRAMES)[0]
    sentence = np.arange(n) // 6
    words = rng.normal(size=(sentence[-1] + 1, TEXT_DIM)).astype(np.float32)
    group["text"] = words[sentence]
    n_frames = n_items(n, TR_S, as_fraction(f"{RATE_HZ}/{HOP}"))
    group["audio_index"] = tr_ranges(n, TR_S, as_fraction(f"{RATE_HZ}/{HOP}"))
    latents = rng.standard_normal((n_frames, LATENT_DIM), np.float32)
    group["audio_latents"] = latents.astype(np.float16)
    group["audio_codes"] = rng.integers(0, 1024, (8, n_frames)).astype(np.int16)
    group["audio_log_mel"] = rng.normal(size=(n_frames, N_MELS)).astype(np.float16)
    for subject in SUBJECTS:
        bold = rng.standard_normal((n, files.n_voxels), np.float32)
        group.create_dataset(f"bold/{subject}", data=bold, chunks=(64, files.n_voxels))
    text = [f"{run} sentence {k}" for k in sentence]
    rows = pd.DataFrame({"tr": np.arange(n), "text": text, "speech": 1.0})
    rows.to_csv(folder / "text.tsv", sep="\t", index=False)
    noise = (0.1 * rng.standard_normal(n_items(n, TR_S, RATE_HZ))).astype(np.float32)
    soundfile.write(folder / "audio.wav", noise, RATE_HZ, subtype="PCM_16")
    regressors = files.folder / "align" / run / "regressors.h5"
    with writing(regressors, stage="align", run=run, tr_s=TR_S) as out:
        for name in MODALITIES:
            out[f"hrf/{name}"] = rng.standard_normal((n, 120), np.float32)


def _frames(rng: np.random.Generator, n: int, per_tr: int) -> np.ndarray:
    """Pictures of squares of 10 pixels."""
    cells = rng.integers(0, 256, (n, per_tr, HEIGHT // 10, WIDTH // 10, 3), dtype=np.uint8)
    return cells.repeat(10, 2).repeat(10, 3)


def _write_predictions(files: Files, rng: np.random.Generator) -> None:
    from giblet.store import reading
    from giblet.validate.predictions import codec_index, write_predictions
    from giblet.validate.testset import load_test_set

    def made() -> Any:
        with reading(files.study) as study:
            tests = load_test_set(study)
            index = {run: int(codec_index(study, tests, run)[-1, 1]) for run in tests.runs}
        for run, trs in zip(tests.runs, tests.trs, strict=True):
            n, n_frames = len(trs), index[run]
            for subject in SUBJECTS:
                bold = rng.standard_normal((n, files.n_voxels), np.float32)
                yield f"{run}/bold/model/{subject}", bold
            sources = ["model/shared", "from_predicted/shared"]
            for where in [*sources, *(f"from_bold/{s}" for s in SUBJECTS)]:
                yield f"{run}/video/{where}", _frames(rng, n, FRAMES_OUT)
                yield f"{run}/text/{where}", rng.standard_normal((n, TEXT_DIM), np.float32)
                latents = rng.standard_normal((n_frames, LATENT_DIM), np.float32)
                yield f"{run}/latents/{where}", latents
                codes = rng.integers(0, 1024, (8, n_frames)).astype(np.int16)
                yield f"{run}/codes/{where}", codes

    delay_s = np.full(files.n_voxels, 5, np.float32)
    write_predictions(files.study, files.predictions, made(), delay_s=delay_s)


def _write_ridge(files: Files, rng: np.random.Generator) -> None:
    from giblet.store import writing

    pairs = ("video", "audio", "text", "video_audio", "video_text", "audio_text")
    with (
        writing(files.baseline, stage="train", tr_s=TR_S) as whole,
        writing(files.partition, stage="train", tr_s=TR_S) as parts,
    ):
        parts.attrs["bands"] = json.dumps(MODALITIES)
        for subject in SUBJECTS:
            whole[f"delay_s/{subject}"] = np.full(files.n_voxels, 5, np.float32)
            for run, n in files.runs.items():
                bold = rng.standard_normal((n, files.n_voxels), np.float32)
                whole[f"bold/{subject}/{run}"] = bold
                text = rng.standard_normal((n, TEXT_DIM), np.float32)
                whole[f"decode/text/{subject}/{run}"] = text
                small = rng.uniform(0, 255, (n, 9, 16, 3)).astype(np.float32)
                whole[f"decode/video/{subject}/{run}"] = small
                mel = rng.standard_normal((n, N_MELS), np.float32)
                whole[f"decode/log_mel/{subject}/{run}"] = mel
                n_test = int((files.split(run) == 2).sum())
                for name in pairs:
                    part = rng.standard_normal((n_test, files.n_voxels), np.float32)
                    parts[f"bold/{name}/{subject}/{run}"] = part.astype(np.float16)


def _write_training(files: Files) -> None:
    """What the report reads of the splits and of the training."""
    names = {0: "train", 2: "test", -1: "gap"}
    rows = [
        {"run": run, "tr": tr, "split": names[split]}
        for run in files.runs
        for tr, split in enumerate(files.split(run).tolist())
    ]
    pd.DataFrame(rows).to_csv(files.folder / "align/splits.tsv", sep="\t", index=False)
    files.network.mkdir(parents=True, exist_ok=True)
    steps = [{"step": step, "split": "train", "loss": 1.0} for step in range(0, 1000, 10)]
    pd.DataFrame(steps).to_csv(files.network / "history.csv", index=False)
    best = {"best_step": 990, "n_parameters": 1, "best_val_loss": 1.0}
    (files.network / "metrics.json").write_text(json.dumps(best))
