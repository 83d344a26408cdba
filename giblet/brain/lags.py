"""Scans that do not fit the others of their run: shifted, swapped, or one scan twice.

Who sees a film with others answers with them. In the voxels that people share most, the
correlation of a scan with the mean of the others' is taken at every lag and averaged over voxels.
By chance that curve scatters around 0; its spread at other lags says by how much, autocorrelation
and the number of voxels included. A scan whose curve stands far above it at another lag than 0, or
with the others' scans of another run, and not where it should, is shifted or swapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.errors import BrainError
from giblet.store import dataset, measured_volumes, reading
from giblet.timing import Exact, as_fraction

# Voxels that people share most.
N_VOXELS = 64
# Lags as small as this, and 2 TRs, are within what people's responses differ by.
NEAR_S, NEAR_TRS = 3.0, 2
# Spreads that a peak is above 0, and above what it is where it should be.
PEAK, ABOVE = 5.5, 4.0
# Spreads from which another run is compared at lags near 0, too.
WORTH_A_LOOK = 3.0
# Lags around a peak that belong to it.
PEAK_TRS = 8
SHORTEST_TRS = 40
# Mean correlation of two scans that are one, and of two that are most probably made from one.
SAME, NEARLY = 0.9999, 0.9
N_TWIN_VOXELS = 16
ROWS = 256

Signals = Mapping[tuple[str, str], NDArray[np.float32]]


@dataclass(frozen=True)
class Misfit:
    """A scan that does not fit the others of its run.

    Attributes
    ----------
    lag : TRs that it comes later than the others; 0 if `run_instead` says more
    run_instead : run whose film it fits; "" if its own, at `lag`
    r, r_there : correlation as it is, and at `lag` or with the other run
    n_others : subjects that it was compared with
    """

    subject: str
    run: str
    lag: int
    run_instead: str
    r: float
    r_there: float
    n_others: int


def check_scans(
    by_run: Mapping[str, Mapping[str, str | Path]],
    shared: Mapping[str, NDArray[np.float64]],
    repeats: Mapping[str, str],
    tr_s: Exact,
) -> None:
    """Warn of scans that look shifted or swapped; refuse one scan under two names.

    Parameters
    ----------
    by_run : ``{run: {subject: path}}``
    shared : inter-subject correlation of each subject's voxels; NaN where it is not known
    repeats : ``{run: the earlier run that showed the same}``

    Raises
    ------
    BrainError
        If two scans hold the same values.
    """
    voxels = most_shared(shared)
    signals = {
        (subject, run): _signals(path, voxels)
        for run, paths in by_run.items()
        for subject, path in paths.items()
    }
    names = {pair: str(by_run[pair[1]][pair[0]]) for pair in signals}
    for one, two, r in twins(signals):
        who, other = (f"{subject} {run}" for subject, run in (two, one))
        if r >= SAME:
            raise BrainError(
                f"{names[two]}: the scan of {who} is that of {other}, value by value: name each "
                "one's own file in column 'bold' of the scans table"
            )
        notices.warn(
            f"{names[two]}: the scan of {who} follows that of {other} with r {r:.2f}, as no two "
            "measurements do: it is most probably a copy that was cleaned in another way; check "
            "which files column 'bold' of the scans table names"
        )
    tr = float(as_fraction(tr_s))
    for misfit in misfits(signals, repeats, max(NEAR_TRS, ceil(NEAR_S / tr))):
        notices.warn(f"{names[misfit.subject, misfit.run]}: {_in_words(misfit, tr)}")


def _in_words(found: Misfit, tr_s: float) -> str:
    others = f"the other {found.n_others} subjects" if found.n_others > 1 else "the other subject"
    if found.run_instead:
        return (
            f"{found.subject} {found.run} looks like a scan of {found.run_instead}: r "
            f"{found.r_there:.2f} with what {others} have there, {found.r:.2f} with {found.run}; "
            "check which files column 'bold' of the scans table names for these runs"
        )
    one = found.subject if found.n_others > 1 else f"{found.subject} or the other subject of"
    return (
        f"{one} {found.run} looks shifted by {found.lag} TRs ({found.lag * tr_s:.1f} s) against "
        f"{others}: r {found.r_there:.2f} at that lag, {found.r:.2f} as it is; check "
        "movie_onset_s in the runs table and first_volume in the scans table"
    )


def most_shared(shared: Mapping[str, NDArray[np.float64]]) -> NDArray[np.int64]:
    """Increasing indices of the voxels with the highest mean correlation between subjects."""
    every = np.stack(list(shared.values()))
    known = np.isfinite(every)
    mean = np.where(known, every, 0).sum(0) / np.maximum(known.sum(0), 1)
    mean[~known.any(0)] = -1
    return np.sort(np.argsort(-mean, kind="stable")[:N_VOXELS])


def _signals(path: str | Path, voxels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Time courses of some voxels, (n_trs, n_voxels): no trend, length 1; 0 where there are none.

    The trend, a polynomial of second order, is what scans share that were not cleaned of drift.
    """
    with reading(path, stage="brain") as file:
        bold = dataset(file, "bold", shape=(None, None))
        parts = [bold[start : start + ROWS][:, voxels] for start in range(0, len(bold), ROWS)]
        measured = measured_volumes(file)
        valid = dataset(file, "valid", dtype=bool, shape=(bold.shape[1],))[:][voxels]
    values = np.zeros((len(bold), len(voxels)), np.float32)
    kept = np.concatenate(parts)[measured][:, valid].astype(float)
    moments = np.linspace(-1, 1, len(bold))[measured]
    trend, _ = np.linalg.qr(np.stack([moments**power for power in range(3)], axis=1))
    values[np.ix_(measured, valid)] = kept - trend @ (trend.T @ kept)
    return _unit(values)


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt((values.astype(float) ** 2).sum(0))
    unit: NDArray[np.float32] = (values / np.where(length > 0, length, np.inf)).astype(np.float32)
    return unit


