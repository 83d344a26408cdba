"""How well anything could predict a subject: the ceiling that inter-subject correlation sets.

The people saw the same film. What a voxel of one shares with the others is response to the
film (or to the scanner, which preprocessing should have taken out); the rest is noise, or is
the subject's own. With ``n`` others, each signal standardised and a correlation ``rho`` with
what all share, the leave-one-out inter-subject correlation (:mod:`giblet.brain.isc`) is
expected to be

    isc = rho * sqrt(n rho^2 / (1 + (n - 1) rho^2))

the second factor being the correlation of a mean of ``n`` with what it estimates (Spearman and
Brown, 1910). Solved for ``rho``, the ceiling of Pearson's r between the subject's BOLD and a
perfect prediction of the shared response:

    rho^2 = ((n - 1) isc^2 + sqrt((n - 1)^2 isc^4 + 4 n isc^2)) / (2 n)

With one other this is ``sqrt(isc)``, the correction for attenuation (Spearman, 1904). Where a
subject saw the same film again, the ceiling can be that of the subject's own repeats instead
(:mod:`giblet.brain.repeats`).

All come with 95 % intervals over resampled blocks of TRs: what another stretch of film would
have given with the same people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.brain.isc import Draws, Shared, study_isc
from giblet.brain.lags import check_scans
from giblet.brain.repeats import study_repeats
from giblet.errors import BrainError
from giblet.resampling import around, percentile_interval
from giblet.store import writing
from giblet.timing import Exact

# Fineness of the histograms that medians of draws are read from.
BIN = 1e-3
ALONE = (
    "no inter-subject correlation: no run was seen by two subjects, so there is nobody to "
    "compare with, nothing was shown twice, and the ceiling is unknown (NaN)"
)


def make_ceiling(
    out: str | Path,
    scans: Sequence[str | Path],
    *,
    scan_names: Sequence[str],
    tr_s: Exact,
    repeats: Mapping[str, str],
    ceiling_from: str,
    isc_n_bootstrap: int,
    isc_block_trs: int,
    seed: int,
) -> None:
    """Write correlations and ceiling of each subject, and how sure they are.

    ``isc/{subject}``, for those who have repeats ``repeat_r/{subject}``, and
    ``ceiling/{subject}``, [V] float32; for each of them ``{name}_interval/{subject}``, [2, V]
    float32; ``ceiling_draws/{subject}``, [n_draws, V] float16, the ceiling over resampled blocks,
    which are the same for all subjects: from it comes the interval of any mean. Attributes of the
    ceiling: ``mean`` and ``median`` over voxels, each value, low, high; ``ceiling_from``,
    ``subjects`` or ``repeats``.

    Parameters
    ----------
    scans : cleaned runs (see :func:`giblet.brain.run.make_run`)
    scan_names : subject/run of each
    repeats : runs that show what an earlier one showed, and which
    ceiling_from : ``subjects``, ``repeats``, or ``auto``: repeats for those who have them
    isc_n_bootstrap : resamplings of blocks behind the intervals; 0 leaves them NaN
    isc_block_trs : TRs in a block
    """
    by_run: dict[str, dict[str, str | Path]] = {}
    for name, path in zip(scan_names, scans, strict=True):
        subject, run = name.split("/")
        by_run.setdefault(run, {})[subject] = path
    subjects = list(dict.fromkeys(name.split("/")[0] for name in scan_names))
    draws = Draws(isc_n_bootstrap, isc_block_trs, seed)
    wanted = {"auto": None, "subjects": False, "repeats": True}[ceiling_from]
    with writing(out, stage="brain", tr_s=tr_s) as file:
        parts = study_repeats(by_run, repeats, subjects, tr_s, draws)
        again = _collect(subjects, parts, file if wanted is not False else None)
        if ceiling_from == "repeats" and not any(one.known for one in again.values()):
            raise BrainError(
                "brain/ceiling_from is 'repeats', but no subject has two runs that show the same: "
                "set it to subjects or auto, or give such runs one film in the runs table"
            )
        by_repeats = {s: again[s].known if wanted is None else wanted for s in subjects}
        parts = study_isc(by_run, subjects, tr_s, draws)
        shared = _collect(subjects, parts, file, [s for s in subjects if not by_repeats[s]])
        check_scans(by_run, {s: shared[s].correlation()[0] for s in subjects}, repeats, tr_s)
        chosen = {s: again[s] if by_repeats[s] else shared[s] for s in subjects}
        note = "" if any(one.known for one in chosen.values()) else ALONE
        file.attrs["n_subjects"] = len(subjects)
        file.attrs["note"] = note
        for subject in subjects:
            _write(file, "isc", subject, *shared[subject].correlation())
            if again[subject].known:
                _write(file, "repeat_r", subject, *again[subject].correlation())
            _write(file, "ceiling", subject, *chosen[subject].ceiling())
            file[f"isc/{subject}"].attrs["compared"] = shared[subject].known
            attrs = file[f"ceiling/{subject}"].attrs
            attrs["ceiling_from"] = "repeats" if by_repeats[subject] else "subjects"
            for name, numbers in chosen[subject].summary().items():
                attrs[name] = numbers
    if note:
        notices.warn(note)
    for subject in subjects:
        of = {"inter-subject": shared[subject], "repeated": again[subject]}
        medians = [
            f"median {name} correlation {np.nanmedian(one.correlation()[0]):.3f}"
            for name, one in of.items()
            if one.known
        ]
        if chosen[subject].known:
            value, low, high = chosen[subject].summary()["median"]
            medians.append(
                f"ceiling from {'repeats' if by_repeats[subject] else 'subjects'} "
                f"{value:.3f} [{low:.3f}, {high:.3f}]"
            )
        if medians:
            print(f"{subject}: {', '.join(medians)}")


def _write(
    file: h5py.File,
    name: str,
    subject: str,
    values: NDArray[np.float64],
    interval: NDArray[np.float64],
) -> None:
    file[f"{name}/{subject}"] = values.astype(np.float32)
    file[f"{name}_interval/{subject}"] = interval.astype(np.float32)


def _collect(
    subjects: Sequence[str],
    parts: Iterable[tuple[slice, dict[str, Shared]]],
    file: h5py.File | None,
    kept: Sequence[str] | None = None,
) -> dict[str, _Found]:
    """Take blocks of voxels as they come; into `file` the draws of the subjects `kept`."""
    found = {subject: _Found() for subject in subjects}
    for here, shared in parts:
        for subject in subjects:
            draws = found[subject].add(here, shared[subject])
            if file is not None and (kept is None or subject in kept):
                _keep_draws(file, subject, here, draws)
    return found


def _keep_draws(file: h5py.File, subject: str, here: slice, draws: NDArray[np.float64]) -> None:
    """Append the draws of the voxels `here`; nothing of a subject without a ceiling there."""
    name = f"ceiling_draws/{subject}"
    if name not in file:
        if not np.isfinite(draws).any():
            return
        shape = (len(draws), here.stop)
        most = (len(draws), None)
        file.create_dataset(name, shape, np.float16, maxshape=most, fillvalue=np.nan, chunks=True)
    file[name].resize((len(draws), here.stop))
    file[name][:, here] = draws


class _Found:
    """One subject's numbers, put together from blocks of voxels.

    Draws are not held for every voxel: their mean over voxels is summed up, and their median
    read from a histogram of each draw.
    """

    def __init__(self) -> None:
        self.parts: list[tuple[NDArray[np.float64], ...]] = []
        self.sums: NDArray[np.float64] | None = None
        self.counts: NDArray[np.int64] | None = None
        self.n = 0

    @property
    def known(self) -> bool:
        """Whether there is a ceiling of any voxel."""
        return self.n > 0

    def correlation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of all voxels and its interval, [V] and [2, V]."""
        r, _, interval, _ = zip(*self.parts, strict=True)
        return np.concatenate(r), np.concatenate(interval, axis=-1)

    def ceiling(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of all voxels and its interval, [V] and [2, V]."""
        _, ceiling, _, interval = zip(*self.parts, strict=True)
        return np.concatenate(ceiling), np.concatenate(interval, axis=-1)

    def add(self, here: slice, shared: Shared) -> NDArray[np.float64]:
        """Take the voxels `here`, which follow those taken before; the draws of their ceiling."""
        ceiling = ceiling_from_isc(shared.isc, shared.n_others)
        draws = ceiling_from_isc(shared.draws, shared.n_others)
        width = here.stop - here.start
        intervals = [_percentiles(values, width) for values in (shared.draws, draws)]
        self.parts.append((shared.isc, ceiling, *intervals))
        known = np.isfinite(ceiling)
        bins = round(1 / BIN) + 1
        if self.sums is None or self.counts is None:
            self.sums, self.counts = np.zeros(len(draws)), np.zeros((len(draws), bins), np.int64)
        self.n += int(known.sum())
        self.sums += draws[:, known].sum(1)
        for count, row in zip(self.counts, draws[:, known], strict=True):
            count += np.bincount(np.rint(row / BIN).astype(int), minlength=bins)
        return draws

    def summary(self) -> dict[str, tuple[float, float, float]]:
        """Ceiling over voxels: mean and median, each (value, low, high)."""
        ceiling, _ = self.ceiling()
        if not self.n or self.sums is None or self.counts is None:
            unknown = (np.nan, np.nan, np.nan)
            return {"mean": unknown, "median": unknown}
        half = (self.counts.cumsum(1) * 2 >= self.n).argmax(1) * BIN
        return {
            name: (value, *percentile_interval(around(value, drawn)))
            for name, value, drawn in (
                ("mean", float(np.nanmean(ceiling)), self.sums / self.n),
                ("median", float(np.nanmedian(ceiling)), half),
            )
        }


def _percentiles(draws: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Lower and upper end of each voxel's 95 % interval, (2, width); NaN without draws."""
    if not len(draws):
        return np.full((2, width), np.nan)
    return np.percentile(draws, [2.5, 97.5], axis=0)


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
