"""What a score says: does a source beat its floors, and was anything found at all?

A source *beats* a reference when its 95 % interval lies wholly on the better side of the
reference's value, and is *worse* when it lies wholly on the other side. Scores that exist per
subject are judged per subject; the verdict is the majority's.

A question about the brain is answered *yes* only when more than half of the subjects give two
kinds of evidence: the interval beats chance, the train mean and the time-shifted prediction, and
a permutation test agrees (voxels that pass the false discovery rate, or the p of the
identification). With one subject the p must also pass a Bonferroni correction over the questions
asked. This keeps a study without signal from finding something by asking often. The nearest
training clip is no part of it: it looks at the film or the brain itself, so a source that only
equals it has still found something; the summary says so beside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from giblet.validate.report.files import records
from giblet.validate.report.words import BLIND_FLOORS, FLOORS, NEITHER, metric, place

ALPHA = 0.05


class Verdict(StrEnum):
    """How a source stands to a reference."""

    BEATS = "beats"
    LEVEL = "does not beat"
    WORSE = "is worse than"
    UNKNOWN = "cannot be compared with"


@dataclass(frozen=True)
class Score:
    """A value with its 95 % interval; NaN where it is not known."""

    value: float
    low: float
    high: float
    n: float
    subject: str = ""

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are known."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))


class Scores:
    """The rows of one modality's ``metrics.csv``.

    Parameters
    ----------
    table
        Columns ``metric, unit, source, subject, value, ci_low, ci_high, n``.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._scores: dict[tuple[str, str], dict[str, Score]] = {}
        self.units: dict[str, str] = {}
        for row in records(table):
            score = Score(row["value"], row["ci_low"], row["ci_high"], row["n"], row["subject"])
            self._scores.setdefault((row["metric"], row["source"]), {})[row["subject"]] = score
            self.units.setdefault(row["metric"], row["unit"])

    @property
    def metrics(self) -> list[str]:
        """Metrics in the order in which they are shown; unknown ones last."""
        return sorted(self.units, key=place)

    @property
    def all_subjects(self) -> list[str]:
        """Subjects with a score of their own."""
        return sorted({name for found in self._scores.values() for name in found if name})

    def has(self, name: str, source: str) -> bool:
        """Whether the table has a row for a metric of a source, defined or not."""
        return (name, source) in self._scores

    def pooled(self, name: str, source: str) -> Score | None:
        """The score over all subjects; with a single subject, that subject's."""
        found = self._scores.get((name, source), {})
        pooled, own = found.get(""), self.of_subjects(name, source)
        if len(own) == 1 and (pooled is None or not pooled.has_interval):
            return next(iter(own.values()))
        return pooled

    def of_subjects(self, name: str, source: str) -> dict[str, Score]:
        """Scores that belong to one subject each, those with a value."""
        found = self._scores.get((name, source), {})
        return {who: score for who, score in found.items() if who and np.isfinite(score.value)}

    def cases(self, name: str, source: str) -> dict[str, Score]:
        """Scores to judge: one per subject, or the pooled one when there are none."""
        own = {w: s for w, s in self.of_subjects(name, source).items() if s.has_interval}
        pooled = self.pooled(name, source)
        if own or pooled is None or not pooled.has_interval:
            return own
        return {"": pooled}

    def reference(self, name: str, source: str, subject: str) -> float:
        """What a source scores for a subject, or over all where it has no such row."""
        found = self._scores.get((name, source), {})
        score = found.get(subject, found.get(""))
        return score.value if score is not None else np.nan


def judge(score: Score, reference: float, better: int) -> Verdict:
    """Compare an interval with a reference value.

    Parameters
    ----------
    better
        1 when higher values are better, -1 when lower ones are, 0 when neither.
    """
    if not (score.has_interval and np.isfinite(reference)) or better == NEITHER:
        return Verdict.UNKNOWN
    low, high = sorted((better * score.low, better * score.high))
    if low > better * reference:
        return Verdict.BEATS
    return Verdict.WORSE if high < better * reference else Verdict.LEVEL


@dataclass(frozen=True)
class Comparison:
    """A source against one reference, for each subject or once for all."""

    metric: str
    source: str
    against: str
    cases: dict[str, Verdict]

    def count(self, verdict: Verdict) -> int:
        """Number of subjects with a verdict."""
        return sum(found == verdict for found in self.cases.values())

    @property
    def n_judged(self) -> int:
        """Number of subjects that could be compared."""
        return len(self.cases) - self.count(Verdict.UNKNOWN)

    @property
    def verdict(self) -> Verdict:
        """What holds for more than half of those compared."""
        if not self.n_judged:
            return Verdict.UNKNOWN
        for verdict in (Verdict.BEATS, Verdict.WORSE):
            if 2 * self.count(verdict) > self.n_judged:
                return verdict
        return Verdict.LEVEL


