"""Peak memory of every step of `validate` on a study of the size of the Sherlock film study.

    python benchmarks/validate_memory.py --folder /tmp/validate-memory
    python benchmarks/validate_memory.py --share 0.33 --only fmri_scores

Writes a study of noise with two subjects, runs of 946 and 1030 TRs and about 85,000 voxels of a
grid of 61 x 73 x 61, with predictions of noise, and runs each step in a process of its own. Exits
with 1 if one took more than 8 GiB. Nothing is trained: what is measured does not depend on what
the numbers are. `--share` makes runs and mask smaller by as much.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

LIMIT_GIB = 8
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
STATISTICS = {
    "seed": 1,
    "n_permutations": 1000,
    "n_bootstrap": 1000,
    "block_trs": 10,
    "min_shift_s": 10,
    "identification_min_distance_s": 30,
}


class Files:
    """Where everything is, and how large the study is."""

    def __init__(self, folder: Path, share: float) -> None:
        self.folder = folder
        self.runs = {run: max(120, round(n * share)) for run, n in RUNS.items()}
        self.n_voxels = round(N_VOXELS * share)
        self.study, self.predictions = folder / "study.h5", folder / "predictions.h5"
        self.baseline, self.ceiling = folder / "baseline.h5", folder / "ceiling.h5"
        self.partition = folder / "partition.h5"
        self.out = folder / "out"

    def per_run(self, name: str) -> list[Path]:
        """A file in each run's folder."""
        return [self.folder / run / name for run in self.runs]

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
        attrs |= {"codec": "giblet-12khz"}
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
    group, folder = file.create_group(f"runs/{run}"), files.folder / run
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
    with writing(folder / "regressors.h5", stage="align", run=run, tr_s=TR_S) as out:
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


def predict(files: Files) -> None:
    """The network of config/model/full.yaml, its weights as they are drawn."""
    from safetensors.torch import save_file

    from giblet.model.describe import CONFIGS, read_configs
    from giblet.model.full_size import Sizes, network_arguments
    from giblet.model.network import GibletNet
    from giblet.train.predict import predict_study
    from giblet.validate.delays import voxel_delays
    from giblet.validate.predictions import write_predictions

    folder = files.folder / "network"
    if not (folder / "model.json").exists():
        folder.mkdir(exist_ok=True)
        sizes = Sizes(files.n_voxels, GRID, len(SUBJECTS), TEXT_DIM)
        arguments = network_arguments(read_configs(CONFIGS), sizes)
        save_file(GibletNet(**arguments).state_dict(), folder / "model.safetensors")
        (folder / "model.json").write_text(json.dumps(arguments))
    made = predict_study(files.study, folder)
    out = files.out / "predictions.h5"
    write_predictions(files.study, out, made, delay_s=voxel_delays(folder))


def fmri_scores(files: Files) -> None:
    from giblet.validate.fmri import score_fmri

    score_fmri(
        files.study,
        files.predictions,
        files.baseline,
        files.ceiling,
        files.partition,
        files.per_run("regressors.h5"),
        [],
        metrics=files.out / "metrics.csv",
        trs=files.out / "fmri_trs.tsv",
        voxels=files.out / "voxels.h5",
        region_table=files.out / "by_region.csv",
        run_table=files.out / "by_run.csv",
        partition_table=files.out / "partition.csv",
        fdr_q=0.05,
        min_ceiling=0.1,
        **STATISTICS,
    )


def fmri_maps(files: Files) -> None:
    from giblet.validate.fmri_maps import write_maps

    write_maps(files.out / "voxels.h5", files.out)


def fmri_figures(files: Files) -> None:
    from giblet.validate.fmri_figures import draw_fmri

    names = ("metrics", "by_region", "by_run", "partition")
    tables = [files.out / f"{name}.csv" for name in names]
    draw_fmri(files.out / "voxels.h5", *tables, files.out, dpi=110, n_slices=8)


def fmri_surface(files: Files) -> None:
    from giblet.validate.fmri_surface import draw_surfaces

    draw_surfaces(files.out / "voxels.h5", files.study, files.out, space="mni", dpi=110)


def video_scores(files: Files) -> None:
    from giblet.validate.video import score_video

    paths = {"metrics": files.out / "video.csv", "trs": files.out / "trs.tsv"}
    paths["series"] = files.out / "video_series.h5"
    score_video(files.study, files.predictions, files.baseline, **paths, **STATISTICS)


