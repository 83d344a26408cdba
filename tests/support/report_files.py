"""A whole results folder for tests of the report, with scores whose verdicts are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from giblet.store import writing
from tests.support.caches import edited
from tests.support.validate_files import make_validate_files

SUBJECTS = ("sub-01", "sub-02", "sub-03")
RUNS = ("run-1", "run-2")
FLOORS = ("floor_mean", "floor_shifted", "floor_nearest")
COLUMNS = ["modality", "metric", "unit", "source", "split", "subject", "value"]
COLUMNS += ["ci_low", "ci_high", "n"]
# For each score: unit, ceiling, what good sources score, what floors score, chance.
LEVELS = {
    "fmri": {
        "r_mean": ("r", 0.31, 0.18, 0.01, None),
        "share_significant": ("share", None, 0.34, 0.0, 0.0),
        "r_over_true_ceiling": ("share", None, 0.78, None, None),
    },
    "video": {
        "psnr": ("dB", 41.2, 17.0, 14.0, None),
        "ssim": ("1", 0.985, 0.46, 0.38, None),
        "identification_pairwise": ("share", None, 0.81, 0.5, 0.5),
        "identification_p": ("p", None, 0.001, None, None),
    },
    "audio": {
        "stoi": ("1", 0.74, 0.38, 0.22, None),
        "log_spectral_distance": ("dB", 9.1, 18.0, 26.0, None),
        "log_mel_r": ("r", 0.97, 0.55, 0.03, None),
        "identification_pairwise": ("share", None, 0.79, 0.5, 0.5),
        "identification_p": ("p", None, 0.001, None, None),
    },
    "text": {
        "cosine_centred": ("1", 1.0, 0.31, 0.0, None),
        "retrieval_top5": ("share", 1.0, 0.41, 0.05, 0.05),
        "retrieval_median_rank": ("rank", 1.0, 9.0, 50.0, 50.0),
        "identification_pairwise": ("share", None, 0.84, 0.5, 0.5),
        "identification_p": ("p", None, 0.001, None, None),
    },
}
RIDGE_HAS = {
    "video": ("psnr", "ssim", "identification_pairwise", "identification_p"),
    "audio": ("log_mel_r", "identification_pairwise", "identification_p"),
}
SETTINGS = {"clip_s": 30.0, "n_media_runs": 2, "n_sentences": 2, "audio_format": "flac",
            "max_mb": 24.0}  # fmt: skip
CONFIG = {
    "dataset": "demo",
    "seed": 7,
    "tr_s": "1.5",
    "align": {"scheme": "blocks", "gap_s": 30, "delays_trs": [1, 2, 3]},
    "model": {"name": "giblet"},
    "features": {"audio": {"sample_rate_hz": 12000}, "video": {"backbone": "none"}},
    "simulate": {"film": {"make": True}, "bold": {"make": True}},
}


def make_results(
    folder: str | Path,
    *,
    strength: dict[str, float] | None = None,
    subjects: Sequence[str] = SUBJECTS,
    simulated: bool = True,
    seed: int = 0,
) -> Path:
    """Write every input of the report into `folder`, which stands for results/{dataset}.

    Parameters
    ----------
    strength
        How far each source stands from the floor to the good level of `LEVELS`, 0 to 1, for
        ``model``, ``from_bold``, ``from_predicted`` and ``ridge``; 0 is a null study.
    """
    rng = np.random.default_rng(seed)
    folder = Path(folder)
    strength = {"model": 1, "from_bold": 0.6, "from_predicted": 0.7, "ridge": 1, **(strength or {})}
    make_validate_files(folder / "validate", RUNS, subjects, seed, simulated=simulated)
    for modality in LEVELS:
        table = metrics_table(rng, modality, strength, subjects)
        table.to_csv(folder / "validate" / modality / "metrics.csv", index=False)
    _voxels(rng, folder, strength, subjects)
    _rest(rng, folder, subjects)
    return folder


def metrics_table(
    rng: np.random.Generator, modality: str, strength: dict[str, float], subjects: Sequence[str]
) -> pd.DataFrame:
    """Rows whose 95 % intervals have a half-width of a tenth of floor to good level."""
    rows: list[list[object]] = []

    def add(name: str, unit: str, source: str, value: float, width: float, own: bool) -> None:
        values = []
        for subject in subjects if own else ():
            value_s = value + rng.uniform(-0.4, 0.4) * width
            values.append(value_s)
            rows.append([modality, name, unit, source, "test", subject, value_s,
                         value_s - width, value_s + width, 60])  # fmt: skip
        pooled = float(np.mean(values)) if own else value
        ends = (np.nan, np.nan) if own else (value - width, value + width)
        rows.append([modality, name, unit, source, "test", "", pooled, *ends, 60])

    for name, (unit, ceiling, good, floor, chance) in LEVELS[modality].items():
        brain = ("model", "ridge")
        for source in brain if modality == "fmri" else (*brain, "from_bold", "from_predicted"):
            if source == "ridge" and name not in RIDGE_HAS.get(modality, (name,)):
                continue
            own = modality == "fmri" or source in ("ridge", "from_bold")
            base = 0.5 if floor is None else floor
            value = base + strength[source] * (good - base)
            width = 0.1 * abs(good - base) if name != "identification_p" else 0.0
            add(name, unit, source, value, width, own)
        for source in FLOORS if floor is not None else ():
            add(name, unit, source, floor, 0.05 * abs(good - floor), modality == "fmri")
        if ceiling is not None:
            add(name, unit, "ceiling", ceiling, 0.01, modality == "fmri")
        if chance is not None:
            add(name, unit, "chance", chance, 0.0, False)
    if modality == "fmri":
        add("delay_abs_error_s", "s", "ridge", 0.21, 0.0, True)
    return pd.DataFrame(rows, columns=COLUMNS)


def _voxels(
    rng: np.random.Generator, folder: Path, strength: dict[str, float], subjects: Sequence[str]
) -> None:
    """Make the r of responding voxels stand out from the others', and q with it."""

    with edited(folder / "validate/fmri/voxels.h5") as file:
        n = len(file["ijk"])
        responding = np.arange(n) < n // 2
        if "truth" in file:
            file["truth/responds"][:] = responding[:, None]
        for subject in subjects:
            for r, q, source in (("r", "q", "model"), ("r_ridge", "q_ridge", "ridge")):
                mean = np.where(responding, 0.4 * strength[source], 0.0)
                values = mean + 0.08 * rng.normal(size=n)
                file[f"{subject}/{r}"][:] = values
                file[f"{subject}/{q}"][:] = np.where(values > 0.25, 0.01, 0.6)