def lag_curve(
    own: NDArray[np.float32], rest: NDArray[np.float32], most: int
) -> NDArray[np.float64]:
    """Mean correlation over voxels at lags from -`most` to `most` TRs.

    Parameters
    ----------
    own, rest : arrays of shape (n_trs, n_voxels), columns of length 1 or 0; at a positive lag
        `own` comes later
    """
    n = len(own) + most
    spectrum = (np.fft.rfft(own, n, axis=0) * np.fft.rfft(rest, n, axis=0).conj()).sum(1)
    curve = np.fft.irfft(spectrum, n)
    n_voxels = max(1, int(((own != 0).any(0) & (rest != 0).any(0)).sum()))
    lags: NDArray[np.float64] = np.concatenate([curve[n - most :], curve[: most + 1]]) / n_voxels
    return lags


def spread(curve: NDArray[np.float64], but: int) -> float:
    """Robust standard deviation of a curve, without the lags near place `but`."""
    away = np.abs(np.arange(len(curve)) - but) > PEAK_TRS
    return 1.4826 * float(np.median(np.abs(curve[away]))) if away.any() else np.inf


def misfits(
    signals: Signals, repeats: Mapping[str, str], near_trs: int = NEAR_TRS
) -> Iterator[Misfit]:
    """Scans that fit the others at another lag, or in another run, and not as they are.

    Parameters
    ----------
    signals : ``{(subject, run): (n_trs, n_voxels)}``, columns of length 1 or 0
    repeats : ``{run: the earlier run that showed the same}``
    near_trs : largest lag that is no misfit
    """
    of: dict[str, list[str]] = {}
    for subject, run in signals:
        of.setdefault(run, []).append(subject)
    for subject in dict.fromkeys(subject for subject, _ in signals):
        rests = {}
        for run, subjects in of.items():
            rest = _rest(signals, subjects, subject, run)
            # Of two subjects, either may be the one: the first stands for both.
            if rest is not None and (len(subjects) != 2 or subject != subjects[1]):
                rests[run] = rest
        own = {run: signals[subject, run] for run in rests if subject in of[run]}
        n_others = {run: len(set(of[run]) - {subject}) for run in rests}
        elsewhere = _at_once(own, {run: rests[run] for run in rests if n_others[run] > 1})
        for run, signal in own.items():
            found = _misfit(subject, run, signal, rests, n_others, elsewhere, repeats, near_trs)
            if found is not None:
                yield found


