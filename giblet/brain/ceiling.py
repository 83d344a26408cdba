"""How well anything could predict a subject: inter-subject correlation and the ceiling from it.

The people saw the same film. What a voxel of one shares with the others is response to the
film (or to the scanner, which preprocessing should have taken out); the rest is noise, or is
the subject's own. With ``n`` others, each signal standardised and a correlation ``rho`` with
what all share, the leave-one-out inter-subject correlation (Hasson et al. 2004; Nastase et al.
2019) is expected to be

    isc = rho * sqrt(n rho^2 / (1 + (n - 1) rho^2))

the second factor being the correlation of a mean of ``n`` with what it estimates (Spearman and
Brown, 1910). Solved for ``rho``, the ceiling of Pearson's r between the subject's BOLD and a
perfect prediction of the shared response:

    rho^2 = ((n - 1) isc^2 + sqrt((n - 1)^2 isc^4 + 4 n isc^2)) / (2 n)

With one other this is ``sqrt(isc)``, the correction for attenuation (Spearman, 1904).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import BrainError
from giblet.store import dataset, reading, writing
from giblet.timing import Exact

# Block of voxels of all subjects of a run, in float64; about four of it are alive at a time.
BLOCK_BYTES = 32 * 2**20
# Keeps Fisher's z finite for recordings that are copies of each other.
LARGEST_R = 1 - 1e-7
ALONE = (
    "no inter-subject correlation: no run was seen by two subjects, so there is nobody to "
    "compare with and the ceiling is unknown (NaN)"
)


def make_ceiling(
    out: str | Path,
    scans: Sequence[str | Path],
    *,
    scan_names: Sequence[str],
    tr_s: Exact,
) -> None:
    """Write ``isc/{subject}`` and ``ceiling/{subject}``, each [V] float32.

    Parameters
    ----------
    scans : cleaned runs (see :func:`giblet.brain.run.make_run`)
    scan_names : subject/run of each
    """
    by_run: dict[str, dict[str, str | Path]] = {}
    for name, path in zip(scan_names, scans, strict=True):
        subject, run = name.split("/")
        by_run.setdefault(run, {})[subject] = path
    subjects = list(dict.fromkeys(name.split("/")[0] for name in scan_names))
    isc, n_others = study_isc(by_run, subjects, tr_s)
    compared = [subject for subject in subjects if np.isfinite(isc[subject]).any()]
    with writing(out, stage="brain", tr_s=tr_s) as file:
        file.attrs["n_subjects"] = len(subjects)
        file.attrs["note"] = "" if compared else ALONE
        for subject in subjects:
            file[f"isc/{subject}"] = isc[subject].astype(np.float32)
            ceiling = ceiling_from_isc(isc[subject], n_others[subject])
            file[f"ceiling/{subject}"] = ceiling.astype(np.float32)
            file[f"isc/{subject}"].attrs["compared"] = subject in compared
    if not compared:
        print(f"warning: {ALONE}")
    for subject in compared:
        print(f"{subject}: median inter-subject correlation {np.nanmedian(isc[subject]):.3f}")


def study_isc(
    by_run: Mapping[str, Mapping[str, str | Path]], subjects: Sequence[str], tr_s: Exact
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Leave-one-out inter-subject correlation over all runs.

    Runs are averaged as Fisher's z, weighted by their length less 3 (the inverse of z's
    variance for independent samples).

    Parameters
    ----------
    by_run : ``{run: {subject: path}}``

    Returns
    -------
    isc : per subject, array of shape (n_voxels,); NaN without another subject to compare with
    n_others : per subject, mean number of others that were compared with, same shape
    """
    total: dict[str, NDArray[np.float64]] = {}
    weight: dict[str, NDArray[np.float64]] = {}
    others: dict[str, NDArray[np.float64]] = {}
    for run, paths in by_run.items():
        n_trs, n_voxels = _common_shape(run, paths, tr_s)
        for subject in paths:
            for sums in (total, weight, others):
                sums.setdefault(subject, np.zeros(n_voxels))
        if len(paths) < 2:
            print(f"{run}: only {', '.join(paths)} saw it; not compared")
            continue
        r, n = _run_isc(paths, n_trs, n_voxels)
        for row, subject in enumerate(paths):
            known = np.isfinite(r[row])
            here = np.where(known, max(n_trs - 3, 1), 0)
            z = np.arctanh(np.clip(np.where(known, r[row], 0), -LARGEST_R, LARGEST_R))
            total[subject] += here * z
            weight[subject] += here
            others[subject] += here * n[row]
    with np.errstate(invalid="ignore"):
        return (
            {name: np.tanh(total[name] / weight[name]) for name in subjects},
            {name: others[name] / weight[name] for name in subjects},
        )


