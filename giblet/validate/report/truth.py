"""What a simulated study recovered of the truth it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from giblet.validate.report.study import Study, Voxels
from giblet.validate.report.summary import value_text

Q_OF = {"model": "q", "ridge": "q_ridge"}


@dataclass(frozen=True)
class Recovered:
    """One row: what was planted, and what the network and ridge found of it."""

    label: str
    network: str
    ridge: str


@dataclass(frozen=True)
class Truth:
    """Recovered against planted."""

    planted: str
    rows: list[Recovered]
    nothing_planted: bool
    in_words: str = ""


def truth(study: Study) -> Truth | None:
    """Share of the ceiling, false discoveries, power and delay; None for a real study."""
    voxels = study.voxels
    if voxels is None or voxels.responds is None:
        return None
    responding = voxels.responds.any(axis=1)
    planted = (
        f"The scans are simulated: {responding.sum():,} of {responding.size:,} voxels respond to "
        "picture, sound or words, the others to nothing."
    )
    scores = study.scores["fmri"]
    counts = {source: _discoveries(voxels, source) for source in Q_OF}
    level = f"q\u00a0<\u00a0{voxels.fdr_q:g}"
    rows = [
        Recovered(
            "r as a share of the planted ceiling, median over responding voxels",
            *(value_text(scores, "r_over_true_ceiling", source) for source in Q_OF),
        ),
        Recovered(
            f"Responding voxels found, at {level}",
            *(_share(*counts[source][0]) for source in Q_OF),
        ),
        Recovered(
            f"Voxels that respond to nothing called significant, at {level}",
            *(_share(*counts[source][1]) for source in Q_OF),
        ),
        Recovered(
            "Share of the significant voxels that respond to nothing",
            *(_share(counts[s][1][0], counts[s][0][0] + counts[s][1][0]) for s in Q_OF),
        ),
        Recovered(
            "Error of the response delay in seconds, median over responding voxels",
            *(value_text(scores, "delay_abs_error_s", source) for source in Q_OF),
        ),
    ]
    rows += [
        Recovered(
            f"Voxels that respond to nothing but {what}, best explained by it",
            "–",
            value_text(scores, f"own_modality_{name}", "ridge"),
        )
        for name, what in (("video", "picture"), ("audio", "sound"), ("text", "words"))
        if scores.has(f"own_modality_{name}", "ridge")
    ]
    said = _in_words(study, *counts["model"]) if responding.any() else ""
    return Truth(planted, rows, not responding.any(), said)


def _in_words(study: Study, found: tuple[int, int], false: tuple[int, int]) -> str:
    """What the network recovered of the truth, in one sentence; empty if it scored nothing."""
    (n_true, n_responding), (n_false, _) = found, false
    if not n_responding:
        return ""
    said = (
        f"Against the planted truth: the network finds {percent(n_true, n_responding)} of the "
        "voxels that respond"
    )
    if n_true + n_false:
        said += f", {percent(n_false, n_true + n_false)} of its finds are false"
    share = study.scores["fmri"].pooled("r_over_true_ceiling", "model")
    if share is not None and np.isfinite(share.value):
        said += f", and its r is {100 * share.value:.0f}\u00a0% of the planted ceiling (median)"
    return f"{said}."


def _discoveries(voxels: Voxels, source: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Called significant and scored, among responding voxels and among null ones.

    Counted over all subjects; voxels without a q are in neither number.
    """
    assert voxels.responds is not None
    responding = voxels.responds.any(axis=1)
    found = np.zeros((2, 2), int)
    for arrays in voxels.of_subject.values():
        q = arrays.get(Q_OF[source], np.full(responding.shape, np.nan))
        for row, chosen in enumerate((responding, ~responding)):
            found[row] += [int((q[chosen] < voxels.fdr_q).sum()), int(np.isfinite(q[chosen]).sum())]
    (n_true, n_responding), (n_false, n_null) = found.tolist()
    return (n_true, n_responding), (n_false, n_null)


def _share(n: int, of: int) -> str:
    return f"{n:,} of {of:,} ({percent(n, of)})" if of else "–"


def percent(n: int, of: int) -> str:
    """A share in percent; not rounded to all, or to none, where that is not so."""
    text = f"{100 * n / of:.1f}"
    if n < of and text == "100.0":
        text = "over 99.9"
    elif n and text == "0.0":
        text = "under 0.1"
    return f"{text}\u00a0%"