def video_figures(files: Files) -> None:
    from giblet.validate.video_figures import draw_video

    numbers = {"seed": 1, "dpi": 100, "n_examples": 3, "n_strip": 10, "scale": 4, "crf": 20}
    paths = (files.study, files.predictions, files.out / "trs.tsv", files.out)
    draw_video(*paths, runs=list(files.runs), **numbers)


def video_triptychs(files: Files) -> None:
    from giblet.validate.video_panels import write_triptychs

    paths = (files.study, files.predictions, files.per_run("audio.wav"), files.out)
    write_triptychs(*paths, runs=list(files.runs), seed=1, scale=4, crf=20)


def audio_decode(files: Files) -> None:
    from giblet.validate.audio_decode import decode_audio

    paths = (files.study, files.predictions, files.per_run("audio.wav"))
    options: dict[str, Any] = {"runs": list(files.runs), "seed": 1, "decode_from": "latents"}
    decode_audio(*paths, folder=files.out, **options)


def audio_scores(files: Files) -> None:
    from giblet.validate.audio import score_audio

    paths = {"metrics": files.out / "audio.csv", "clips": files.out / "clips.tsv"}
    paths |= {"trs": files.out / "audio_trs.tsv", "series": files.out / "audio_series.h5"}
    inputs = (files.study, files.out / "decoded.h5", files.baseline, files.per_run("text.tsv"))
    clips: dict[str, Any] = {"clip_trs": 8, "speech": "auto", "min_speech": 0.5}
    score_audio(*inputs, **paths, **clips, **STATISTICS)


def text_scores(files: Files) -> None:
    from giblet.validate.text import score_text

    paths = {"metrics": files.out / "text.csv", "retrieved": files.out / "retrieved.tsv"}
    paths["trs"] = files.out / "text_trs.tsv"
    inputs = (files.study, files.predictions, files.baseline, files.per_run("text.tsv"))
    score_text(*inputs, **paths, **STATISTICS)


def text_regions(files: Files) -> None:
    from giblet.validate.text_regions import score_text_regions

    paths = {"table": files.out / "text_by_region.csv", "said": files.out / "said.tsv"}
    fit = {"n_folds": 4, "n_alphas": 7, "min_log10_alpha": -1, "max_log10_alpha": 3}
    score_text_regions(
        files.study,
        files.per_run("text.tsv"),
        [],
        max_regions=2,  # what one takes is given back before the next
        gap_s=30,
        decode_delays_trs=[2, 3, 4, 5],
        batch_voxels=4096,
        **paths,
        **fit,
        **STATISTICS,
    )


STEPS: tuple[Callable[[Files], None], ...] = (
    predict,
    fmri_scores,
    fmri_maps,
    fmri_figures,
    fmri_surface,
    video_scores,
    video_figures,
    video_triptychs,
    audio_decode,
    audio_scores,
    text_scores,
    text_regions,
)


def main() -> int:
    """Measure; 1 when a step exceeded the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [step.__name__ for step in STEPS]
    parser.add_argument("--folder", type=Path, default=Path("/tmp/giblet-validate-memory"))
    parser.add_argument("--share", type=float, default=1.0, help="of TRs and of voxels")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--step", choices=names, help=argparse.SUPPRESS)
    given = parser.parse_args()
    files = Files(given.folder, given.share)
    files.out.mkdir(parents=True, exist_ok=True)
    if given.step:
        next(step for step in STEPS if step.__name__ == given.step)(files)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"peak {peak:.3f}")
        return 0
    if not files.partition.exists():
        write_study(files)
    size = f"{sum(files.runs.values())} TRs, {files.n_voxels} voxels, {len(SUBJECTS)} subjects"
    print(f"{size}; at most {LIMIT_GIB} GiB allowed", flush=True)
    worst = 0.0
    for name in given.only:
        began = time.monotonic()
        command = [sys.executable, __file__, "--folder", str(given.folder), "--step", name]
        command += ["--share", str(given.share)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-3000:]}")
        peak = float(done.stdout.split()[-1])
        worst = max(worst, peak)
        print(f"{name:16} {peak:6.2f} GiB {time.monotonic() - began:7.0f} s", flush=True)
    return int(worst > LIMIT_GIB)


if __name__ == "__main__":
    sys.exit(main())
