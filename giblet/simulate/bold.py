"""Scans of a simulated subject, from the truth of the study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from giblet.errors import StoreError
from giblet.simulate.nifti import volumes
from giblet.simulate.noise import (
    MOTION_COLUMNS,
    ar1_blocks,
    drift_basis,
    head_motion,
    standardised,
)
from giblet.simulate.seeds import generator
from giblet.store import dataset, reading, replacing
from giblet.timing import Exact, as_fraction

Block = NDArray[np.float32]
BASELINE = 1000.0
BASELINE_SD = 80.0
BLOCK_TRS = 32


def write_scans(
    truth: str | Path,
    bold: Sequence[str | Path],
    confounds: Sequence[str | Path],
    *,
    subject: str,
    runs: Sequence[str],
    tr_s: Exact,
    drift: float,
    motion: float,
    seed: int,
) -> None:
    """Scan one subject: a NIfTI file and a table of motion parameters for each run.

    Parameters
    ----------
    truth
        What `giblet.simulate.truth.write_truth` wrote.
    bold, confounds
        Files to write, one each for each of `runs`.
    drift, motion
        Standard deviation of the drift and of what head motion adds, in percent of the
        baseline (the noise and the response together have 1).

    Raises
    ------
    StoreError
        If the truth was made for other subjects, runs or another TR.
    """
    seconds = float(as_fraction(tr_s))
    with reading(truth, stage="simulate", tr_s=tr_s) as file:
        if subject not in file["weights"]:
            raise StoreError(
                f"{truth}: has no subject {subject!r}, only {', '.join(file['weights'])}: "
                "delete it and run snakemake again"
            )
        geometry = {
            "shape": tuple(int(n) for n in file.attrs["grid_shape"]),
            "affine": file["affine"][:],
            "ijk": file["ijk"][:],
        }
        noise_sd = file["noise_sd"][:]
        ar1 = float(file.attrs["ar1"])
        n_voxels = len(noise_sd)
        baseline = _baseline(seed, subject, n_voxels)
        for run, scan, table in zip(runs, bold, confounds, strict=True):
            n_trs = dataset(file["responses"], run).shape[1]
            rng = generator(seed, "noise", subject, run)
            moved = head_motion(rng, n_trs, seconds)
            slow = _nuisance(rng, n_trs, seconds, moved, n_voxels, drift, motion)
            noise = ar1_blocks(rng, n_trs, n_voxels, ar1, BLOCK_TRS)
            with volumes(scan, n_volumes=n_trs, tr_s=seconds, **geometry) as out:
                for first, response in response_blocks(file, subject, run):
                    percent = response + noise_sd * next(noise)
                    percent += slow[0][first : first + len(percent)] @ slow[1]
                    out.write(baseline * (1 + percent / np.float32(100)))
            with replacing(table) as partial:
                pd.DataFrame(moved, columns=list(MOTION_COLUMNS)).to_csv(
                    partial, sep="\t", index=False, float_format="%.6f"
                )
            print(f"{subject} {run}: {n_trs} volumes of {n_voxels} voxels")


def response_blocks(
    truth: h5py.File, subject: str, run: str, block: int = BLOCK_TRS
) -> Iterator[tuple[int, Block]]:
    """Noiseless response of a subject to a run, a few TRs at a time.

    Yields
    ------
    first : int, TR of the block's first row
    response : array of shape (at most block, n_voxels), float32, percent of the baseline
    """
    weights = truth[f"weights/{subject}"][:]
    delay_index = truth["delay_index"][:]
    responses = truth[f"responses/{run}"][:]
    of_delay = [(place, np.flatnonzero(delay_index == place)) for place in np.unique(delay_index)]
    n_trs = responses.shape[1]
    for first in range(0, n_trs, block):
        rows = slice(first, min(first + block, n_trs))
        out = np.empty((rows.stop - rows.start, len(weights)), dtype=np.float32)
        for place, voxels in of_delay:
            out[:, voxels] = responses[place, rows] @ weights[voxels].T
        yield first, out


def noiseless(truth: h5py.File, subject: str, run: str) -> Block:
    """Noiseless response of a subject to a whole run, (n_trs, n_voxels), percent."""
    return np.concatenate([block for _, block in response_blocks(truth, subject, run)])


def _baseline(seed: int, subject: str, n_voxels: int) -> Block:
    """Level of each voxel, in the scanner's arbitrary units."""
    rng = generator(seed, "baseline", subject)
    levels = BASELINE + BASELINE_SD * np.clip(rng.standard_normal(n_voxels), -3, 3)
    return levels.astype(np.float32)


def _nuisance(
    rng: np.random.Generator,
    n_trs: int,
    tr_s: float,
    moved: NDArray[np.float64],
    n_voxels: int,
    drift: float,
    motion: float,
) -> tuple[Block, Block]:
    """Time courses (n_trs, n) of drift and motion and their weights (n, n_voxels)."""
    cosines = drift_basis(n_trs, tr_s)
    # Slower cosines are stronger, as drift is.
    strength = 1 / np.arange(1, cosines.shape[1] + 1)
    strength *= drift / np.linalg.norm(strength)
    drift_weights = strength[:, None] * rng.standard_normal((cosines.shape[1], n_voxels))
    motion_weights = motion / np.sqrt(6) * rng.standard_normal((6, n_voxels))
    courses = np.concatenate([cosines, standardised(moved)], axis=1)
    weights = np.concatenate([drift_weights, motion_weights])
    return courses.astype(np.float32), weights.astype(np.float32)
