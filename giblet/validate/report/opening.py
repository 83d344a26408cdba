"""The first words of the report: what was found about the brain, or that nothing was."""

from __future__ import annotations

from dataclasses import dataclass

from giblet.validate.report.study import Study
from giblet.validate.report.verdicts import (
    ASKED_WITH,
    Answer,
    Finding,
    Verdict,
    anything_found,
    ask_all,
    compare,
    duel,
)
from giblet.validate.report.words import DEEDS, capital, listed

CONTENDERS = (("the network", ("model", "from_bold")), ("ridge", ("ridge",)))


@dataclass(frozen=True)
class Opening:
    """The first words of the report."""

    found: bool
    heading: str
    sentences: list[str]


def opening(study: Study) -> Opening:
    """Say what was found about the brain, or that nothing was."""
    findings = ask_all(study.scores)
    if anything_found(findings):
        sentences = [
            sentence
            for name, sources in CONTENDERS
            if (sentence := _deeds(name, [f for f in findings if f.source in sources]))
        ]
        sentences += _no_better_than_nearest(study, findings) + _network_or_ridge(study)
        return Opening(True, "What was found", sentences)
    if any(finding.answer == Answer.NO for finding in findings):
        sentences = [
            "No score about the brain beats chance: neither the network nor ridge "
            "predicts held-out brain activity from the film, and neither tells picture, sound or "
            "words from measured brain activity."
        ]
    else:
        sentences = ["No question about the brain could be scored on these data."]
    return Opening(False, "Nothing was found", sentences)


def _deeds(name: str, findings: list[Finding]) -> str:
    """What one contender does and does not do, in one sentence."""
    yes = [finding.modality for finding in findings if finding.answer == Answer.YES]
    no = [finding.modality for finding in findings if finding.answer == Answer.NO]
    does, fails = _phrase(yes, "tells", "and"), _phrase(no, "tell", "or")
    if not does:
        return f"{capital(name)} does not {fails}." if fails else ""
    start = f"{capital(name)} {does}, beyond chance"
    return f"{start}; it does not {fails}." if fails else f"{start}."


def _no_better_than_nearest(study: Study, findings: list[Finding]) -> list[str]:
    """Say where a contender that finds something finds no more than the nearest clip."""
    out = []
    for name, sources in CONTENDERS:
        level = []
        for finding in findings:
            if finding.source in sources and finding.answer == Answer.YES:
                asked = ASKED_WITH.get(finding.modality, ASKED_WITH["decoding"])
                scores = study.scores[finding.modality]
                verdict = compare(scores, asked, finding.source, "floor_nearest").verdict
                if verdict in (Verdict.LEVEL, Verdict.WORSE):
                    level.append(finding.modality)
        if level:
            out.append(
                f"{capital(name)} does not beat the nearest training clip at {_doing(level)}."
            )
    return out


def _phrase(modalities: list[str], tell: str, joined: str) -> str:
    """``predicts ... and tells picture and sound from measured brain activity``."""
    parts = []
    if "fmri" in modalities:
        parts.append(
            DEEDS["fmri"] if tell == "tells" else DEEDS["fmri"].replace("predicts", "predict")
        )
    decoded = [DEEDS[modality] for modality in modalities if modality != "fmri"]
    if decoded:
        parts.append(f"{tell} the {listed(decoded, joined)} from measured brain activity")
    return f" {joined} ".join(parts)


def _network_or_ridge(study: Study) -> list[str]:
    """Who wins where the network and ridge can be compared, in one sentence each."""
    won: dict[str, list[str]] = {}
    for modality, scores in study.scores.items():
        source = "model" if modality == "fmri" else "from_bold"
        name = ASKED_WITH.get(modality, ASKED_WITH["decoding"])
        winner = duel(scores, name, source, "ridge")
        if winner is not None:
            key = winner if winner in ("", "ridge") else "network"
            won.setdefault(key, []).append(modality)
    said = (
        ("ridge", "Ridge, the linear baseline, is better than the network at"),
        ("network", "The network is better than ridge at"),
        ("", "Network and ridge cannot be told apart at"),
    )
    return [f"{start} {_doing(won[key])}." for key, start in said if key in won]


def _doing(modalities: list[str]) -> str:
    """``predicting brain activity and telling the picture and sound``."""
    decoded = [DEEDS[modality] for modality in modalities if modality != "fmri"]
    parts = ["predicting brain activity"] if "fmri" in modalities else []
    if decoded:
        parts.append(f"telling the {listed(decoded)}")
    return listed(parts)
