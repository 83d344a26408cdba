"""The one-minute summary: what was asked, what beats its floor, what does not, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from giblet.validate.report.study import Study, Voxels
from giblet.validate.report.verdicts import (
    ASKED_WITH,
    Answer,
    Comparison,
    Finding,
    Scores,
    Verdict,
    against_floors,
    ask_all,
    blind_comparisons,
)
from giblet.validate.report.words import (
    DEEDS,
    HEADLINES,
    SOURCE_NAMES,
    SPEECH_METRICS,
    capital,
    interval,
    listed,
    metric,
    number,
    source_name,
)

ASKED = {
    "fmri": "Is held-out brain activity predicted from the film?",
    "video": "Is the picture told from measured brain activity?",
    "audio": "Is the sound told from measured brain activity?",
    "text": "Are the words told from measured brain activity?",
}


@dataclass(frozen=True)
class Given:
    """The answer one contender gives, how many subjects support it, and its score."""

    answer: Answer
    support: str
    score: str


@dataclass(frozen=True)
class Row:
    """One question of the summary table, answered by the network and by ridge."""

    modality: str
    asked: str
    network: Given
    ridge: Given


def rows(study: Study) -> list[Row]:
    """One row per question about the brain."""
    findings = {(f.modality, f.source): f for f in ask_all(study.scores)}
    out = []
    for modality in study.scores:
        network = findings[modality, "model" if modality == "fmri" else "from_bold"]
        ridge = findings[modality, "ridge"]
        out.append(Row(modality, ASKED[modality], _given(study, network), _given(study, ridge)))
    return out


def _given(study: Study, finding: Finding) -> Given:
    name = ASKED_WITH.get(finding.modality, ASKED_WITH["decoding"])
    scores = study.scores[finding.modality]
    value = value_text(scores, name, finding.source)
    score = "" if value == "–" else f"{metric(name).label} {value}"
    return Given(finding.answer, _support(finding), score)


def failures(study: Study) -> list[str]:
    """Every headline score about the brain that does not beat a floor, one sentence each."""
    out = []
    for finding in ask_all(study.scores):
        scores = study.scores[finding.modality]
        for name in HEADLINES[finding.modality]:
            out.extend(_shortfalls(scores, name, finding.source, SOURCE_NAMES[finding.source]))
        out.extend(_disagreement(scores, finding))
    return out


def verdicts(study: Study, modality: str) -> list[str]:
    """What each source scores on a modality's headlines and what that beats."""
    scores = study.scores[modality]
    sources = ("model", "ridge") if modality == "fmri" else ("from_bold", "model", "ridge")
    out = []
    for source in sources:
        for name in HEADLINES[modality]:
            if scores.has(name, source):
                who = source_name(modality, source)
                out.append(_scored(scores, name, source, who))
                out.extend(_shortfalls(scores, name, source, who))
        out.append(_significant(scores, source, study.voxels))
    for finding in ask_all({modality: scores}):
        out.extend(_disagreement(scores, finding))
    return [sentence for sentence in out if sentence]


def _disagreement(scores: Scores, finding: Finding) -> list[str]:
    """Say so when an interval beats everything and the permutation test does not agree."""
    if finding.modality == "fmri" or finding.answer != Answer.NO:
        return []
    comparisons = blind_comparisons(scores, ASKED_WITH["decoding"], finding.source)
    if any(comparison.verdict != Verdict.BEATS for comparison in comparisons):
        return []
    score = scores.pooled("identification_p", finding.source)
    p = number(score.value if score is not None else np.nan, metric("identification_p").digits)
    what = DEEDS[finding.modality]
    return [
        f"{capital(SOURCE_NAMES[finding.source])} identifies the {what} above chance, but "
        f"the permutation test does not agree (p = {p})."
    ]


def _support(finding: Finding) -> str:
    if not finding.n_subjects:
        return "no intervals to judge by"
    if finding.n_subjects == 1:
        return "in one subject"
    return f"in {len(finding.supporting)} of {finding.n_subjects} subjects"


def value_text(scores: Scores, name: str, source: str) -> str:
    """A score in words, with its interval or its spread over subjects."""
    about = metric(name)
    pooled = scores.pooled(name, source)
    own = scores.of_subjects(name, source)
    if pooled is None or not np.isfinite(pooled.value):
        return "–"
    text = number(pooled.value, about.digits)
    if pooled.has_interval:
        return f"{text} {interval(pooled.low, pooled.high, about.digits)}"
    if len(own) > 1:
        values = [score.value for score in own.values()]
        spread = f"{number(min(values), about.digits)} to {number(max(values), about.digits)}"
        return f"{text} (mean of {len(own)} subjects, {spread})"
    return text


def _scored(scores: Scores, name: str, source: str, who: str) -> str:
    """What a source scores and which references it beats."""
    value = value_text(scores, name, source)
    label = metric(name).label
    if value == "–":
        return f"{capital(label)}: {who} has no score."
    comparisons = against_floors(scores, name, source)
    start = f"{capital(label)}: {who} scores {value}"
    if not comparisons:
        return f"{start}; there is no interval or no floor to judge it by."
    beats = [_against(scores, c) for c in comparisons if c.verdict == Verdict.BEATS]
    return f"{start} and beats {listed(beats)}." if beats else f"{start}."


