"""All scores of two runs side by side, their differences, and which of these mean something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from giblet.errors import ValidationError
from giblet.validate.compare.brain import Brains
from giblet.validate.compare.changes import (
    Change,
    code_changed,
    settings_changed,
    versions_changed,
)
from giblet.validate.compare.items import CLIPS, TRS, Items
from giblet.validate.compare.paired import NOT_STORED, OF_P, OTHER_ITEMS, Paired, same_test_trs
from giblet.validate.compare.run import Run, check_same_study, open_run, other_study
from giblet.validate.compare.series import Series
from giblet.validate.report.words import HEADLINES, MODALITIES, MODALITY_NAMES, SOURCES, metric

OTHER_STUDY = "the runs are of different studies"


@dataclass(frozen=True)
class Row:
    """One score in both runs; the difference is other minus one.

    Attributes
    ----------
    interval : of the difference, over the same blocks of test TRs; NaN where there is none
    reason : why there is no interval
    better : 1 when higher values are better, -1 when lower ones are, 0 when neither
    """

    modality: str
    metric: str
    unit: str
    source: str
    one: float
    other: float
    interval: tuple[float, float]
    reason: str
    better: int

    @property
    def difference(self) -> float:
        """Other minus one."""
        return self.other - self.one

    @property
    def beyond(self) -> bool:
        """Whether the interval of the difference leaves out 0."""
        low, high = self.interval
        return bool(low > 0 or high < 0)

    @property
    def same(self) -> bool:
        """Whether both runs score exactly the same."""
        return self.one == self.other and not any(np.nan_to_num(self.interval))

    @property
    def verdict(self) -> str:
        """What the difference says: ``better``, ``worse``, ``differs``, ``level``.

        Empty where there is nothing to judge: no interval, or no difference.
        """
        if self.same or not np.isfinite(self.interval[0]):
            return ""
        if not self.beyond:
            return "level"
        gain = self.better * self.difference
        return "differs" if gain == 0 else "better" if gain > 0 else "worse"

    @property
    def headline(self) -> bool:
        """Whether the metric is one by which its modality is judged."""
        return self.metric in HEADLINES[self.modality]


@dataclass
class Comparison:
    """Two runs side by side.

    Attributes
    ----------
    differs : in what the runs are of different studies
    settings : configuration keys that differ; None when a run left no record
    code : rules whose code differs
    only_one, only_other : modalities that one of the runs lacks
    """

    one: Run
    other: Run
    rows: list[Row]
    differs: list[str]
    settings: list[Change] | None
    code: list[str]
    versions: list[Change]
    only_one: list[str] = field(default_factory=list)
    only_other: list[str] = field(default_factory=list)

    @property
    def judged(self) -> list[Row]:
        """Rows whose difference has an interval."""
        return [row for row in self.rows if row.verdict]


def compare_runs(one: str, other: str, *, allow_other_study: bool = False) -> Comparison:
    """Compare the results of two runs.

    Parameters
    ----------
    one, other
        Results folders, ``results/{dataset}``.
    allow_other_study
        Compare runs of different studies too; differences then have no intervals.

    Raises
    ------
    ValidationError
        If a folder holds no finished study, both are the same, or they are of different studies.
    """
    first, second = open_run(one), open_run(other)
    if first.folder == second.folder:
        raise ValidationError(f"{first.folder} is given twice: name two results folders")
    if not allow_other_study:
        check_same_study(first, second)
    differs = other_study(first, second)
    shared = [name for name in MODALITIES if name in first.scores and name in second.scores]
    rows = [row for name in shared for row in _rows(first, second, name, bool(differs))]
    return Comparison(
        first,
        second,
        rows,
        differs,
        settings_changed(first, second),
        code_changed(first, second),
        versions_changed(first, second),
        [MODALITY_NAMES[name] for name in first.scores if name not in shared],
        [MODALITY_NAMES[name] for name in second.scores if name not in shared],
    )


def _rows(one: Run, other: Run, modality: str, differs: bool) -> list[Row]:
    here, there = one.scores[modality], other.scores[modality]
    paired = _pairing(one, other, modality, differs)
    out = []
    for name in here.metrics:
        for source in SOURCES:
            first, second = here.pooled(name, source), there.pooled(name, source)
            if (
                first is None
                or second is None
                or not np.isfinite([first.value, second.value]).all()
            ):
                continue
            found = paired(name, source)
            out.append(
                Row(
                    *(modality, name, here.units[name], source, first.value, second.value),
                    *(found.interval, found.reason, metric(name).better),
                )
            )
    return out


def _pairing(one: Run, other: Run, modality: str, differs: bool) -> Callable[[str, str], Paired]:
    """How the difference of a score of a modality gets its interval."""
    if differs or not same_test_trs(one, other):
        reason = OTHER_STUDY if differs else OTHER_ITEMS
        return lambda name, source: Paired(reason=reason)
    kept: list[Items | Series | Brains] = [Items(one, other, modality, TRS)]
    if modality == "audio":
        kept.append(Items(one, other, modality, CLIPS))
    kept.append(Brains(one, other) if modality == "fmri" else Series(one, other, modality))

    def paired(name: str, source: str) -> Paired:
        if name.endswith("_p"):
            return Paired(reason=OF_P)
        for items in kept:
            if items.has(name):
                return items.paired(name, source)
        return Paired(reason=next((i.missing for i in kept if i.missing), NOT_STORED))

    return paired
