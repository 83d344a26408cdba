"""BOLD in the study: z-scored per subject with the statistics of its training TRs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.align.layout import CODES
from giblet.align.stats import Moments
from giblet.errors import AlignError
from giblet.store import dataset, measured_volumes, reading
from giblet.timing import Exact

ROWS = 64
CHUNK_ROWS = 16
CLEANING = ("high_pass_hz", "detrend")


def write_bold(
    file: h5py.File,
    subject: str,
    scans: Mapping[str, str | Path],
    splits: Mapping[str, NDArray[np.int8]],
    n_voxels: int,
    tr_s: Exact,
) -> None:
    """Write ``runs/{run}/bold/{subject}`` and ``stats/bold/{subject}``.

    Volumes that are no measurement are 0, the mean, and count in no statistic.

    Parameters
    ----------
    scans : the subject's BOLD file of each run
    splits : split code of each TR of each run
    n_voxels : voxels or parcels that each scan has to have

    Raises
    ------
    AlignError
        If the subject has no training TR or no usable voxel, or a scan another number of
        voxels or another cleaning than the scans before it.

    Notes
    -----
    Two passes over the files, `ROWS` TRs at a time: statistics, then the z-scores.
    """
    moments, valid = _statistics(subject, scans, splits, n_voxels, tr_s)
    mean, std = moments.mean(), moments.std()
    group = file.create_group(f"stats/bold/{subject}")
    group["mean"] = np.where(valid, mean, 0).astype(np.float32)
    group["std"] = np.where(valid, std, 1).astype(np.float32)
    group["valid"] = valid
    for run, path in scans.items():
        n_trs = len(splits[run])
        target = file.create_dataset(
            f"runs/{run}/bold/{subject}",
            shape=(n_trs, n_voxels),
            dtype=np.float32,
            chunks=(min(n_trs, CHUNK_ROWS), n_voxels),
        )
        with reading(path, stage="brain", tr_s=tr_s, run=run, subject=subject) as source:
            _same_cleaning(file, source)
            bold = dataset(source, "bold")
            measured = measured_volumes(source)
            for start in range(0, n_trs, ROWS):
                part = slice(start, min(start + ROWS, n_trs))
                with np.errstate(invalid="ignore"):
                    z = (bold[part] - mean) / std
                target[part] = np.where(measured[part, None] & valid & np.isfinite(z), z, 0)
    print(f"{subject}: {int(valid.sum())} of {n_voxels} voxels, {moments.count} training TRs")


def _same_cleaning(file: h5py.File, source: h5py.File) -> None:
    """Put on the study what was taken out of its scans; refuse one cleaned in another way."""
    for name in CLEANING:
        if name not in source.attrs:
            raise AlignError(
                f"{source.filename}: does not say its {name}: delete it and run snakemake again"
            )
        value = source.attrs[name]
        if name in file.attrs and file.attrs[name] != value:
            raise AlignError(
                f"{source.filename}: {name} is {value}, the scans before it have "
                f"{file.attrs[name]}: delete the brain stage's files and run snakemake again"
            )
        file.attrs[name] = value


def _statistics(
    subject: str,
    scans: Mapping[str, str | Path],
    splits: Mapping[str, NDArray[np.int8]],
    n_voxels: int,
    tr_s: Exact,
) -> tuple[Moments, NDArray[np.bool_]]:
    """Moments over the subject's training TRs, and which voxels can be used."""
    moments, valid = Moments(), np.ones(n_voxels, bool)
    for run, path in scans.items():
        train = splits[run] == CODES["train"]
        with reading(path, stage="brain", tr_s=tr_s, run=run, subject=subject) as source:
            bold = dataset(source, "bold", shape=(None, None))
            if bold.shape[1] != n_voxels:
                raise AlignError(
                    f"{path}: {bold.shape[1]} voxels, brain/space.h5 has {n_voxels}: delete the "
                    "brain stage's files and run snakemake again"
                )
            if len(bold) < len(train):
                raise AlignError(
                    f"{path}: {len(bold)} TRs, splits.tsv has {len(train)} of {run}: delete "
                    "splits.tsv and run snakemake again"
                )
            valid &= dataset(source, "valid", dtype=bool, shape=(n_voxels,))[:]
            train = train & measured_volumes(source)[: len(train)]
            for start in range(0, len(train), ROWS):
                part = slice(start, min(start + ROWS, len(train)))
                moments.add(bold[part][train[part]])
    if moments.count == 0:
        raise AlignError(
            f"{subject} has no training TR: its runs {', '.join(scans)} only validate or test; "
            "give it another run, or take it out of the scans table"
        )
    spread = np.sqrt(moments.variance())
    valid &= np.isfinite(spread) & (spread > 0)
    if not valid.any():
        raise AlignError(
            f"{subject}: no voxel is finite and varies in runs {', '.join(scans)}: check its "
            "scans and the mask, or take it out of the scans table"
        )
    return moments, valid
