"""Identification of single TRs, the same way for sound, picture and words."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from giblet.validate.identification import (
    Identified,
    distractors,
    identification_p,
    identify,
    similarity,
)
from giblet.validate.settings import Settings
from giblet.validate.statistics import Array
from giblet.validate.table import MetricTable
from giblet.validate.testset import TestSet


@dataclass
class Scorer:
    """Adds identification rows to a table, and its chance row once."""

    table: MetricTable
    settings: Settings
    _chance_done: bool = field(default=False, init=False)

    def identify(
        self,
        source: str,
        subject: str,
        predicted: Array,
        true: Array,
        tests: TestSet,
        keep: np.ndarray | None = None,
        same: np.ndarray | None = None,
    ) -> Identified:
        """Score how often a prediction is more like its own TR than like distant ones.

        Parameters
        ----------
        predicted, true : arrays of shape (n, n_features), without the training mean
        keep : array of shape (n,), bool; TRs that take part, all if None
        same : array of shape (n,); TRs of equal value are no distractors of each other
        """
        keep = np.ones(tests.n, bool) if keep is None else keep
        far = distractors(tests.run_number, tests.time_s, self.settings.min_distance_s)
        if same is not None:
            far &= same[:, None] != same[None]
        allowed = far[np.ix_(keep, keep)]
        scores = similarity(predicted[keep], true[keep])
        found = identify(scores, allowed)
        edges = np.concatenate([[0], np.cumsum(tests.lengths)])
        lengths = [int(keep[a:b].sum()) for a, b in pairwise(edges)]
        p = identification_p(
            scores,
            allowed,
            [length for length in lengths if length],
            n_permutations=self.settings.n_permutations,
            min_shift_trs=tests.trs_of(self.settings.min_shift_s),
            rng=np.random.default_rng(self.settings.seed),
        )
        block = tests.blocks(self.settings.block_trs)[keep]
        self.table.add_identification(source, found, block, p=p, subject=subject)
        if not self._chance_done and tests.n:
            self.table.add_chance(found.n_candidates)
            self._chance_done = True
        return found