def compare(scores: Scores, name: str, source: str, against: str) -> Comparison:
    """Judge a source against another source of the same table."""
    better = metric(name).better
    cases = {
        who: judge(score, scores.reference(name, against, who), better)
        for who, score in scores.cases(name, source).items()
    }
    return Comparison(name, source, against, cases)


def against_floors(scores: Scores, name: str, source: str) -> list[Comparison]:
    """Judge a source against each floor and chance that have a value.

    When the table holds no chance, the metric's no-skill value stands in for it.
    """
    found = [compare(scores, name, source, floor) for floor in (*FLOORS, "chance")]
    found = [comparison for comparison in found if comparison.n_judged]
    no_skill = metric(name).no_skill
    if all(comparison.against != "chance" for comparison in found) and np.isfinite(no_skill):
        cases = {
            who: judge(score, no_skill, metric(name).better)
            for who, score in scores.cases(name, source).items()
        }
        found += [Comparison(name, source, "chance", cases)] if cases else []
    return found


def blind_comparisons(scores: Scores, name: str, source: str) -> list[Comparison]:
    """Judge a source against chance and the floors that know nothing of the moment."""
    known = (*BLIND_FLOORS, "chance")
    return [c for c in against_floors(scores, name, source) if c.against in known]


def beats_all(comparisons: Iterable[Comparison], subject: str) -> bool:
    """Whether one subject's score beats everything it can be compared with."""
    verdicts = [c.cases.get(subject, Verdict.UNKNOWN) for c in comparisons]
    known = [verdict for verdict in verdicts if verdict != Verdict.UNKNOWN]
    return bool(known) and all(verdict == Verdict.BEATS for verdict in known)


class Answer(StrEnum):
    """Answer to a question about the brain."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "not scored"


@dataclass(frozen=True)
class Finding:
    """Answer to one question, with the subjects that support it."""

    modality: str
    source: str
    answer: Answer
    supporting: tuple[str, ...]
    n_subjects: int


# What is asked of the brain: prediction by the network and by ridge, decoding from measured BOLD.
QUESTIONS = (
    ("fmri", "model"),
    ("fmri", "ridge"),
    *(
        (modality, source)
        for modality in ("video", "audio", "text")
        for source in ("from_bold", "ridge")
    ),
)


# The score that answers a question; the permutation test is asked besides.
ASKED_WITH = {"fmri": "r_mean", "decoding": "identification_pairwise"}


def ask(scores: Scores, modality: str, source: str, n_questions: int = len(QUESTIONS)) -> Finding:
    """Answer whether a source shows anything about the brain (see the module's docstring)."""
    name = ASKED_WITH.get(modality, ASKED_WITH["decoding"])
    cases = scores.cases(name, source)
    comparisons = blind_comparisons(scores, name, source)
    judged = [who for who in cases if any(c.cases.get(who) for c in comparisons)]
    if not judged:
        return Finding(modality, source, Answer.UNKNOWN, (), 0)
    alpha = ALPHA / n_questions if len(judged) == 1 else ALPHA
    yes = [
        who
        for who in judged
        if beats_all(comparisons, who) and _permutations_agree(scores, modality, source, who, alpha)
    ]
    answer = Answer.YES if 2 * len(yes) > len(judged) else Answer.NO
    return Finding(modality, source, answer, tuple(yes), len(judged))


def _permutations_agree(
    scores: Scores, modality: str, source: str, subject: str, alpha: float
) -> bool:
    if modality == "fmri":
        return scores.reference("share_significant", source, subject) > 0
    p = scores.reference("identification_p", source, subject)
    # A table without the test leaves the interval as the only evidence.
    return bool(np.isnan(p) or p <= alpha)


def ask_all(scores: dict[str, Scores]) -> list[Finding]:
    """Answer every question that the study's tables allow."""
    return [
        ask(scores[modality], modality, source)
        for modality, source in QUESTIONS
        if modality in scores
    ]


def anything_found(findings: Iterable[Finding]) -> bool:
    """Whether any question about the brain was answered yes."""
    return any(finding.answer == Answer.YES for finding in findings)


def duel(scores: Scores, name: str, one: str, other: str) -> str | None:
    """Which of two sources is better: its name, "" when neither, None when not comparable.

    One is better when, in more than half of the subjects, its interval lies beyond the other's
    value or the other's interval falls short of its own.
    """
    there = compare(scores, name, one, other).verdict
    back = compare(scores, name, other, one).verdict
    if there == back == Verdict.UNKNOWN:
        return None
    one_ahead = there == Verdict.BEATS or back == Verdict.WORSE
    other_ahead = back == Verdict.BEATS or there == Verdict.WORSE
    if one_ahead == other_ahead:
        return ""
    return one if one_ahead else other