def _rest(rng: np.random.Generator, folder: Path, subjects: Sequence[str]) -> None:
    """What the stages before validate leave."""
    splits = [("train", 180), ("gap", 20), ("val", 30), ("gap", 20), ("test", 50)]
    names = [name for name, count in splits for _ in range(count)]
    rows = [{"run": run, "tr": tr, "split": s} for run in RUNS for tr, s in enumerate(names)]
    (folder / "align").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(folder / "align/splits.tsv", sep="\t", index=False)
    with writing(folder / "brain/ceiling.h5", stage="brain") as file:
        file.attrs["n_subjects"] = len(subjects)
        for subject in subjects:
            file[f"ceiling/{subject}"] = rng.uniform(0.1, 0.5, 216).astype(np.float32)
    with writing(folder / "train/ridge/baseline.h5", stage="train") as file:
        file["alphas"] = np.ones(3)
    history(rng).to_csv(_made(folder / "train/giblet/history.csv"), index=False)
    figures = {"best_step": 460, "n_parameters": 4812345, "best_val_loss": 0.71234, "curve": [1]}
    (folder / "train/giblet/metrics.json").write_text(json.dumps(figures))


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def history(rng: np.random.Generator) -> pd.DataFrame:
    """Loss curves that fall from 1 and level off, validation above training."""
    rows = []
    for step in range(0, 600, 5):
        for split in ("train", "val") if step % 20 == 0 else ("train",):
            row: dict[str, object] = {"step": step, "epoch": step // 60, "split": split}
            for name, end in (("brain", 0.8), ("video", 0.6), ("audio", 0.7), ("text", 0.5)):
                end += 0.1 * (split == "val")
                noise = 0.03 * rng.normal() * (split == "train")
                row[name] = end + (1.05 - end) * np.exp(-step / 120) + noise
            row["loss"] = np.mean([row[n] for n in ("brain", "video", "audio", "text")])
            row["lr"], row["trs_per_s"] = 1e-3, 240.0
            rows.append(row)
    return pd.DataFrame(rows)


def inputs(folder: Path) -> list[Path]:
    """What the rule would declare."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return sorted(path for path in found if path.suffix != ".html")