def _shortfalls(scores: Scores, name: str, source: str, who: str) -> list[str]:
    """What a source does not beat, and what it is worse than."""
    comparisons = against_floors(scores, name, source)
    fails = [_against(scores, c) for c in comparisons if c.verdict == Verdict.LEVEL]
    worse = [_against(scores, c) for c in comparisons if c.verdict == Verdict.WORSE]
    start = f"{capital(who)}, at {value_text(scores, name, source)},"
    out = []
    if fails:
        out.append(f"{start} does not beat {listed(fails, 'or')} on {metric(name).label}.")
    if worse:
        out.append(f"{start} is worse than {listed(worse)} on {metric(name).label}.")
    return out


def _against(scores: Scores, comparison: Comparison) -> str:
    """A reference with its value and, where subjects differ, how many."""
    reference = scores.pooled(comparison.metric, comparison.against)
    about = metric(comparison.metric)
    value = reference.value if reference is not None else about.no_skill
    inside = [number(value, about.digits)]
    if comparison.n_judged > 1 and comparison.count(comparison.verdict) < comparison.n_judged:
        inside.append(f"beaten in {comparison.count(Verdict.BEATS)} of {comparison.n_judged}")
    return f"{SOURCE_NAMES[comparison.against]} ({', '.join(inside)})"


def _significant(scores: Scores, source: str, voxels: Voxels | None) -> str:
    score = scores.pooled("share_significant", source)
    if score is None or not np.isfinite(score.value):
        return ""
    level = f" at a false discovery rate of {voxels.fdr_q:g}" if voxels is not None else ""
    return f"By {SOURCE_NAMES[source]}, {100 * score.value:.1f} % of voxels are significant{level}."


def ceilings(study: Study) -> dict[str, str]:
    """What each modality's ceiling is and what it measured, in words."""
    out = {}
    mean = value_text(study.scores["fmri"], "r_mean", "ceiling")
    if "repeats" in study.ceilings_from:
        others = (
            "; for subjects who saw nothing twice, what the other subjects' responses say"
            if "subjects" in study.ceilings_from
            else ""
        )
        out["fmri"] = (
            "The ceiling is what a subject's response to the same film shown again says about "
            f"the first{others}: mean r {mean}."
        )
    elif not study.has_brain_ceiling:
        out["fmri"] = (
            "There is one subject, so there is no inter-subject ceiling: r is shown as it is."
        )
    else:
        out["fmri"] = (
            "The ceiling is what the other subjects' responses say about a subject's own "
            f"(inter-subject): mean r {mean}."
        )
    above = study.scores["fmri"].pooled("n_above_ceiling", "model")
    if above is not None and above.value > 0:
        out["fmri"] += (
            f" In {number(above.value, 0)} voxels r is above it, where it is too low: it is "
            "estimated"
            + (
                "."
                if study.ceilings_from == {"repeats"}
                else ", and does not know what in a response is the subject's own."
            )
        )
    if "audio" in study.scores:
        out["audio"] = _codec_ceiling(study.scores["audio"])
    if "video" in study.scores:
        psnr = value_text(study.scores["video"], "psnr", "ceiling")
        out["video"] = (
            "The ceiling is the cached frames through the video encoder and back: PSNR "
            f"{psnr}, in dB."
        )
    out["text"] = "The ceiling is retrieval with the true embedding."
    return out


def _codec_ceiling(audio: Scores) -> str:
    measured = [
        f"{metric(name).label} {value_text(audio, name, 'ceiling')}"
        for name in ("stoi", "si_sdr", "log_spectral_distance")
        if value_text(audio, name, "ceiling") != "–"
    ]
    return (
        "The ceiling is the original sound through the audio codec and back, with no network "
        f"between. Measured here: {listed(measured) or 'nothing'}. No decoding can sound better."
    )


def unseen(study: Study, names: Sequence[str]) -> str:
    """How well those that training never saw are predicted, against those that it saw."""
    scores = study.scores["fmri"].of_subjects("r_normalised_median", "model")
    new = [score.value for who, score in scores.items() if who in names]
    known = [score.value for who, score in scores.items() if who not in names]
    if not new or not known:
        return ""
    one, other = float(np.mean(new)), float(np.mean(known))
    ratio = f" (ratio {number(one / other, 2)})" if other > 0 else ""
    return (
        f"Training never saw {listed(list(names))}: by the map that all subjects share, their "
        f"median r as a share of the ceiling is {number(one)}, that of the others "
        f"{number(other)}{ratio}. Their BOLD had no part in training or in choosing weights, but "
        "in the mask, the ceiling and their own standardisation."
    )


def speech(study: Study) -> str:
    """How many clips of sound count as speech, which the measures of speech are of."""
    table = study.tables.get("clips")
    if table is None or table.empty:
        return ""
    clips = table.drop_duplicates(["run", "tr_start"])
    present = [name for name in SPEECH_METRICS if name in study.scores["audio"].metrics]
    labels = [metric(name).label for name in present]
    n, n_speech = len(clips), int((clips["is_speech"] == "True").sum())
    unknown = int(clips["speech"].isna().sum())
    out = f"{n_speech} of {n} clips count as speech; "
    out += f"measures of speech ({listed(labels)}) are of those only."
    if not n_speech:
        out = f"None of {n} clips counts as speech, so there is no {listed(labels, 'or')}."
    if unknown and n_speech < n:
        out += (
            f" Of {unknown} clips the annotation does not tell whether anything is said in them: "
            "name the column that does in stimulus/text/speech_column, or set "
            "validate/audio/speech to always."
        )
    return out
