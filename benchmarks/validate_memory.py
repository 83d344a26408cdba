"""Peak memory of every step of `validate` on a study of the size of the Sherlock film study.

    python benchmarks/validate_memory.py --folder /tmp/validate-memory
    python benchmarks/validate_memory.py --share 0.33 --only fmri_scores

Writes a study of noise (noise_study.py) and runs each step in a process of its own. Exits with 1
if one took more than 8 GiB. Nothing is trained. `--share` makes runs and mask smaller by as much,
`--networks` averages the predictions of several.
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

from noise_study import GRID, MODALITIES, SUBJECTS, TEXT_DIM, Files, write_study

ROOT = Path(__file__).resolve().parents[1]
LIMIT_GIB = 8
STATISTICS = {
    "seed": 1,
    "n_permutations": 1000,
    "n_bootstrap": 1000,
    "block_trs": 10,
    "min_shift_s": 10,
    "identification_min_distance_s": 30,
}


def predict(files: Files) -> None:
    """Networks of config/model/full.yaml, their weights as they are drawn."""
    from safetensors.torch import save_file

    from giblet.model.describe import CONFIGS, read_configs
    from giblet.model.full_size import Sizes, network_arguments
    from giblet.model.network import GibletNet
    from giblet.train.predict import predict_study
    from giblet.validate.delays import voxel_delays
    from giblet.validate.predictions import write_predictions

    if not (files.network / "model.json").exists():
        sizes = Sizes(files.n_voxels, GRID, len(SUBJECTS), TEXT_DIM)
        arguments = network_arguments(read_configs(CONFIGS), sizes)
        save_file(GibletNet(**arguments).state_dict(), files.network / "model.safetensors")
        (files.network / "model.json").write_text(json.dumps(arguments))
    networks = [files.network] * files.n_networks
    made = predict_study(files.study, networks)
    out = files.network / "predictions.h5"
    write_predictions(files.study, out, made, delay_s=voxel_delays(networks))


def fmri_scores(files: Files) -> None:
    from giblet.validate.fmri import score_fmri

    out = files.of("fmri")
    score_fmri(
        files.study,
        files.predictions,
        files.baseline,
        files.ceiling,
        files.partition,
        files.per_run("align", "regressors.h5"),
        [],
        metrics=out / "metrics.csv",
        trs=out / "trs.tsv",
        voxels=out / "voxels.h5",
        region_table=out / "by_region.csv",
        run_table=out / "by_run.csv",
        partition_table=out / "partition.csv",
        fdr_q=0.05,
        min_ceiling=0.1,
        **STATISTICS,
    )


def fmri_maps(files: Files) -> None:
    from giblet.validate.fmri_maps import write_maps

    write_maps(files.of("fmri") / "voxels.h5", files.of("fmri"))


def fmri_figures(files: Files) -> None:
    from giblet.validate.fmri_figures import draw_fmri

    out = files.of("fmri")
    tables = [out / f"{name}.csv" for name in ("metrics", "by_region", "by_run", "partition")]
    draw_fmri(out / "voxels.h5", *tables, out, dpi=110, n_slices=8)


def fmri_surface(files: Files) -> None:
    from giblet.validate.fmri_surface import draw_surfaces

    out = files.of("fmri")
    draw_surfaces(out / "voxels.h5", files.study, out, space="mni", dpi=110)


def video_scores(files: Files) -> None:
    from giblet.validate.video import score_video

    names = {"metrics": "metrics.csv", "trs": "trs.tsv", "series": "series.h5"}
    paths = {name: files.of("video") / file for name, file in names.items()}
    score_video(files.study, files.predictions, files.baseline, **paths, **STATISTICS)


def video_figures(files: Files) -> None:
    from giblet.validate.video_figures import draw_video

    numbers = {"seed": 1, "dpi": 100, "n_examples": 3, "n_strip": 10, "scale": 4, "crf": 20}
    out = files.of("video")
    draw_video(
        files.study, files.predictions, out / "trs.tsv", out, runs=list(files.runs), **numbers
    )


def video_triptychs(files: Files) -> None:
    from giblet.validate.video_panels import write_triptychs

    sounds = files.per_run("stimulus", "audio.wav")
    paths = (files.study, files.predictions, sounds, files.of("video"))
    write_triptychs(*paths, runs=list(files.runs), seed=1, scale=4, crf=20)


def audio_decode(files: Files) -> None:
    from giblet.validate.audio_decode import decode_audio

    paths = (files.study, files.predictions, files.per_run("stimulus", "audio.wav"))
    options: dict[str, Any] = {"runs": list(files.runs), "seed": 1, "decode_from": "latents"}
    decode_audio(*paths, folder=files.of("audio"), **options)


def audio_scores(files: Files) -> None:
    from giblet.validate.audio import score_audio

    out = files.of("audio")
    names = {"metrics": "metrics.csv", "trs": "trs.tsv", "clips": "clips.tsv"}
    paths = {name: out / file for name, file in {**names, "series": "series.h5"}.items()}
    texts = files.per_run("stimulus", "text.tsv")
    clips: dict[str, Any] = {"clip_trs": 8, "speech": "auto", "min_speech": 0.5}
    inputs = (files.study, out / "decoded.h5", files.baseline, texts)
    score_audio(*inputs, **paths, **clips, **STATISTICS)


def audio_figures(files: Files) -> None:
    from giblet.validate.audio_figures import draw_audio

    draw_audio(sorted(files.of("audio").glob("*.wav")), files.of("audio"), dpi=110)


def text_scores(files: Files) -> None:
    from giblet.validate.text import score_text

    names = {"metrics": "metrics.csv", "trs": "trs.tsv", "retrieved": "retrieved.tsv"}
    paths = {name: files.of("text") / file for name, file in names.items()}
    texts = files.per_run("stimulus", "text.tsv")
    score_text(files.study, files.predictions, files.baseline, texts, **paths, **STATISTICS)


def text_regions(files: Files) -> None:
    from giblet.validate.text_regions import score_text_regions

    out = files.of("text")
    fit = {"n_folds": 4, "n_alphas": 7, "min_log10_alpha": -1, "max_log10_alpha": 3}
    score_text_regions(
        files.study,
        files.per_run("stimulus", "text.tsv"),
        [],
        table=out / "by_region.csv",
        said=out / "region_sentences.tsv",
        max_regions=2,  # what one takes is given back before the next
        gap_s=30,
        decode_delays_trs=[2, 3, 4, 5],
        batch_voxels=4096,
        **fit,
        **STATISTICS,
    )


def text_figures(files: Files) -> None:
    from giblet.validate.text_figures import draw_text, draw_text_regions

    out = files.of("text")
    draw_text(out / "retrieved.tsv", out / "ranks.png", dpi=110)
    draw_text_regions(out / "by_region.csv", out / "regions.png", dpi=110)


def report(files: Files) -> None:
    """The page over all that the other steps left."""
    import yaml

    from giblet.validate.report.page import build_report

    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    found = (path for path in files.folder.rglob("*") if path.is_file())
    inputs = [path for path in found if path.name[0] != "." and path.suffix != ".html"]
    options: dict[str, Any] = {"audio_format": "flac", "max_mb": 24.0, "modalities": MODALITIES}
    build_report(
        files.out / "report/index.html",
        sorted(inputs),
        settings_json=json.dumps(config),
        clip_s=30.0,
        n_media_runs=2,
        n_sentences=6,
        **options,
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
    audio_figures,
    text_scores,
    text_regions,
    text_figures,
    report,
)


def main() -> int:
    """Measure; 1 when a step exceeded the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [step.__name__ for step in STEPS]
    parser.add_argument("--folder", type=Path, default=Path("/tmp/giblet-validate-memory"))
    parser.add_argument("--share", type=float, default=1.0, help="of TRs and of voxels")
    parser.add_argument("--networks", type=int, default=1, help="whose predictions are averaged")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--step", choices=names, help=argparse.SUPPRESS)
    given = parser.parse_args()
    files = Files(given.folder, given.share, given.networks)
    for modality in ("fmri", *MODALITIES):
        files.of(modality).mkdir(parents=True, exist_ok=True)
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
        command += ["--share", str(given.share), "--networks", str(given.networks)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-3000:]}")
        peak = float(done.stdout.split()[-1])
        worst = max(worst, peak)
        print(f"{name:16} {peak:6.2f} GiB {time.monotonic() - began:7.0f} s", flush=True)
    return int(worst > LIMIT_GIB)


if __name__ == "__main__":
    sys.exit(main())
