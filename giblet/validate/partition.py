"""Variance partitioning: what picture, sound and words explain each alone, and what together.

With ``U(S)`` the variance that ridge explains from the modalities in ``S`` (and U of none = 0),
the part that exactly those in ``S`` share is

    E(S) = sum_{T within S} (-1)^(|T| + 1) U(T + all that are not in S)

so that ``E({picture}) = U(all) - U(sound, words)`` is what nothing but the picture explains, and
all seven parts add up to ``U(all)`` (the areas of a Venn diagram: Lescroart et al. 2015; de Heer
et al. 2017). ``U`` is ``max(r, 0)^2`` on the test TRs: penalties are chosen by correlation, which
leaves the scale of a prediction open, so one minus the ratio of squares would count a wrong scale
as variance unexplained.

Parts are differences of estimates and are **not clipped**: noise scatters an empty part around 0,
and a shared part is truly negative where two modalities together explain more than the sum of
what each does (suppression). Only figures cut negative bars off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.resampling import around, bootstrap_correlations, percentile_interval
from giblet.validate.settings import Settings
from giblet.validate.statistics import centred, pearson
from giblet.validate.testset import TestSet

MODALITIES = ("video", "audio", "text")
SUBSETS = tuple(s for size in (1, 2, 3) for s in combinations(MODALITIES, size))
COLUMNS_AT_ONCE = 4096
Subset = tuple[str, ...]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Partition:
    """One subject's parts.

    Attributes
    ----------
    explained : subset -> array of shape (V,), variance that its modalities explain together
    parts : subset -> array of shape (V,), what exactly these modalities share
    draws : region -> subset -> array of shape (n_bootstrap,), mean part over the region's voxels
    regions : region -> array of shape (V,), bool; "" is all valid voxels
    """

    explained: Mapping[Subset, Scores]
    parts: Mapping[Subset, Scores]
    draws: Mapping[str, Mapping[Subset, Scores]]
    regions: Mapping[str, NDArray[np.bool_]]

    def best(self) -> NDArray[np.int64]:
        """Number of the modality with the largest unique part, shape (V,)."""
        return np.stack([self.parts[(name,)] for name in MODALITIES]).argmax(axis=0)


def part_name(subset: Subset) -> str:
    """Name of a part in tables and files."""
    return f"{'unique' if len(subset) == 1 else 'shared'}_{'_'.join(subset)}"


PART_NAMES = {subset: part_name(subset) for subset in SUBSETS}


def parts_of(explained: Mapping[Subset, Scores]) -> dict[Subset, Scores]:
    """What exactly the modalities of each subset share, from what each subset explains.

    Parameters
    ----------
    explained : every non-empty subset of `MODALITIES` -> array of any shape
    """
    out: dict[Subset, Scores] = {}
    for subset in SUBSETS:
        rest = set(MODALITIES) - set(subset)
        part = np.zeros_like(explained[MODALITIES])
        for size in range(len(subset) + 1):
            for taken in combinations(subset, size):
                union = tuple(name for name in MODALITIES if name in rest | set(taken))
                if union:
                    part = part + (-1) ** (size + 1) * explained[union]
        out[subset] = part
    return out


def partition_subject(
    file: h5py.File,
    tests: TestSet,
    subject: str,
    measured: NDArray[np.float64],
    whole: NDArray[np.floating],
    regions: Mapping[str, NDArray[np.bool_]],
    valid: NDArray[np.bool_],
    settings: Settings,
) -> Partition:
    """Partition the variance that ridge explains in one subject.

    Parameters
    ----------
    file : ``train/ridge/partition.h5``, predictions from parts of the bands
    measured : array of shape (n, V), centred within segments
    whole : array of shape (n, V), prediction from all bands
    regions : region -> array of shape (V,), bool
    valid : array of shape (V,), bool; parts of the others are NaN
    """
    inside = {"": valid, **{name: here & valid for name, here in regions.items()}}
    r2: dict[Subset, Scores] = {}
    draws: dict[Subset, dict[str, Scores]] = {}
    made: dict[Subset, Subset] = {}
    for subset, present, predicted in _predictions(file, tests, subject, whole):
        # A modality the film lacks explains nothing: the subset is that of the others.
        if present in made.values():
            twin = next(other for other, had in made.items() if had == present)
            r2[subset], draws[subset] = r2[twin], draws[twin]
        elif predicted is None:
            r2[subset] = np.where(valid, 0.0, np.nan)
            draws[subset] = {name: np.zeros(settings.n_bootstrap) for name in inside}
        else:
            guess = centred(predicted, tests.lengths)
            r2[subset] = np.where(valid, np.maximum(pearson(measured, guess), 0) ** 2, np.nan)
            draws[subset] = _mean_draws(measured, guess, inside, tests, settings)
        made[subset] = present
    by_region = {
        name: parts_of({subset: draws[subset][name] for subset in SUBSETS}) for name in inside
    }
    return Partition(r2, parts_of(r2), by_region, inside)


def _predictions(
    file: h5py.File, tests: TestSet, subject: str, whole: NDArray[np.floating]
) -> Iterator[tuple[Subset, Subset, NDArray[np.floating] | None]]:
    """Each subset, those of its modalities that the film has, and their prediction."""
    bands = json.loads(file.attrs["bands"])
    for subset in SUBSETS:
        present = tuple(name for name in subset if name in bands)
        if not present:
            yield subset, present, None
        elif len(present) == len(bands):
            yield subset, present, whole
        else:
            stem = f"bold/{'_'.join(present)}/{subject}"
            yield subset, present, np.concatenate([file[f"{stem}/{run}"][:] for run in tests.runs])


def _mean_draws(
    measured: NDArray[np.float64],
    guess: NDArray[np.float64],
    inside: Mapping[str, NDArray[np.bool_]],
    tests: TestSet,
    settings: Settings,
) -> dict[str, Scores]:
    """Mean r^2 of each region over resampled blocks, the same blocks for every subset."""
    block = tests.blocks(settings.block_trs)
    n_draws = settings.n_bootstrap if len(np.unique(block)) > 1 else 0
    total = {name: np.zeros(n_draws) for name in inside}
    for start in range(0, measured.shape[1], COLUMNS_AT_ONCE):
        part = slice(start, start + COLUMNS_AT_ONCE)
        rng = np.random.default_rng(settings.seed)
        r = bootstrap_correlations(
            measured[:, part],
            guess[:, part],
            block,
            settings.n_bootstrap,
            rng,
            n_blocks=tests.n_blocks(settings.block_trs),
        )
        r2 = np.maximum(r, 0) ** 2
        for name, here in inside.items():
            total[name] += r2[:, here[part]].sum(axis=1)
    return {name: total[name] / max(int(here.sum()), 1) for name, here in inside.items()}


def partition_rows(partition: Partition, subject: str) -> Iterator[dict[str, object]]:
    """Rows of ``partition.csv``: the mean of each part over the voxels of each region."""
    for region, here in partition.regions.items():
        n = int(here.sum())
        if not region or not n:
            continue
        for subset, values in partition.parts.items():
            value = float(values[here].mean())
            low, high = percentile_interval(around(value, partition.draws[region][subset]))
            yield {
                "region": region,
                "part": PART_NAMES[subset],
                "subject": subject,
                "value": value,
                "ci_low": low,
                "ci_high": high,
                "n": n,
            }
