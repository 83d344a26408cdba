"""One run of one subject: read, masked, cleaned, and written as [TRs, voxels].

Memory stays near the one array that holds the run: volumes come in a few at a time, and the
array is cleaned in place in blocks of voxels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.brain.clean import Quality, clean_in_place, regressors
from giblet.brain.confounds import load_confounds
from giblet.brain.grid import Grid, require_same_grid
from giblet.brain.mask import load_mask
from giblet.brain.measured import FullScale, survey
from giblet.brain.oddities import remarks
from giblet.brain.parcels import open_parcels, require_same_labels
from giblet.brain.resample import smooth, to_grid
from giblet.brain.scans import Scan, open_scan, require_tr, volume_range
from giblet.errors import BrainError, ConfigError
from giblet.store import dataset, reading, writing
from giblet.timing import Exact, as_fraction

CHUNK_ROWS = 16
Blocks = Iterable[tuple[int, NDArray[Any]]]


@dataclass(frozen=True)
class Source:
    """Time courses that can be read a few volumes at a time.

    Attributes
    ----------
    name : what messages call it
    n_volumes : volumes in the file or files
    n_voxels : voxels of the mask, or parcels
    missing : volumes whose file is not there, of shape (n_volumes,); None if all are
    full_scale : the whole numbers of the files that the values are; None for others
    blocks : from first volume and count to (offset, values of shape (n, n_voxels)) pairs
    """

    name: str
    n_volumes: int
    n_voxels: int
    blocks: Callable[[int, int], Blocks]
    missing: NDArray[np.bool_] | None = None
    full_scale: FullScale | None = None


def make_run(
    out: str | Path,
    *,
    bold: Sequence[str],
    space: str | Path,
    mask: str | Path | None,
    confounds: str | Path | None,
    run: str,
    kind: str,
    tr_s: Exact,
    first_volume: int,
    n_volumes: int,
    check_tr: bool,
    resample: bool,
    smoothing_fwhm_mm: float,
    confound_columns: Sequence[str],
    high_pass_hz: float,
    detrend: bool,
    parcels_dataset: str,
    subject: str = "",
) -> None:
    """Write a run's cleaned time courses: ``bold`` [T, V], ``valid`` [V] and ``measured`` [T].

    Parameters
    ----------
    out : HDF5 file to write; attributes ``n_nan``, ``n_constant``, ``n_confounds``,
        ``first_volume``, ``high_pass_hz`` and ``detrend``
    bold : files of the scan
    space, mask : what :func:`giblet.brain.space.make_space` wrote; no mask for parcels
    confounds : table of confounds, if there is one
    first_volume, n_volumes : the run within its file; 0 volumes: to the end

    Raises
    ------
    BrainError
        If the scan does not fit the study, or nothing in it can be used.
    """
    if kind == "voxels":
        source = voxel_source(
            open_scan(bold),
            mask or "",
            tr_s=tr_s if check_tr else None,
            resample=resample,
            smoothing_fwhm_mm=smoothing_fwhm_mm,
        )
    else:
        source = parcel_source(bold[0], space, parcels_dataset, smoothing_fwhm_mm)
    first, count = volume_range(source.name, source.n_volumes, first_volume, n_volumes)
    values = read_values(source, first, count)
    measured = say_measured(source, values, first)
    nuisance = None
    if confounds and confound_columns:
        nuisance = load_confounds(
            confounds,
            confound_columns,
            first_volume=first,
            n_volumes=count,
            n_in_file=source.n_volumes,
            missing=source.missing,
            measured=measured,
        )
    design = regressors(
        count,
        float(as_fraction(tr_s, "tr_s")),
        high_pass_hz=high_pass_hz,
        detrend=detrend,
        confounds=nuisance,
        measured=measured,
        name=source.name,
    )
    quality = clean_in_place(values, design, detrend=detrend, measured=measured)
    _refuse_unusable(source.name, quality, first, count)
    n_confounds = 0 if nuisance is None else nuisance.shape[1]
    with writing(out, stage="brain", run=run, tr_s=tr_s) as file:
        shape = (min(count, CHUNK_ROWS), source.n_voxels)
        file.create_dataset("bold", data=values, chunks=shape)
        file["valid"] = quality.valid
        file["measured"] = measured
        file.attrs["subject"] = subject
        file.attrs["n_nan"] = quality.n_nan
        file.attrs["n_constant"] = quality.n_constant
        file.attrs["n_confounds"] = n_confounds
        file.attrs["first_volume"] = first
        file.attrs["high_pass_hz"] = float(high_pass_hz)
        file.attrs["detrend"] = bool(detrend)
    n_regressors = 0 if design is None else design.shape[1]
    print(
        f"{source.name}: {count} volumes from {first}, {int(measured.sum())} measured, "
        f"{int(quality.valid.sum())} of {source.n_voxels} {kind} usable ({quality.n_nan} with NaN, "
        f"{quality.n_constant} constant), {n_regressors} regressors"
    )


def voxel_source(
    scan: Scan,
    mask: str | Path,
    *,
    tr_s: Exact | None = None,
    resample: bool = False,
    smoothing_fwhm_mm: float = 0,
) -> Source:
    """Masked volumes of a scan, in the order of `nilearn.masking.apply_mask`.

    Parameters
    ----------
    tr_s : the study's TR, to hold against the header's; None does not look

    Raises
    ------
    BrainError
        If the TR or the grid is another than the study's.
    """
    inside, grid = load_mask(mask)
    if tr_s is not None:
        require_tr(scan, tr_s)
    if not resample:
        require_same_grid(scan.name, scan.grid, str(mask), grid)

    def blocks(first: int, count: int) -> Blocks:
        for offset, volumes in scan.chunks(first, count, grid):
            yield offset, _masked(volumes, scan.grid, grid, inside, smoothing_fwhm_mm)

    same = smoothing_fwhm_mm <= 0 and scan.grid.same_as(grid)
    return Source(
        scan.name,
        scan.n_volumes,
        int(inside.sum()),
        blocks,
        scan.missing,
        scan.full_scale if same else None,
    )


def _masked(
    volumes: NDArray[Any], own: Grid, grid: Grid, inside: NDArray[np.bool_], fwhm_mm: float
) -> NDArray[Any]:
    """Volumes (X, Y, Z, n) to values (n, n_voxels)."""
    return smooth(to_grid(volumes, own, grid), grid, fwhm_mm)[inside].T


def parcel_source(
    path: str | Path, space: str | Path, parcels_dataset: str, smoothing_fwhm_mm: float = 0
) -> Source:
    """Time courses of parcels, held against the study's labels."""
    if smoothing_fwhm_mm:
        raise ConfigError(
            f"brain/smoothing_fwhm_mm is {smoothing_fwhm_mm:g}, but parcels cannot be smoothed: "
            "set it to 0, or brain/kind: voxels"
        )
    parcels = open_parcels(path, parcels_dataset)
    with reading(space, stage="brain") as file:
        expected = tuple(dataset(file, "labels").asstr()[:])
    require_same_labels(parcels.name, parcels.labels, expected)
    return Source(parcels.name, parcels.n_volumes, len(expected), parcels.blocks)


def read_values(source: Source, first: int, count: int) -> NDArray[np.float32]:
    """A run's values in one array of shape (count, n_voxels), float32."""
    values = np.empty((count, source.n_voxels), dtype=np.float32)
    for offset, block in source.blocks(first, count):
        # Values beyond float32 become infinite, and their voxels invalid.
        with np.errstate(over="ignore"):
            values[offset : offset + len(block)] = block
    return values


def say_measured(source: Source, values: NDArray[np.float32], first: int) -> NDArray[np.bool_]:
    """Which volumes of a run are measurements, having said what is odd about the others."""
    here = slice(first, first + len(values))
    missing = None if source.missing is None else source.missing[here]
    found = survey(values, missing, source.full_scale)
    for remark in remarks(source.name, found, values, first, source.full_scale):
        notices.warn(remark)
    return found.measured


def _refuse_unusable(name: str, quality: Quality, first: int, count: int) -> None:
    if quality.valid.any():
        return
    raise BrainError(
        f"{name}: none of {len(quality.valid)} voxels can be used in volumes {first} to "
        f"{first + count - 1}: {quality.n_nan} hold NaN or infinite values, {quality.n_constant} "
        "do not vary: correct the scan or its volume range, or take it out of the scans table"
    )