def _common_shape(run: str, paths: Mapping[str, str | Path], tr_s: Exact) -> tuple[int, int]:
    """TRs that all scans of a run have, and the number of voxels."""
    shapes = {}
    for subject, path in paths.items():
        with reading(path, stage="brain", tr_s=tr_s) as file:
            shapes[subject] = dataset(file, "bold", shape=(None, None)).shape
    widths = {subject: shape[1] for subject, shape in shapes.items()}
    if len(set(widths.values())) > 1:
        raise BrainError(
            f"{run}: scans have different numbers of voxels ({widths}): delete the brain stage's "
            "results and run snakemake again"
        )
    lengths = {subject: shape[0] for subject, shape in shapes.items()}
    if len(set(lengths.values())) > 1:
        print(f"{run}: scans have different lengths ({lengths}); the shortest counts")
    return min(lengths.values()), next(iter(widths.values()))


def _run_isc(
    paths: Mapping[str, str | Path], n_trs: int, n_voxels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation with the mean of the others, and how many those are: (n_subjects, n_voxels)."""
    step = max(1, BLOCK_BYTES // (8 * n_trs * len(paths)))
    r = np.full((len(paths), n_voxels), np.nan)
    n_others = np.zeros((len(paths), n_voxels))
    with ExitStack() as stack:
        files: list[h5py.File] = [
            stack.enter_context(reading(path, stage="brain")) for path in paths.values()
        ]
        for start in range(0, n_voxels, step):
            here = slice(start, min(start + step, n_voxels))
            block = np.stack([file["bold"][:n_trs, here].astype(np.float64) for file in files])
            valid = np.stack([file["valid"][here] for file in files])
            r[:, here], n_others[:, here] = leave_one_out(block, valid)
    return r, n_others


def leave_one_out(
    bold: NDArray[np.float64], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation of each subject with the mean of the others' standardised signals.

    Parameters
    ----------
    bold : array of shape (n_subjects, n_trs, n_voxels); overwritten
    valid : bool array of shape (n_subjects, n_voxels); a subject's invalid voxel counts neither
        as itself nor among the others

    Returns
    -------
    r : array of shape (n_subjects, n_voxels), NaN where there is nobody to compare with
    n_others : array of the same shape
    """
    bold -= bold.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.einsum("stv,stv->sv", bold, bold))
    valid = valid & (spread > 0)
    # Unit length rather than unit variance: correlations are then plain sums.
    bold *= np.where(valid, 1 / np.where(valid, spread, 1), 0)[:, None, :]
    everyone = bold.sum(axis=0)
    n_others = valid.sum(axis=0) - valid.astype(float)
    r = np.full(valid.shape, np.nan)
    for subject, own in enumerate(bold):
        rest = everyone - own
        length = np.sqrt(np.einsum("tv,tv->v", rest, rest))
        known = valid[subject] & (n_others[subject] > 0) & (length > 1e-9)
        with np.errstate(invalid="ignore", divide="ignore"):
            r[subject] = np.where(known, np.einsum("tv,tv->v", own, rest) / length, np.nan)
    return r, n_others


def ceiling_from_isc(
    isc: NDArray[np.float64], n_others: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Largest correlation that a prediction of the shared response can reach.

    Parameters
    ----------
    isc : leave-one-out inter-subject correlation; a negative one counts as 0
    n_others : number of subjects in the mean that it was taken with

    Returns
    -------
    array like `isc`, from 0 to 1; NaN stays NaN (see the module's docstring for the formula)
    """
    squared = np.maximum(isc, 0) ** 2
    n = np.maximum(n_others, 1)
    rho_squared = ((n - 1) * squared + np.sqrt((n - 1) ** 2 * squared**2 + 4 * n * squared)) / (
        2 * n
    )
    return np.sqrt(np.clip(rho_squared, 0, 1))
