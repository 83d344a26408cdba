"""What a score says: beats, does not beat, worse; and whether anything was found."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giblet.validate.report import verdicts, words
from giblet.validate.report.verdicts import Answer, Score, Scores, Verdict
from tests.support import report_files, validate_files

COLUMNS = ["metric", "unit", "source", "subject", "value", "ci_low", "ci_high", "n"]
FINITE = st.floats(-1e3, 1e3)


def table(*rows):
    """Scores from rows of metric, source, subject, value, half-width of the interval."""
    full = [(m, "1", source, who, v, v - w, v + w, 50) for m, source, who, v, w in rows]
    return Scores(pd.DataFrame(full, columns=COLUMNS))


def score(low, high):
    return Score((low + high) / 2, low, high, 50)


@pytest.mark.parametrize(
    ("low", "high", "better", "expected"),
    [
        (0.2, 0.4, words.HIGHER, Verdict.BEATS),
        (0.05, 0.4, words.HIGHER, Verdict.LEVEL),
        (-0.2, 0.05, words.HIGHER, Verdict.WORSE),
        (0.2, 0.4, words.LOWER, Verdict.WORSE),
        (-0.2, 0.05, words.LOWER, Verdict.BEATS),
        (0.1, 0.4, words.HIGHER, Verdict.LEVEL),
        (0.2, 0.4, words.NEITHER, Verdict.UNKNOWN),
        (np.nan, np.nan, words.HIGHER, Verdict.UNKNOWN),
    ],
)
def test_judge_by_the_interval(low, high, better, expected):
    assert verdicts.judge(score(low, high), 0.1, better) == expected


@given(low=FINITE, width=st.floats(0, 10), reference=FINITE)
def test_judging_is_symmetric_in_direction(low, width, reference):
    one = verdicts.judge(score(low, low + width), reference, words.HIGHER)
    mirrored = verdicts.judge(score(-low - width, -low), -reference, words.LOWER)
    assert one == mirrored


@given(low=FINITE, width=st.floats(0, 10), reference=FINITE)
def test_nothing_beats_what_its_interval_contains(low, width, reference):
    if low <= reference <= low + width:
        assert verdicts.judge(score(low, low + width), reference, words.HIGHER) == Verdict.LEVEL


def test_every_metric_that_validate_writes_has_a_direction():
    known = [name for part in validate_files.METRICS.values() for name in part]
    known += [*validate_files.IDENTIFICATION, *validate_files.OF_TRUTH, "delay_abs_error_s"]
    assert not [name for name in known if name not in words.METRICS]


def test_a_metric_that_is_not_listed_is_not_judged():
    scores = table(("novel", "model", "", 0.9, 0.01), ("novel", "floor_mean", "", 0.1, 0.01))
    assert verdicts.compare(scores, "novel", "model", "floor_mean").verdict == Verdict.UNKNOWN


def test_the_majority_of_subjects_decides():
    rows = [("ssim", "floor_mean", "", 0.4, 0.0)]
    rows += [
        ("ssim", "from_bold", f"sub-{k}", value, 0.05) for k, value in enumerate((0.5, 0.6, 0.42))
    ]
    comparison = verdicts.compare(table(*rows), "ssim", "from_bold", "floor_mean")
    assert comparison.verdict == Verdict.BEATS
    assert comparison.count(Verdict.BEATS) == 2
    assert comparison.n_judged == 3


def test_each_subject_is_judged_by_its_own_floor():
    scores = table(
        ("r_mean", "model", "sub-1", 0.2, 0.05),
        ("r_mean", "model", "sub-2", 0.2, 0.05),
        ("r_mean", "floor_shifted", "sub-1", 0.1, 0.05),
        ("r_mean", "floor_shifted", "sub-2", 0.3, 0.05),
        ("r_mean", "floor_shifted", "", 0.0, 0.05),
    )
    cases = verdicts.compare(scores, "r_mean", "model", "floor_shifted").cases
    assert cases == {"sub-1": Verdict.BEATS, "sub-2": Verdict.WORSE}


def test_no_skill_stands_in_for_missing_floors():
    scores = table(("r_mean", "model", "sub-1", 0.2, 0.05))
    (comparison,) = verdicts.against_floors(scores, "r_mean", "model")
    assert comparison.against == "chance"
    assert comparison.verdict == Verdict.BEATS


def identified(values, width=0.05, p=0.001):
    rows = [("identification_pairwise", "chance", "", 0.5, 0.0)]
    for number, value in enumerate(values):
        who = f"sub-{number}"
        rows.append(("identification_pairwise", "from_bold", who, value, width))
        rows.append(("identification_p", "from_bold", who, p, np.nan))
    return table(*rows)


@pytest.mark.parametrize(
    ("values", "p", "answer"),
    [
        ((0.7, 0.7, 0.52), 0.001, Answer.YES),
        ((0.7, 0.51, 0.52), 0.001, Answer.NO),
        ((0.7, 0.7, 0.7), 0.2, Answer.NO),
        ((0.7,), 0.001, Answer.YES),
        ((0.7,), 0.04, Answer.NO),
    ],
)
def test_yes_needs_the_interval_and_the_permutations_in_most_subjects(values, p, answer):
    assert verdicts.ask(identified(values, p=p), "video", "from_bold").answer == answer


def test_without_intervals_there_is_no_answer():
    finding = verdicts.ask(identified((0.9, 0.9), width=np.nan), "video", "from_bold")
    assert finding.answer == Answer.UNKNOWN


@pytest.mark.parametrize(("significant", "answer"), [(0.2, Answer.YES), (0.0, Answer.NO)])
def test_prediction_needs_significant_voxels(significant, answer):
    scores = table(
        ("r_mean", "model", "sub-1", 0.2, 0.05),
        ("share_significant", "model", "sub-1", significant, np.nan),
    )
    assert verdicts.ask(scores, "fmri", "model").answer == answer


@pytest.mark.parametrize(
    ("network", "ridge", "winner"),
    [(0.3, 0.1, "model"), (0.1, 0.3, "ridge"), (0.2, 0.21, ""), (0.2, np.nan, None)],
)
def test_duel(network, ridge, winner):
    rows = [("r_mean", "model", f"sub-{k}", network, 0.04) for k in range(3)]
    rows += [("r_mean", "ridge", f"sub-{k}", ridge, 0.04) for k in range(3)]
    assert verdicts.duel(table(*rows), "r_mean", "model", "ridge") == winner


def null_scores(rng, n_subjects):
    """Tables in which every interval is an honest 95 % interval around a null value."""
    scores = {}
    for modality in ("fmri", "video", "audio", "text"):
        name = "r_mean" if modality == "fmri" else "identification_pairwise"
        centre = 0.0 if modality == "fmri" else 0.5
        rows = [(name, "chance", "", centre, 0.0)]
        for source in ("model", "from_bold", "ridge"):
            for who in range(n_subjects):
                z = rng.normal()
                p = float(rng.uniform())
                rows.append((name, source, f"sub-{who}", centre + 0.01 * z, 0.0196))
                rows.append(("identification_p", source, f"sub-{who}", p, np.nan))
                found = float(rng.uniform() < 0.05)
                rows.append(("share_significant", source, f"sub-{who}", found, np.nan))
        scores[modality] = table(*rows)
    return scores


def test_equalling_the_nearest_clip_is_still_finding_something():
    rows = [("identification_pairwise", "floor_nearest", "", 0.8, 0.0)]
    rows += [("identification_pairwise", "floor_shifted", "", 0.5, 0.0)]
    for who in ("sub-1", "sub-2"):
        rows.append(("identification_pairwise", "from_bold", who, 0.78, 0.05))
    scores = table(*rows)
    assert verdicts.ask(scores, "video", "from_bold").answer == Answer.YES
    nearest = verdicts.compare(scores, "identification_pairwise", "from_bold", "floor_nearest")
    assert nearest.verdict == Verdict.LEVEL


@given(name=st.sampled_from([*words.METRICS, "novel"]))
def test_headlines_stand_before_identification(name):
    if name.startswith("identification"):
        assert words.place("ssim") < words.place(name)
    elif name in words.METRICS:
        assert words.place(name) < words.place("identification_top1") < words.place("novel")


@pytest.mark.parametrize("n_subjects", [1, 2, 3])
def test_null_studies_rarely_find_anything(n_subjects):
    rng = np.random.default_rng(n_subjects)
    found = [
        verdicts.anything_found(verdicts.ask_all(null_scores(rng, n_subjects))) for _ in range(150)
    ]
    assert np.mean(found) <= 0.05


def test_planted_strengths_are_told_apart():
    rng = np.random.default_rng(0)
    strength = {"model": 1, "from_bold": 1, "from_predicted": 1, "ridge": 0}
    rows = report_files.metrics_table(rng, "video", strength, report_files.SUBJECTS)
    scores = Scores(rows)
    assert verdicts.ask(scores, "video", "from_bold").answer == Answer.YES
    assert verdicts.ask(scores, "video", "ridge").answer == Answer.NO
