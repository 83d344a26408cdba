"""Scans on disk: what their headers say, and their volumes, a few at a time.

A scan is one 4-D NIfTI file, or a series of files that are read as one after the other. The
volumes of a compressed file are read forwards with the file held open, so that nothing is
decompressed twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.brain.grid import Grid, require_same_grid
from giblet.brain.images import Image, header_tr_s, opened
from giblet.brain.measured import FullScale, spans
from giblet.brain.series import arranged, counted_by, series_files
from giblet.brain.sidecar import SideCar, sidecar_of
from giblet.errors import BrainError
from giblet.timing import Exact, as_fraction

__all__ = ["Scan", "header_tr_s", "open_scan", "require_tr", "volume_range"]

# A chunk of volumes in float64, beside the one array that holds the run.
CHUNK_BYTES = 32 * 2**20
# A chunk is also at most this part of the run, so that short runs stay within bounds.
CHUNKS_PER_RUN = 16
# Headers hold the TR as a float32 and often rounded; 1e-4 is 0.15 s over 1,000 TRs of 1.5 s.
TR_TOLERANCE = 1e-4
# What the number that tells 4-D files apart counts, if it counts no parts of a scan.
OTHER_SCANS = re.compile(r"(sub|ses|acq|echo)[-_]?$", re.IGNORECASE)
RUNS = re.compile(r"run[-_]?$", re.IGNORECASE)
# A file of a series that is not there.
MISSING = ""


@dataclass(frozen=True)
class Scan:
    """A scan whose headers were read.

    Attributes
    ----------
    name : what messages call it
    files : its files, in order; ``MISSING`` where the numbers leave one out
    counts : number of volumes in each file
    grid : the grid of all its volumes
    tr_s : repetition time in the header, in seconds; None where it states none
    full_scale : the whole numbers that its files hold; None for others
    space_codes : sform and qform code of its header, empty if it has none
    sidecar : what the JSON file beside it says, if there is one
    """

    name: str
    files: tuple[str, ...]
    counts: tuple[int, ...]
    grid: Grid
    tr_s: float | None
    full_scale: FullScale | None = None
    sidecar: SideCar | None = None
    space_codes: tuple[int, ...] = ()

    @property
    def n_volumes(self) -> int:
        """Number of volumes in all files together, missing ones included."""
        return sum(self.counts)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Volumes whose file is not there: bool array of shape (n_volumes,)."""
        return np.repeat([file == MISSING for file in self.files], self.counts)

    def chunks(
        self, first: int, count: int, target: Grid | None = None, *, verify: bool = True
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Volumes ``first`` to ``first + count`` (exclusive), a few at a time.

        A larger grid that they will be resampled to (`target`) makes for smaller chunks.

        Parameters
        ----------
        verify : read each compressed file to its end, where its checksum stands, even where
            the run ends before

        Yields
        ------
        offset : index of the chunk's first volume, counted from `first`
        volumes : array of shape (X, Y, Z, n), scaled as the header says; NaN for missing ones
        """
        n_values = max(int(np.prod(grid.shape)) for grid in (self.grid, target or self.grid))
        step = max(1, min(CHUNK_BYTES // (8 * n_values), count // CHUNKS_PER_RUN))
        start = 0
        for file, n_here in zip(self.files, self.counts, strict=True):
            low, high = max(first, start), min(first + count, start + n_here)
            start += n_here
            if low >= high:
                continue
            if file == MISSING:
                yield low - first, np.full((*self.grid.shape, 1), np.nan, np.float32)
                continue
            # Opened per file, so that a series of a thousand files holds one handle at a time.
            with opened(file) as image:
                for at in range(low, high, step):
                    stop = min(at + step, high)
                    begin = at - (start - n_here)
                    yield at - first, image.volumes(begin, begin + stop - at)
                if verify:
                    image.finish()


def open_scan(bold: str | Path | Sequence[str]) -> Scan:
    """Read the headers of a scan.

    Parameters
    ----------
    bold
        A cell of the scans table (see :func:`giblet.brain.series.series_files`), or the
        files themselves.

    Raises
    ------
    BrainError
        If a file is missing, is no image, is not 3-D or 4-D, or has another grid than the
        first of its series; or if the names of a series do not tell which files are its
        volumes.
    """
    found = series_files(bold) if isinstance(bold, str | Path) else [str(file) for file in bold]
    series = arranged(found)
    heads = []
    for file in series.files:
        with opened(file) as image:
            heads.append(image)
    name = found[0] if len(found) == 1 else f"{series.files[0]} (and {len(series.files) - 1} more)"
    if len(series.files) > 1:
        _require_one_scan(series.files, heads)
    if sum(image.n_volumes for image in heads) == 1:
        raise BrainError(
            f"{series.files[0]}: is one volume, a scan needs many: for a series of 3-D files write "
            "their folder or a pattern such as 'sub-01/vol_*.nii' in column bold"
        )
    files, counts = _with_gaps(series.files, heads, series.gaps)
    for note in series.notes:
        notices.warn(note)
    _say_notes(heads)
    side = sidecar_of(series.files[0]) if len(series.files) == 1 else None
    if side is not None and side.n_volumes not in (None, sum(counts)):
        notices.warn(
            f"{name}: has {sum(counts)} volumes, {side.file} beside it says {side.n_volumes}: the "
            "scan may have ended early, or volumes were taken off; check that times still hold"
        )
    return Scan(
        name,
        files,
        counts,
        heads[0].grid,
        heads[0].tr_s,
        _full_scale(heads),
        side,
        heads[0].space_codes,
    )


def _require_one_scan(files: Sequence[str], heads: Sequence[Image]) -> None:
    """Refuse a series whose files differ in what all volumes of a scan share."""
    usual = max(heads, key=lambda one: sum(one.grid.same_as(other.grid) for other in heads[:50]))
    for image in heads:
        require_same_grid(image.file, image.grid, usual.file, usual.grid)
    several = [image for image in heads if image.n_volumes > 1]
    single = [image for image in heads if image.n_volumes == 1]
    if several and single:
        raise BrainError(
            f"{several[0].file}: holds {several[0].n_volumes} volumes, {single[0].file} beside it "
            "one: name either the series or the 4-D file in column bold"
        )
    if not several:
        return
    before = counted_by(files)
    if OTHER_SCANS.search(before):
        raise BrainError(
            f"{files[0]} and {files[1]} are scans of their own (they differ in the number after "
            f"'{before[-5:]}'), not parts of one: give each a row of the scans table"
        )
    if RUNS.search(before):
        counts = ", ".join(str(image.n_volumes) for image in heads[:10])
        notices.warn(
            f"{files[0]}: {len(files)} files of {counts} volumes are read as one scan, one after "
            "the other: name one of them in column bold if they are runs of their own"
        )


def _with_gaps(
    files: Sequence[str], heads: Sequence[Image], gaps: Sequence[int]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Files and their numbers of volumes, with a volume for each that is missing."""
    if not any(gaps):
        return tuple(files), tuple(image.n_volumes for image in heads)
    if any(image.n_volumes > 1 for image in heads):
        at = next(k for k, gap in enumerate(gaps) if gap)
        raise BrainError(
            f"{files[at]}: a part is missing between it and {files[at - 1]}: add it, or name the "
            "parts by a pattern in column bold"
        )
    out: list[str] = []
    for file, gap in zip(files, gaps, strict=True):
        out += [MISSING] * gap + [file]
    missing = [k for k, file in enumerate(out) if file == MISSING]
    notices.warn(
        f"{Path(files[0]).parent}: {len(missing)} of {len(out)} volumes are missing by the numbers "
        f"of the files (volumes {spans(missing)}, counted from 0); they count as not measured: add "
        "them if you have them"
    )
    return tuple(out), (1,) * len(out)


def _say_notes(heads: Sequence[Image]) -> None:
    """Warn of what headers say, once for all files of a series."""
    first = {note: image.file for image in reversed(heads) for note in image.notes}
    times = Counter(note for image in heads for note in image.notes)
    for note, file in first.items():
        others = f" (and {times[note] - 1} more)" if times[note] > 1 else ""
        notices.warn(f"{file}{others}: {note}")


def _full_scale(heads: Sequence[Image]) -> FullScale | None:
    """Of files that hold the same whole numbers in the same scaling."""
    kinds = {(image.dtype, image.scaling) for image in heads}
    dtype, (slope, inter) = next(iter(kinds))
    if len(kinds) > 1 or dtype.kind not in "iu" or not np.isfinite(slope):
        return None
    return FullScale(dtype, slope, inter)


def require_tr(scan: Scan, tr_s: Exact) -> None:
    """Refuse a scan whose header, or the JSON file beside it, states another TR than the study.

    Raises
    ------
    BrainError
        With both values. A scan without a TR only gives a warning.
    """
    expected = float(as_fraction(tr_s, "tr_s"))
    fix = "correct tr_s in the configuration, or set brain/check_tr: false if the header is wrong"
    if scan.tr_s is not None and abs(scan.tr_s - expected) > TR_TOLERANCE * expected:
        raise BrainError(
            f"{scan.name}: the header says a TR of {scan.tr_s:.6g} s, the study has {expected:g} "
            f"s: {fix}"
        )
    side = scan.sidecar
    if side is not None and side.irregular:
        raise BrainError(
            f"{side.file}: VolumeTiming has steps of different lengths, giblet needs one volume "
            "every TR: resample the scan in time, or set brain/check_tr: false if it is wrong"
        )
    if side is not None and side.tr_s is not None:
        if abs(side.tr_s - expected) <= 10 * TR_TOLERANCE * expected:
            return
        if scan.tr_s is None:
            raise BrainError(
                f"{side.file}: says a RepetitionTime of {side.tr_s:.6g} s, the study has "
                f"{expected:g} s: {fix.replace('the header', 'the file')}"
            )
        notices.warn(
            f"{side.file}: says a RepetitionTime of {side.tr_s:.6g} s, the header of the scan and "
            f"the study {expected:g} s, which is taken: correct the one that is wrong"
        )
    elif scan.tr_s is None:
        notices.warn(f"{scan.name}: the header states no TR; taking tr_s, {expected:g} s")


def volume_range(name: str, available: int, first_volume: int, n_volumes: int) -> tuple[int, int]:
    """First volume and number of volumes of a run within its file.

    Parameters
    ----------
    n_volumes : 0 stands for "to the end of the file"

    Raises
    ------
    BrainError
        If the file has fewer volumes than the scans table says.
    """
    if first_volume < 0 or n_volumes < 0:
        raise BrainError(
            f"{name}: the scans table says first_volume {first_volume} and n_volumes {n_volumes}, "
            "neither can be below 0: correct it"
        )
    if n_volumes == 0 and first_volume < available:
        return first_volume, available - first_volume
    if first_volume + max(n_volumes, 1) > available:
        asked = f"{first_volume} to {first_volume + max(n_volumes, 1) - 1}"
        raise BrainError(
            f"{name}: has {available} volumes, the scans table asks for volumes {asked} "
            f"(counted from 0), which needs {first_volume + max(n_volumes, 1)}: correct "
            "first_volume and n_volumes, or leave n_volumes empty to read to the end"
        )
    return first_volume, n_volumes
