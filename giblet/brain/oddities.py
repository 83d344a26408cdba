"""What looks odd in a run's volumes, in words.

Nothing here changes a number: volumes that jump, a brighter start, a step that stays, values cut
off are said, and used as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from giblet.brain.measured import FullScale, Survey, spans

# One that lacks more than this share lost slices, or was moved out of the field of view.
LACKING_SHARE = 0.1
# Standard deviations in one median absolute deviation, of normal values.
MAD = 1.4826
# A jump is this many times the usual change from volume to volume, and so many deviations.
JUMP_TIMES, JUMP_DEVIATIONS = 3.0, 10.0
# So is a jump of the mean, by this share of the level.
MEAN_TIMES, MEAN_SHARE = 12.0, 0.02
# A step stays; medians over so many volumes on either side tell.
STEP_SHARE, STEP_DEVIATIONS, STEP_VOLUMES = 0.1, 8.0, 10
# First volumes before the steady state are brighter by so much; the longest take 10 volumes.
BRIGHT_SHARE, BRIGHT_REST_SHARE, BRIGHT_DEVIATIONS, MOST_BRIGHT = 0.05, 0.02, 6.0, 10
# Fewest volumes to judge by.
LEAST_VOLUMES = 12
# Share of values at the largest whole number, and how many times as many as one below it.
TOP_SHARE, TOP_TIMES = 1e-3, 5


def remarks(
    name: str,
    found: Survey,
    values: NDArray[np.float32],
    first: int = 0,
    full_scale: FullScale | None = None,
) -> Iterator[str]:
    """What is to be said of a run's volumes, numbered as in its file.

    Parameters
    ----------
    first : number of the run's first volume in its file
    """
    yield from _no_measurements(name, found, first)
    measured = np.flatnonzero(found.measured)
    if len(measured) < LEAST_VOLUMES:
        return
    n_bright, bright = _bright_start(found.mean[measured])
    if n_bright:
        yield (
            f"{name}: the first {n_bright} volume(s) are up to {bright:.0%} brighter than the "
            f"rest, as before the steady state of magnetisation: start at first_volume "
            f"{first + int(measured[n_bright])} in the scans table (and shift the film's onset by "
            "as many TRs)"
        )
    steps = _steps(found.mean[measured])
    for at, low, high in steps:
        yield (
            f"{name}: the mean over voxels goes from {low:.4g} to {high:.4g} at volume "
            f"{first + int(measured[at])} and stays there, as when two scans or two scalings were "
            "joined: check the scan, or cut it with first_volume and n_volumes"
        )
    known = {int(measured[at]) for at, _, _ in steps}
    jumps, times = _jumps(found, {*known, *map(int, measured[: n_bright + 1])})
    if jumps:
        yield (
            f"{name}: {len(jumps)} volume(s) differ abruptly from the one before (volumes "
            f"{spans([first + t for t in jumps])}; the change is up to {times:.3g} times the "
            "usual one), as when the head moves: they are used; add regressors for them to "
            "brain/confound_columns if the preprocessing wrote some (motion_outlier*)"
        )
    lacking = [int(t) for t in measured if found.lacking[t] > LACKING_SHARE]
    if lacking:
        yield (
            f"{name}: in {len(lacking)} volume(s) up to {found.lacking[lacking].max():.0%} of the "
            f"voxels are empty that others fill (volumes {spans([first + t for t in lacking])}): "
            "slices may be lost, or the head outside the field of view; check the scan"
        )
    yield from _full_integers(name, found, values, full_scale)


def _no_measurements(name: str, found: Survey, first: int) -> Iterator[str]:
    measured = found.measured
    if measured.all():
        return
    kinds = (
        (found.empty, "empty (0 or missing in all or most voxels)"),
        (found.repeats, "the volume before once more, to the last digit"),
    )
    parts = [
        f"{spans([first + int(t) for t in np.flatnonzero(which)])} are {what}"
        for which, what in kinds
        if which.any()
    ]
    if not parts:
        return
    n = int((found.empty | found.repeats).sum())
    yield (
        f"{name}: {n} of {len(measured)} volumes are no measurement: volumes "
        f"{', volumes '.join(parts)}; they are marked as not measured and left out of cleaning: "
        "correct the scan, or cut it with first_volume and n_volumes"
    )


def _bright_start(mean: NDArray[np.float64]) -> tuple[int, float]:
    """How many first volumes are brighter than the rest, and by which share at most."""
    level = float(np.median(mean))
    if level <= 0:
        return 0, 0.0
    above = mean - level
    spread = MAD * float(np.median(np.abs(above)))
    if above[0] <= max(BRIGHT_SHARE * level, BRIGHT_DEVIATIONS * spread):
        return 0, 0.0
    still = above > max(BRIGHT_REST_SHARE * level, BRIGHT_DEVIATIONS * spread)
    n = int(np.argmin(still)) if not still.all() else len(still)
    return (n, float(above[0] / level)) if n <= min(MOST_BRIGHT, len(mean) // 4) else (0, 0.0)


def _steps(mean: NDArray[np.float64]) -> list[tuple[int, float, float]]:
    """Where the mean goes to another level and stays: first volume, level before, level after."""
    change = np.abs(np.diff(mean))
    usual = float(np.median(change))
    level = float(np.median(np.abs(mean)))
    sudden = np.flatnonzero(change > max(STEP_DEVIATIONS * usual, STEP_SHARE / 2 * level)) + 1
    found = []
    for at in sudden:
        before, after = mean[max(0, at - STEP_VOLUMES) : at], mean[at : at + STEP_VOLUMES]
        if min(len(before), len(after)) < STEP_VOLUMES // 2:
            continue
        low, high = float(np.median(before)), float(np.median(after))
        rest = np.concatenate([before - low, after - high])
        spread = MAD * float(np.median(np.abs(rest)))
        if abs(high - low) > max(STEP_SHARE * level, STEP_DEVIATIONS * spread):
            found.append((int(at), low, high))
    return found


def _jumps(survey: Survey, known: set[int]) -> tuple[list[int], float]:
    """Volumes that differ abruptly from the one before, and how many times the usual at most."""
    change = survey.change
    finite = change[np.isfinite(change)]
    usual = float(np.median(finite)) if len(finite) else 0.0
    if usual <= 0:
        return [], 0.0
    spread = MAD * float(np.median(np.abs(finite - usual)))
    with np.errstate(invalid="ignore"):
        abrupt = (change > JUMP_TIMES * usual) & (change - usual > JUMP_DEVIATIONS * spread)
        abrupt |= _mean_jumps(survey)
    found: list[int] = []
    for t in map(int, np.flatnonzero(abrupt)):
        # The way back from a volume that stood out is no other one.
        if t not in known and (t - 1) not in found and (t - 1) not in known:
            found.append(t)
    return found, float(np.nanmax(change[found]) / usual) if found else 0.0


def _mean_jumps(survey: Survey) -> NDArray[np.bool_]:
    """Volumes of which the mean differs abruptly from the one before, where values have a level."""
    step = np.abs(np.diff(survey.mean, prepend=np.nan))
    step[~np.isfinite(survey.change)] = np.nan
    level = float(np.nanmedian(survey.mean)) if np.isfinite(survey.mean).any() else 0.0
    if level <= 0 or not np.isfinite(step).any():
        return np.zeros(len(step), bool)
    with np.errstate(invalid="ignore"):
        return (step > MEAN_TIMES * np.nanmedian(step)) & (step > MEAN_SHARE * level)


def _full_integers(
    name: str, found: Survey, values: NDArray[np.float32], full_scale: FullScale | None
) -> Iterator[str]:
    if full_scale is None:
        return
    wrapped = np.flatnonzero(found.n_wrapped > TOP_SHARE * values.shape[1])
    if len(wrapped):
        yield (
            f"{name}: {int(found.n_wrapped.sum())} values change by nearly the whole range of "
            f"{full_scale.dtype.name} from one volume to the next, as when numbers too large for "
            "it go round: export the scan as float32"
        )
    peak = float(np.nanmax(values, initial=-np.inf))
    for number, value in full_scale.tops().items():
        if not np.isclose(peak, value, rtol=1e-6, atol=0):
            continue
        at_top = values == np.float32(peak)
        below = (values < np.float32(peak)) & (values > peak - 1.5 * abs(full_scale.slope))
        if at_top.sum() > max(TOP_SHARE * values.size, TOP_TIMES * below.sum()):
            yield (
                f"{name}: {int(at_top.sum())} values in {int(at_top.any(axis=0).sum())} voxels "
                f"are {number:,}, the largest that {full_scale.dtype.name} or the scanner's "
                "converter holds: they were cut off there; export the scan as float32, or mask "
                "these voxels out"
            )
