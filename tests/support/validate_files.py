"""Every file the validate stage leaves, with random content, for tests of what reads them.

Written without giblet.validate, so it doubles as an independent statement of the layout.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from giblet.store import writing

METRICS = {
    "fmri": {
        "r_mean": "r",
        "r_median": "r",
        "r_normalised_median": "share",
        "share_significant": "share",
        "n_above_ceiling": "voxels",
    },
    "video": {
        "psnr": "dB",
        "ssim": "1",
        "ms_ssim": "1",
        "pixel_r": "r",
        "edge_r": "r",
        "motion_r": "r",
    },
    "audio": {
        "stoi": "1",
        "estoi": "1",
        "si_sdr": "dB",
        "log_spectral_distance": "dB",
        "log_mel_distance": "log energy",
        "log_mel_r": "r",
    },
    "text": {
        "cosine": "1",
        "cosine_centred": "1",
        "retrieval_top1": "share",
        "retrieval_top5": "share",
        "retrieval_top10": "share",
        "retrieval_median_rank": "rank",
        "retrieval_far_top1": "share",
        "retrieval_far_top5": "share",
        "retrieval_far_top10": "share",
        "retrieval_far_median_rank": "rank",
    },
}
IDENTIFICATION = {
    "identification_top1": "share",
    "identification_top5": "share",
    "identification_pairwise": "share",
    "identification_rank": "rank",
    "identification_p": "p",
    "identification_top1_p": "p",
    "identification_all_top1": "share",
    "identification_all_top5": "share",
    "identification_all_pairwise": "share",
    "identification_all_rank": "rank",
    "identification_all_p": "p",
    "identification_all_top1_p": "p",
}
OF_TRS = {
    "fmri": (),
    "video": ("psnr", "ssim", "ms_ssim", "pixel_r", "edge_r"),
    "audio": (),
    "text": tuple(METRICS["text"]),
}
SERIES = {"video": ("motion_r", 144), "audio": ("log_mel_r", 64)}
MODALITIES = ("video", "audio", "text")
SUBSETS = [s for size in (1, 2, 3) for s in combinations(MODALITIES, size)]
PARTS = [f"{'unique' if len(s) == 1 else 'shared'}_{'_'.join(s)}" for s in SUBSETS]
# Of ridge only.
PARTITION = {**dict.fromkeys(PARTS, "r2"), **{f"best_{m}": "share" for m in MODALITIES}}
OWN = {f"own_modality_{m}": "share" for m in MODALITIES}
OF_TRUTH = {
    "false_discovery_fraction": "share",
    "n_false_discoveries": "voxels",
    "power": "share",
    "r_over_true_ceiling": "share",
    "below_ridge": "share",
    "clearly_below_ridge": "share",
}
PER_SUBJECT = ("from_bold", "from_predicted", "floor_nearest", "floor_shifted", "ridge")
COLUMNS = ["modality", "metric", "unit", "source", "split", "subject", "value"]
COLUMNS += ["ci_low", "ci_high", "n"]


def make_validate_files(
    folder: str | Path,
    runs: Sequence[str] = ("run-1", "run-2"),
    subjects: Sequence[str] = ("sub-01", "sub-02"),
    seed: int = 0,
    kind: str = "voxels",
    simulated: bool = True,
    n_examples: int = 3,
) -> Path:
    """Write all outputs of the validate stage into `folder`."""
    rng = np.random.default_rng(seed)
    folder = Path(folder)
    for modality in METRICS:
        (folder / modality).mkdir(parents=True, exist_ok=True)
        table = _metrics(rng, modality, subjects, simulated)
        table.to_csv(folder / modality / "metrics.csv", index=False)
        _tr_scores(rng, folder / modality, runs, subjects)
    _voxels(rng, folder / "fmri", subjects, kind, simulated)
    _fmri_tables(rng, folder / "fmri", runs, subjects, simulated)
    _sounds(rng, folder / "audio", runs, subjects)
    _films(rng, folder / "video", runs, subjects, n_examples)
    _texts(rng, folder / "text", runs, subjects)
    return folder


def _tr_scores(
    rng: np.random.Generator, folder: Path, runs: Sequence[str], subjects: Sequence[str]
) -> None:
    """Scores of single TRs, and what correlations over TRs are taken of."""
    rows = [
        {"run": run, "tr": tr, "source": source, "subject": subject}
        for source, subject in [("model", ""), *(("ridge", subject) for subject in subjects)]
        for run in runs
        for tr in range(8)
    ]
    table = pd.DataFrame(rows)
    identified = [name for name in IDENTIFICATION if not name.endswith("_p")]
    for name in (*OF_TRS[folder.name], *identified):
        table[name] = rng.uniform(size=len(table))
    table.to_csv(folder / "trs.tsv", sep="\t", index=False)
    if folder.name in SERIES:
        metric, width = SERIES[folder.name]
        with writing(folder / "series.h5", stage="validate") as file:
            for source in ("original", "model"):
                for run in runs:
                    values = rng.standard_normal((8, width), np.float32)
                    file[f"{metric}/{source}/shared/{run}"] = values


def _metrics(
    rng: np.random.Generator, modality: str, subjects: Sequence[str], simulated: bool
) -> pd.DataFrame:
    metrics = {**METRICS[modality], **IDENTIFICATION}
    if modality == "fmri" and simulated:
        metrics = {**metrics, **OF_TRUTH}
    if modality == "fmri":
        sources = ["model", "ridge", "floor_mean", "floor_shifted", "floor_nearest"]
        per_subject: tuple[str, ...] = (*sources, "ceiling", "chance")
    else:
        sources = ["model", "from_bold", "from_predicted", "ridge"]
        sources += ["floor_mean", "floor_shifted", "floor_nearest"]
        per_subject = PER_SUBJECT
    rows = []
    for metric, unit in metrics.items():
        has_chance = metric.startswith(("identification", "retrieval", "share_sig"))
        has_ceiling = modality != "fmri" or not metric.startswith("identification")
        extra = ["ceiling"] * has_ceiling + ["chance"] * has_chance
        for source in sources + extra:
            whom = [*subjects, ""] if source in per_subject else [""]
            for subject in whom:
                value = float(rng.uniform())
                pooled = subject == "" and source in per_subject
                ci = (np.nan, np.nan) if pooled else (value - 0.1, value + 0.1)
                rows.append(
                    [modality, metric, unit, source, "test", subject, value, *ci, 120],
                )
    if modality == "fmri":
        own = OWN if simulated else {}
        rows += [
            [modality, name, unit, "ridge", "test", whom, float(rng.uniform()), np.nan, np.nan, 90]
            for name, unit in {**PARTITION, **own}.items()
            for whom in (*subjects, "")
        ]
    if modality == "fmri" and simulated:
        rows.append(
            [modality, "delay_abs_error_s", "s", "ridge", "test", "", 0.2, np.nan, np.nan, 90]
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _voxels(
    rng: np.random.Generator, folder: Path, subjects: Sequence[str], kind: str, simulated: bool
) -> None:
    import nibabel

    side = 6
    ijk = np.stack(np.unravel_index(np.arange(side**3), (side,) * 3), axis=1).astype(np.int32)
    affine = np.diag([24.0, 24.0, 24.0, 1.0])
    affine[:3, 3] = (-60, -90, -50)
    n = len(ijk)
    names = ["r", "r_ridge", "r_normalised", "ceiling", "p", "q", "p_ridge", "q_ridge"]
    names += ["delay_s", "delay_model_s"]
    with writing(folder / "voxels.h5", stage="validate") as file:
        file.attrs["grid_shape"] = [side] * 3
        file.attrs["kind"] = kind
        file.attrs["subjects"] = json.dumps(list(subjects))
        file.attrs["fdr_q"] = 0.05
        file.attrs["n_permutations"] = 1000
        file.attrs["min_ceiling"] = 0.1
        file["ijk"] = ijk
        file["affine"] = affine
        file["xyz_mm"] = ijk @ affine[:3, :3].T + affine[:3, 3]
        for subject in subjects:
            for name in names:
                values = rng.uniform(size=n).astype(np.float32)
                file[f"{subject}/{name}"] = values
            for name in (*PARTS, *(f"r2_{'_'.join(s)}" for s in SUBSETS)):
                values = rng.uniform(size=n).astype(np.float32)
                file[f"{subject}/partition/{name}"] = values
            file[f"{subject}/above_ceiling"] = rng.uniform(size=n) > 0.95
            for name in ("r", "r_normalised", "q"):
                volume = rng.uniform(size=(side,) * 3).astype(np.float32)
                image = nibabel.Nifti1Image(volume, affine)
                image.to_filename(folder / f"{subject}_{name}.nii.gz")
                _picture(rng, folder / f"{subject}_{name}.png")
            for name in ("delay_s", "best"):
                _picture(rng, folder / f"{subject}_{name}.png")
        if simulated:
            file["truth/responds"] = rng.uniform(size=(n, 3)) > 0.5
            file["truth/delay_s"] = rng.uniform(4, 6, size=n).astype(np.float32)
            file["truth/ceiling"] = rng.uniform(size=n).astype(np.float32)
            file["truth/region"] = rng.integers(0, 3, size=n)
            file["truth"].attrs["region_names"] = json.dumps(["seeing", "hearing", "nothing"])
    names = ["glass_r", "glass_r_ridge", "glass_delay", "model_vs_ridge", "regions", "partition"]
    names += ["subjects", "runs"]
    names += [f"surface_{name}" for name in ("r", "r_ridge", "r_normalised", "delay")]
    for name in (*names, *(f"glass_unique_{m}" for m in MODALITIES)):
        _picture(rng, folder / f"{name}.png")


def _fmri_tables(
    rng: np.random.Generator,
    folder: Path,
    runs: Sequence[str],
    subjects: Sequence[str],
    simulated: bool,
) -> None:
    regions = ("seeing", "hearing", "nothing") if simulated else ("all",)
    for column, keys in (("region", regions), ("run", runs)):
        everybody = [*subjects, ""] if column == "region" else subjects
        rows = [
            {column: key, "source": source, "subject": subject}
            for key in keys
            for source in ("model", "ridge", "ceiling")
            for subject in everybody
        ]
        table = pd.DataFrame(rows)
        table["value"] = rng.uniform(size=len(table))
        table["ci_low"], table["ci_high"] = table["value"] - 0.1, table["value"] + 0.1
        table["n"] = 70
        if column == "region":
            table["p"], table["q"] = rng.uniform(size=(2, len(table)))
        table.to_csv(folder / f"by_{column}.csv", index=False)
    parts = pd.DataFrame(
        [
            {"region": region, "part": part, "subject": subject}
            for region in regions
            for subject in subjects
            for part in PARTS
        ]
    )
    parts["value"] = rng.uniform(-0.05, 0.3, size=len(parts))
    parts["ci_low"], parts["ci_high"] = parts["value"] - 0.05, parts["value"] + 0.05
    parts["n"] = 70
    parts.to_csv(folder / "partition.csv", index=False)


def _sounds(
    rng: np.random.Generator, folder: Path, runs: Sequence[str], subjects: Sequence[str]
) -> None:
    import soundfile

    shown, clips = [], []
    for run in runs:
        for source in ("original", "ceiling", "model", "from_bold", "from_predicted"):
            name = f"{run}_{source}.wav"
            sound = 0.1 * rng.normal(size=24000).clip(-3, 3)
            soundfile.write(folder / name, sound, 12000, subtype="PCM_16")
            whose = subjects[0] if source == "from_bold" else ""
            shown.append({"file": name, "run": run, "source": source, "subject": whose})
            clips.append(
                {"run": run, "tr_start": 0, "tr_stop": 8, "source": source, "subject": whose}
            )
        _picture(rng, folder / f"{run}_spectrograms.png")
    pd.DataFrame(shown).to_csv(folder / "shown.tsv", sep="\t", index=False)
    table = pd.DataFrame(clips)
    table["speech"] = [1.0 if run == runs[0] else 0.0 for run in table["run"]]
    table["is_speech"] = table["speech"] > 0
    for name in ("stoi", "estoi", "si_sdr", "log_spectral_distance", "log_mel_distance"):
        table[name] = rng.uniform(size=len(table))
    table.to_csv(folder / "clips.tsv", sep="\t", index=False)


def _films(
    rng: np.random.Generator,
    folder: Path,
    runs: Sequence[str],
    subjects: Sequence[str],
    n_examples: int,
) -> None:
    for run in runs:
        for source in ("original", "model", "from_bold", "from_predicted"):
            _film(rng, folder / f"{run}_{source}.mp4")
        _film(rng, folder / f"{run}_triptych.mp4")
        _picture(rng, folder / f"{run}_strip.png")
    rows = []
    for kind in ("best", "median", "worst", "random"):
        for number in range(1, n_examples + 1):
            name = f"frames_{kind}_{number}.png"
            _picture(rng, folder / name)
            rows.append({"file": name, "kind": kind, "run": runs[0], "tr": number})
    table = pd.DataFrame(rows)
    table["start_s"] = table["tr"] * 1.5
    table["subject"] = subjects[0]
    table["ssim"] = rng.uniform(size=len(table))
    table.to_csv(folder / "examples.tsv", sep="\t", index=False)
    _picture(rng, folder / "scores.png")


def _texts(
    rng: np.random.Generator, folder: Path, runs: Sequence[str], subjects: Sequence[str]
) -> None:
    rows = [
        {
            "run": run,
            "tr": tr,
            "start_s": 1.5 * tr,
            "source": source,
            "subject": subjects[0] if source in ("from_bold", "ridge") else "",
            "true_text": 'A man says "hello" <script>alert(1)</script>',
            "retrieved_text": "A dog & a cat walk by.",
            "rank": int(rng.integers(1, 20)),
            "n_candidates": 20,
            "cosine": float(rng.uniform()),
        }
        for run in runs
        for tr in range(6)
        for source in ("model", "from_bold", "from_predicted", "ridge")
    ]
    pd.DataFrame(rows).to_csv(folder / "retrieved.tsv", sep="\t", index=False)
    _picture(rng, folder / "ranks.png")
    regions = pd.DataFrame(
        [{"region": r, "subject": s} for r in ("seeing", "hearing") for s in (*subjects, "")]
    )
    regions["pairwise"] = rng.uniform(0.4, 0.9, size=len(regions))
    regions["ci_low"], regions["ci_high"] = regions["pairwise"] - 0.1, regions["pairwise"] + 0.1
    regions["n"] = 57
    for name in ("p", "top5", "median_rank", "n_voxels", "q"):
        regions[name] = rng.uniform(size=len(regions))
    regions.to_csv(folder / "by_region.csv", index=False)
    said = pd.DataFrame(rows).drop(columns=["source", "retrieved_text"]).head(12)
    said.insert(0, "region", "seeing")
    said.insert(1, "subject", said.pop("subject"))
    said.insert(6, "nearest_text", "A dog & a cat walk by.")
    said.to_csv(folder / "region_sentences.tsv", sep="\t", index=False)
    _picture(rng, folder / "regions.png")


def _picture(rng: np.random.Generator, path: Path) -> None:
    from matplotlib import image

    image.imsave(path, rng.uniform(size=(60, 160, 3)))


def _film(rng: np.random.Generator, path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(4, 3))
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for _ in range(6):
            pixels = rng.integers(0, 255, size=(90, 160, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