def _at_once(
    own: Mapping[str, NDArray[np.float32]], rests: Mapping[str, NDArray[np.float32]]
) -> dict[tuple[str, str], float]:
    """Correlations of a subject's scans with the others' of each run, as they are."""
    if not own or not rests:
        return {}
    longest = max(len(one) for one in [*own.values(), *rests.values()])
    mine, theirs = (
        np.stack([np.pad(one, ((0, longest - len(one)), (0, 0))).ravel() for one in these.values()])
        for these in (own, rests)
    )
    r = mine @ theirs.T / next(iter(own.values())).shape[1]
    return {(a, b): float(r[i, j]) for i, a in enumerate(own) for j, b in enumerate(rests)}


def _misfit(
    subject: str,
    run: str,
    own: NDArray[np.float32],
    rests: Mapping[str, NDArray[np.float32]],
    n_others: Mapping[str, int],
    elsewhere: Mapping[tuple[str, str], float],
    repeats: Mapping[str, str],
    near_trs: int,
) -> Misfit | None:
    n = min(len(own), len(rests[run]))
    if n < SHORTEST_TRS:
        return None
    most = n // 3
    curve = lag_curve(own[:n], rests[run][:n], most)
    peak, r, r_there = int(curve.argmax()), float(curve[most]), float(curve.max())
    if abs(peak - most) > near_trs and _stands_out(r_there, r, spread(curve, peak)):
        return Misfit(subject, run, peak - most, "", r, r_there, n_others[run])
    if n_others[run] < 2:
        return None
    scatter = spread(curve, most)
    r = float(curve[most - near_trs : most + near_trs + 1].max())
    for (here, other), at_once in elsewhere.items():
        same = repeats.get(other, other) == repeats.get(run, run)
        if here == run and not same and at_once >= WORTH_A_LOOK * scatter:
            n = min(len(own), len(rests[other]))
            curve = lag_curve(_unit(own[:n]), _unit(rests[other][:n]), near_trs)
            if _stands_out(float(curve.max()), r, scatter):
                return Misfit(subject, run, 0, other, r, float(curve.max()), n_others[other])
    return None


def _stands_out(r_there: float, r: float, scatter: float) -> bool:
    """Whether a correlation is far above chance, and above what it should be below."""
    return r_there >= PEAK * scatter and r_there - max(r, 0) >= ABOVE * scatter


def _rest(
    signals: Signals, subjects: Sequence[str], subject: str, run: str
) -> NDArray[np.float32] | None:
    """Mean of the other subjects' signals, columns of length 1; None without another."""
    others = [signals[name, run] for name in subjects if name != subject]
    if not others:
        return None
    n = min(len(one) for one in others)
    return _unit(np.sum([one[:n] for one in others], axis=0))


def twins(signals: Signals) -> Iterator[tuple[tuple[str, str], tuple[str, str], float]]:
    """Pairs of scans whose voxels follow each other too well, and their mean correlation."""
    pairs, scans = list(signals), list(signals.values())
    n_voxels = min(N_TWIN_VOXELS, scans[0].shape[1])
    flat = np.zeros((len(pairs), max(map(len, scans)), n_voxels), np.float32)
    for place, scan in enumerate(scans):
        flat[place, : len(scan)] = scan[:, :n_voxels]
    n_valid = np.maximum((flat != 0).any(1).sum(1), 1)
    flat = flat.reshape(len(pairs), -1)
    r = flat @ flat.T / np.sqrt(n_valid[:, None] * n_valid[None])
    for one, two in np.argwhere(np.triu(r, 1) >= NEARLY):
        if r[one, two] >= SAME or min(len(scans[one]), len(scans[two])) >= SHORTEST_TRS:
            yield pairs[one], pairs[two], float(r[one, two])
