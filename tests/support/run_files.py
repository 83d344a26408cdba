"""Results folders of small runs with real scores, for tests of what compares them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from giblet.validate.audio import score_audio
from giblet.validate.audio_decode import decode_audio
from giblet.validate.fmri import score_fmri
from giblet.validate.text import score_text
from giblet.validate.video import score_video
from tests.support.validate_inputs import LinearCodec, make_inputs

STATISTICS: dict[str, Any] = {
    "seed": 7,
    "n_permutations": 100,
    "n_bootstrap": 200,
    "block_trs": 8,
    "min_shift_s": 10,
    "identification_min_distance_s": 15,
}
SPLIT_NAMES = {0: "train", 1: "val", 2: "test"}


def make_run(folder: Path, *, config: dict[str, Any] | None = None, **inputs: Any) -> Path:
    """Score a planted study and lay its files out as results/{dataset}.

    Parameters
    ----------
    config
        What the stamp of the report records, beside the statistics.
    inputs
        For :func:`tests.support.validate_inputs.make_inputs`.
    """
    made = make_inputs(folder / "made", **{"n_trs": (120, 120), "n_voxels": 40, **inputs})
    places = {
        made.study: "align/study.h5",
        made.predictions: "validate/predictions.h5",
        made.baseline: "train/ridge/baseline.h5",
        made.ceiling: "brain/ceiling.h5",
        made.partition: "train/ridge/partition.h5",
    }
    for path in made.text:
        places[path] = f"stimulus/{path.parent.name}/text.tsv"
    for path, place in places.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / place)
    _splits(folder)
    validate = folder / "validate"
    score_fmri(
        made.study, made.predictions, made.baseline, made.ceiling, made.partition,
        made.regressors, [made.truth],
        metrics=validate / "fmri/metrics.csv", trs=validate / "fmri/trs.tsv",
        voxels=validate / "fmri/voxels.h5",
        region_table=validate / "fmri/by_region.csv", run_table=validate / "fmri/by_run.csv",
        partition_table=validate / "fmri/partition.csv", fdr_q=0.05, min_ceiling=0.1, **STATISTICS,
    )  # fmt: skip
    score_text(
        made.study, made.predictions, made.baseline, made.text,
        metrics=validate / "text/metrics.csv", trs=validate / "text/trs.tsv",
        retrieved=validate / "text/retrieved.tsv",
        **STATISTICS,
    )  # fmt: skip
    score_video(
        made.study, made.predictions, made.baseline,
        metrics=validate / "video/metrics.csv", trs=validate / "video/trs.tsv",
        series=validate / "video/series.h5", **STATISTICS,
    )  # fmt: skip
    decode_audio(
        made.study, made.predictions, made.audio, folder=validate / "audio",
        runs=made.planted.runs, seed=7, decode_from="latents", codec=LinearCodec(),
    )  # fmt: skip
    score_audio(
        made.study, validate / "audio/decoded.h5", made.baseline, made.text,
        metrics=validate / "audio/metrics.csv", trs=validate / "audio/trs.tsv",
        clips=validate / "audio/clips.tsv", series=validate / "audio/series.h5",
        clip_trs=8, speech="always", min_speech=0.5, **STATISTICS,
    )  # fmt: skip
    record(folder, config or {})
    return folder


def _splits(folder: Path) -> None:
    rows = []
    with h5py.File(folder / "align/study.h5") as file:
        for run in json.loads(file.attrs["runs"]):
            for tr, split in enumerate(file[f"runs/{run}/split"][:].tolist()):
                rows.append({"run": run, "tr": tr, "split": SPLIT_NAMES.get(split, "gap")})
    pd.DataFrame(rows).to_csv(folder / "align/splits.tsv", sep="\t", index=False)


def record(folder: Path, config: dict[str, Any], code: str = "abc") -> None:
    """Leave the stamp of the report's job."""
    statistics = {"block_trs": STATISTICS["block_trs"], "n_bootstrap": STATISTICS["n_bootstrap"]}
    whole = {"dataset": folder.name, "validate": {"statistics": statistics}, **config}
    stamp = folder / "validate/report/.index.html.params.json"
    stamp.parent.mkdir(parents=True, exist_ok=True)
    params = {"settings_json": json.dumps(whole), "code": f"{code} 0123"}
    stamp.write_text(json.dumps({"rule": "validate_report", "params": params}))
