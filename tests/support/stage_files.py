"""Small files of the stimulus, features and brain stages, in the layout align reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from giblet.store import image_compression, writing
from giblet.timing import as_fraction, n_items, tr_ranges


@dataclass
class StageFiles:
    """Paths of one made-up study before alignment, and the arguments align needs."""

    folder: Path
    runs: list[str]
    tr_s: str = "1.5"
    frames: list[Path] = field(default_factory=list)
    audio: list[Path] = field(default_factory=list)
    text: list[Path] = field(default_factory=list)
    scans: dict[tuple[str, str], Path] = field(default_factory=dict)
    space: Path = Path()

    def stimulus(self) -> dict[str, Any]:
        """Arguments that all align functions over several runs share."""
        return {
            "runs": self.runs,
            "frames": self.frames,
            "audio": self.audio,
            "text": self.text,
            "scans": self.scans,
            "tr_s": self.tr_s,
        }


def make_stages(
    folder: Path,
    n_trs: Sequence[int] = (100, 100),
    *,
    subjects: Sequence[str] = ("sub-01", "sub-02"),
    n_voxels: int = 12,
    n_volumes: dict[tuple[str, str], int] | None = None,
    without: Sequence[tuple[str, str]] = (),
    onset_trs: int = 0,
    tail_trs: int = 0,
    frames_per_tr: int = 3,
    height: int = 10,
    width: int = 16,
    stretch: float = 1.0,
    tr_s: str = "1.5",
    seed: int = 0,
) -> StageFiles:
    """Write the files; BOLD is noise with a different mean and spread per voxel.

    Parameters
    ----------
    n_volumes : lengths of scans that differ from their run's
    without : (subject, run) pairs that have no scan
    onset_trs, tail_trs : TRs before and after the film in each run
    stretch : factor on the film's clock; other than 1 the film is stretched to the scan
    """
    rng = np.random.default_rng(seed)
    runs = [f"run-{k + 1}" for k in range(len(n_trs))]
    made = StageFiles(folder, runs, tr_s)
    for run, length in zip(runs, n_trs, strict=True):
        valid = np.ones(length, bool)
        valid[:onset_trs] = False
        valid[length - tail_trs :] = False
        made.frames.append(
            frames_file(
                folder / f"stimulus/{run}/frames.h5",
                rng,
                valid,
                (frames_per_tr, height, width),
                tr_s,
                stretch,
                onset_trs,
            )
        )
        made.audio.append(audio_file(folder / f"features/{run}/audio.h5", rng, length, tr_s))
        made.text.append(text_file(folder / f"features/{run}/text.h5", rng, valid, tr_s))
        for subject in subjects:
            if (subject, run) not in without:
                volumes = (n_volumes or {}).get((subject, run), length)
                bold = rng.normal(100, 3, size=(volumes, n_voxels)) * np.arange(1, n_voxels + 1)
                path = folder / f"brain/{subject}/{run}.h5"
                made.scans[subject, run] = bold_file(path, bold, tr_s)
    made.space = space_file(folder / "brain/space.h5", n_voxels)
    return made


def frames_file(
    path: Path,
    rng: np.random.Generator,
    valid: np.ndarray,
    shape: tuple[int, int, int],
    tr_s: str = "1.5",
    stretch: float = 1.0,
    onset_trs: int = 0,
) -> Path:
    """``stimulus/{run}/frames.h5``: pictures that drift slowly, black where not valid."""
    length, per_tr = len(valid), shape[0]
    level = np.cumsum(rng.normal(0, 6, size=(length, 1, 1, 1, 3)), axis=0) + 120
    frames = level + rng.normal(0, 12, size=(length, *shape, 3))
    frames = np.clip(frames, 0, 255).astype(np.uint8)
    frames[~valid] = 0
    step = float(as_fraction(tr_s)) / per_tr
    scanner_s = (np.arange(length * per_tr) + 0.5) * step
    film_s = (scanner_s - onset_trs * float(as_fraction(tr_s))) * stretch
    with writing(path, stage="stimulus", tr_s=tr_s) as file:
        file.create_dataset("frames", data=frames, chunks=(1, *shape, 3), **image_compression())
        file["valid"] = np.repeat(valid[:, None], per_tr, axis=1)
        file["time_s"] = film_s.reshape(length, per_tr)
        file.attrs["frames_per_tr"] = per_tr
    return path


def audio_file(
    path: Path,
    rng: np.random.Generator,
    length: int,
    tr_s: str = "1.5",
    *,
    n_codebooks: int = 2,
    codebook_size: int = 16,
    latent_dim: int = 6,
    n_mels: int = 5,
) -> Path:
    """``features/{run}/audio.h5`` at 37.5 codec frames a second."""
    n_frames = n_items(length, tr_s, "37.5")
    with writing(path, stage="features", tr_s=tr_s) as file:
        codes = rng.integers(codebook_size, size=(n_codebooks, n_frames))
        file["codes"] = codes.astype(np.int16)
        file["latents"] = rng.normal(size=(n_frames, latent_dim)).astype(np.float16)
        file["log_mel"] = rng.normal(-5, 2, size=(n_frames, n_mels)).astype(np.float16)
        file["index"] = tr_ranges(length, tr_s, "37.5")
        file.attrs["sample_rate_hz"] = 12000
        file.attrs["hop_length"] = 320
        file.attrs["n_codebooks"] = n_codebooks
        file.attrs["codebook_size"] = codebook_size
        file.attrs["codec"] = "giblet-12khz"
    return path


def text_file(
    path: Path, rng: np.random.Generator, valid: np.ndarray, tr_s: str = "1.5", width: int = 7
) -> Path:
    """``features/{run}/text.h5``: an embedding on most TRs with film."""
    spoken = valid & (rng.random(len(valid)) < 0.8)
    values = rng.normal(size=(len(valid), width)).astype(np.float32)
    values[~spoken] = 0
    with writing(path, stage="features", tr_s=tr_s) as file:
        file["embedding"] = values
        file["valid"] = spoken
        file.attrs["model"] = "made-up"
    return path


def bold_file(
    path: Path, bold: np.ndarray, tr_s: str = "1.5", measured: np.ndarray | None = None
) -> Path:
    """``brain/{subject}/{run}.h5``; without `measured`, as of a version that did not say it."""
    good = np.isfinite(bold).all(axis=0) & (np.ptp(np.nan_to_num(bold), axis=0) > 0)
    with writing(path, stage="brain", tr_s=tr_s) as file:
        file["bold"] = bold.astype(np.float32)
        file["valid"] = good
        if measured is not None:
            file["measured"] = measured
        file.attrs["high_pass_hz"], file.attrs["detrend"] = 0.0, False
    return path


def space_file(path: Path, n_voxels: int) -> Path:
    """``brain/space.h5``: voxels in a row."""
    ijk = np.stack([np.arange(n_voxels), np.zeros(n_voxels), np.zeros(n_voxels)], axis=1)
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    with writing(path, stage="brain") as file:
        file["ijk"] = ijk.astype(np.int32)
        file["xyz_mm"] = ijk @ affine[:3, :3]
        file["affine"] = affine
        file.attrs["kind"] = "voxels"
        file.attrs["grid_shape"] = [n_voxels, 1, 1]
    return path


def split_table(path: Path, codes: dict[str, list[str]]) -> Path:
    """``align/splits.tsv`` from the split names of each run."""
    rows = [
        {"run": run, "tr": tr, "split": name}
        for run, names in codes.items()
        for tr, name in enumerate(names)
    ]
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    return path
