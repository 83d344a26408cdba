"""How well a subject's own runs repeat: the ceiling that includes what is the subject's own.

When a run shows what an earlier one showed, everything in its BOLD that the film causes comes
again, shared with other people or not. The correlation of a voxel's two time courses (Pearson's
r, for three and more the mean over pairs as Fisher's z) is then the share of variance that is
response, and its square root the largest r that a perfect prediction can have with either run
(Spearman 1904; for films Hasson et al. 2010, Trends Cogn. Sci. 14:40). It is too low where people
respond less the second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path

import numpy as np

from giblet.brain.isc import (
    Draws,
    Shared,
    Sums,
    common_shape,
    comparisons,
    correlation,
    one_width,
    voxel_blocks,
)
from giblet.store import reading
from giblet.timing import Exact


def study_repeats(
    by_run: Mapping[str, Mapping[str, str | Path]],
    repeats: Mapping[str, str],
    subjects: Sequence[str],
    tr_s: Exact,
    draws: Draws,
) -> Iterator[tuple[slice, dict[str, Shared]]]:
    """Correlation of each subject's runs that show the same, a block of voxels at a time.

    Parameters
    ----------
    by_run : ``{run: {subject: path}}``
    repeats : ``{run: the earlier run that showed the same}``

    Yields
    ------
    the voxels, and how each subject repeats there: ``isc`` is the correlation of two runs,
    ``n_others`` is 1; NaN for a subject without repeats
    """
    shapes = {run: common_shape(run, paths, tr_s) for run, paths in by_run.items()}
    films: dict[str, list[str]] = {}
    for run in by_run:
        films.setdefault(repeats.get(run, run), []).append(run)
    pairs = [pair for runs in films.values() for pair in combinations(runs, 2)]
    longest = max(n_trs for n_trs, _ in shapes.values())
    n_voxels = one_width(shapes)
    with ExitStack() as stack:
        files = {
            run: {name: stack.enter_context(reading(path)) for name, path in paths.items()}
            for run, paths in by_run.items()
            if any(run in pair for pair in pairs)
        }
        for here in voxel_blocks(n_voxels, 2 * longest + draws.n * len(subjects)):
            sums = {subject: Sums(here.stop - here.start) for subject in subjects}
            for number, (first, again) in enumerate(pairs):
                n_trs = min(shapes[first][0], shapes[again][0])
                for subject in files[first].keys() & files[again].keys():
                    both = [files[run][subject] for run in (first, again)]
                    bold = np.stack([file["bold"][:n_trs, here].astype(float) for file in both])
                    valid = np.stack([file["valid"][here] for file in both])
                    own, other, n = next(comparisons(bold, valid))
                    drawn = draws.of(own, other, number)
                    sums[subject].add(correlation(own, other), n, drawn, n_trs)
            yield here, {subject: sums[subject].shared() for subject in subjects}
