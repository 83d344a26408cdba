"""Identification of single TRs, the same way for BOLD, sound, picture and words."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from giblet.resampling import Array
from giblet.validate.identification import (
    Identified,
    Shifted,
    distractors,
    identify,
    mean_of,
    shift_scores,
    similarity,
)
from giblet.validate.permutation import draw_orders
from giblet.validate.settings import Settings
from giblet.validate.statistics import bootstrap_mean_interval
from giblet.validate.table import IDENTIFIED, MetricTable
from giblet.validate.testset import TestSet

DISTANT = "identification"
# What is shifted -> the row of its p.
P_ROWS = {"pairwise": "p", "top1": "top1_p"}


@dataclass(frozen=True)
class Case:
    """Identification of one subject's TRs.

    Attributes
    ----------
    found : of every test TR of the subject
    block : array of shape (n,), each TR's bootstrap block, numbered alike for all subjects
    shifted : score -> its mean, observed and under shifts
    """

    subject: str
    found: Identified
    block: NDArray[np.int64]
    shifted: dict[str, Shifted]


@dataclass
class Scorer:
    """Adds identification rows to a table: per subject, over all of them, and chance.

    Attributes
    ----------
    chance_per_subject : a row of chance for every subject, rather than one
    """

    table: MetricTable
    settings: Settings
    chance_per_subject: bool = False
    _cases: dict[tuple[str, str], list[Case]] = field(init=False, default_factory=dict)
    _guessed: set[str] = field(init=False, default_factory=set)

    def identify(
        self,
        source: str,
        subject: str,
        predicted: Array,
        true: Array,
        tests: TestSet,
        keep: np.ndarray | None = None,
        same: np.ndarray | None = None,
        kind: str = DISTANT,
    ) -> None:
        """Score how often a prediction is more like its own TR than like other ones.

        Parameters
        ----------
        predicted, true : arrays of shape (n, n_features), without the training mean
        tests : the test TRs of this subject
        keep : array of shape (n,), bool; TRs that take part, all if None
        same : array of shape (n,); TRs of equal value are no distractors of each other
        kind : what the rows' names begin with
        """
        keep = np.ones(tests.n, bool) if keep is None else keep
        film = tests.film_number
        far = distractors(film, tests.time_s, self.settings.min_distance_s)
        # A film that is shown again shows the same items.
        other = (film[:, None] != film[None]) | (tests.tr[:, None] != tests.tr[None])
        if same is not None:
            other &= same[:, None] != same[None]
        scores = similarity(predicted[keep], true[keep])
        orders = self._orders(tests, keep)
        block = tests.blocks(self.settings.block_trs)
        for prefix, allowed in ((kind, far & other), (f"{kind}_all", other)):
            allowed = allowed[np.ix_(keep, keep)]
            found = identify(scores, allowed).among(keep)
            case = Case(subject, found, block, shift_scores(scores, allowed, orders))
            self._add(prefix, source, case, tests)
            whom = subject if self.chance_per_subject else ""
            if f"{prefix} {whom}" not in self._guessed and tests.n:
                self.table.add_chance(found.n_candidates, prefix=prefix, subject=whom)
                self._guessed.add(f"{prefix} {whom}")

    def add_pooled(self) -> None:
        """Add the row over all subjects to everything that was scored for several.

        The same blocks are drawn and the same shifts made for all subjects, who saw the same
        film, so that interval and p are those of the mean over subjects.
        """
        for (prefix, source), cases in self._cases.items():
            if not any(case.subject for case in cases):
                continue
            n = sum(int(np.isfinite(case.found.rank).sum()) for case in cases)
            for name, (unit, statistic) in IDENTIFIED.items():
                value, interval = bootstrap_mean_interval(
                    [(getattr(case.found, name), case.block) for case in cases],
                    self.settings.n_bootstrap,
                    np.random.default_rng(self.settings.seed),
                    statistic,
                )
                self.table.add(f"{prefix}_{name}", unit, source, value, interval=interval, n=n)
            for name, row in P_ROWS.items():
                p = mean_of([case.shifted[name] for case in cases]).p
                self.table.add(f"{prefix}_{row}", "p", source, p, n=n)

    def _add(self, prefix: str, source: str, case: Case, tests: TestSet) -> None:
        self._cases.setdefault((prefix, source), []).append(case)
        self.table.add_identification(
            source, case.found, case.block, prefix=prefix, subject=case.subject, tests=tests
        )
        n = int(np.isfinite(case.found.rank).sum())
        for name, row in P_ROWS.items():
            p = case.shifted[name].p
            self.table.add(f"{prefix}_{row}", "p", source, p, subject=case.subject, n=n)

    def _orders(self, tests: TestSet, keep: np.ndarray) -> NDArray[np.int64]:
        """Shifts within segments, of the TRs that take part."""
        edges = np.concatenate([[0], np.cumsum(tests.lengths)])
        lengths = [int(keep[a:b].sum()) for a, b in pairwise(edges)]
        rngs = tests.segment_rngs(self.settings.seed)
        kept = [(n, rng) for n, rng in zip(lengths, rngs, strict=True) if n]
        return draw_orders(
            [n for n, _ in kept],
            self.settings.n_permutations,
            tests.trs_of(self.settings.min_shift_s),
            [rng for _, rng in kept],
        )
