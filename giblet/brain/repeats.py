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
from itertools import combinations
from pathlib import Path

from giblet.brain.isc import Draws, Group, Shared, compared, one_width, study_shapes
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
    shapes = study_shapes(by_run, tr_s)
    films: dict[str, list[str]] = {}
    for run in by_run:
        films.setdefault(repeats.get(run, run), []).append(run)
    pairs = [pair for runs in films.values() for pair in combinations(runs, 2)]
    groups = []
    for number, pair in enumerate(pairs):
        n_trs = min(shapes[run][0] for run in pair)
        for subject in subjects:
            scans = [by_run[run][subject] for run in pair if subject in by_run[run]]
            if len(scans) == len(pair):
                groups.append(Group(scans, [subject, None], n_trs, number))
    yield from compared(groups, subjects, one_width(shapes), draws)
