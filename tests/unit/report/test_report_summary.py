"""The words at the top: what was found, what was not, and the truth where it is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from giblet.validate.report import examples, figures, score_tables, summary
from giblet.validate.report.files import Files
from giblet.validate.report.opening import opening
from giblet.validate.report.study import load
from giblet.validate.report.truth import percent, truth
from tests.support import report_files

NOTHING = {"model": 0, "from_bold": 0, "from_predicted": 0, "ridge": 0}


def studied(folder, **kwargs):
    results = report_files.make_results(folder, **kwargs)
    return load(Files(results, report_files.inputs(results)), "giblet")


@pytest.fixture(scope="module")
def null_study(tmp_path_factory):
    return studied(tmp_path_factory.mktemp("null"), strength=NOTHING)


def test_null_study_says_that_nothing_was_found(null_study):
    first = opening(null_study)
    assert not first.found
    assert first.heading == "Nothing was found"
    assert "neither the network nor ridge" in " ".join(first.sentences)
    assert {row.network.answer for row in summary.rows(null_study)} == {"no"}


def test_null_study_names_the_floors_it_does_not_beat(null_study):
    sentences = summary.failures(null_study)
    assert any(s.startswith("Ridge, at") and "does not beat" in s for s in sentences)
    assert any("the train mean" in s and "SSIM" in s for s in sentences)


def test_ridge_that_wins_is_said_to_win(tmp_path):
    study = studied(tmp_path, strength={"model": 0.4, "from_bold": 0, "ridge": 1})
    text = " ".join(opening(study).sentences)
    assert (
        "Ridge, the linear baseline, is better than the network at predicting brain activity"
        in text
    )
    assert "it does not tell the picture, sound or words" in text


def test_network_that_wins_is_said_to_win(tmp_path):
    study = studied(tmp_path, strength={"model": 1, "from_bold": 1, "ridge": 0.3})
    text = " ".join(opening(study).sentences)
    assert "The network is better than ridge at predicting brain activity" in text
    assert "tells the picture, sound and words from measured brain activity" in text


def test_interval_without_permutations_is_explained(study):
    assert any(
        "the permutation test does not agree (p = 0.2006)" in s for s in summary.failures(study)
    )


def test_equalling_the_nearest_clip_is_said(tmp_path):
    results = report_files.make_results(tmp_path)
    path = results / "validate/fmri/metrics.csv"
    table = pd.read_csv(path)
    nearest = (table["metric"] == "r_mean") & (table["source"] == "floor_nearest")
    table.loc[nearest, "value"] = 0.18
    table.to_csv(path, index=False)
    changed = load(Files(results, report_files.inputs(results)), "giblet")
    text = " ".join(opening(changed).sentences)
    assert "Ridge does not beat the nearest training clip at predicting brain activity" in text
    assert "Ridge predicts held-out brain activity" in text


def test_truth_is_stated_against_what_was_planted(study):
    found = truth(study)
    cells = {row.label.split(",")[0]: (row.network, row.ridge) for row in found.rows}
    assert "108 of 216 voxels respond" in found.planted
    assert cells["r as a share of the planted ceiling"][0].startswith("0.78")
    assert cells["Voxels that respond to nothing called significant"][1].endswith(
        "of 324 (0.0\u00a0%)"
    )
    assert cells["Error of the response delay in seconds"][0] == "–"
    assert cells["Error of the response delay in seconds"][1].startswith("0.21")
    assert not found.nothing_planted


def test_false_discoveries_are_counted(study):
    voxels = study.voxels
    arrays = {who: dict(found) for who, found in voxels.of_subject.items()}
    first = next(iter(arrays.values()))
    first["q"] = first["q"].copy()
    first["q"][-3:] = 0.001
    first["q"][-4] = np.nan
    changed = dataclasses.replace(voxels, of_subject=arrays)
    row = truth(dataclasses.replace(study, voxels=changed)).rows[2]
    assert row.network.startswith("3 of 323")


@pytest.mark.parametrize(
    ("n", "of", "said"),
    [
        (6597, 6600, "over 99.9"),
        (6600, 6600, "100.0"),
        (0, 6600, "0.0"),
        (3, 6600, "under 0.1"),
        (141, 6600, "2.1"),
    ],
)
def test_nearly_all_is_not_called_all(n, of, said):
    assert percent(n, of) == f"{said}\u00a0%"


def test_real_study_has_no_truth(study):
    voxels = dataclasses.replace(study.voxels, responds=None)
    assert truth(dataclasses.replace(study, voxels=voxels)) is None


def test_one_subject_is_said_to_have_no_ceiling(tmp_path):
    study = studied(tmp_path, subjects=["sub-01"])
    assert "one subject" in summary.ceilings(study)["fmri"]
    table = score_tables.score_table(study, "fmri")
    assert table.columns[0] == "Ceiling"


def test_codec_ceiling_is_in_words(study):
    assert "STOI 0.740 [0.730, 0.750]" in summary.ceilings(study)["audio"]


def with_speech(study, shares):
    """The study with clips of these shares of speech (NaN: not known), speech from 0.5 on."""
    rows = {"run": "run-1", "tr_start": 8 * np.arange(len(shares)), "source": "model"}
    said = [str(share >= 0.5) for share in shares]
    table = pd.DataFrame({**rows, "subject": "", "speech": shares, "is_speech": said})
    tables = {**study.tables, "clips": pd.concat([table, table.assign(source="ceiling")])}
    return dataclasses.replace(study, tables=tables)


def test_clips_that_count_as_speech_are_counted(study):
    said = summary.speech(with_speech(study, [1.0, 0.6, 0.2, 0.0, 0.0]))
    assert said == "2 of 5 clips count as speech; measures of speech (STOI) are of those only."


def test_an_annotation_that_does_not_tell_of_speech_is_said_not_to(study):
    said = summary.speech(with_speech(study, [np.nan] * 4))
    assert said.startswith("None of 4 clips counts as speech, so there is no STOI. Of 4 clips")
    assert "stimulus/text/speech_column" in said
    assert "validate/audio/speech to always" in said


def test_without_clips_nothing_is_said_of_speech(study):
    assert summary.speech(dataclasses.replace(study, tables={})) == ""


def test_without_speech_the_table_says_why_there_is_no_stoi(tmp_path):
    folder = tmp_path / "demo"
    report_files.make_results(folder)
    path = folder / "validate/audio/metrics.csv"
    table = pd.read_csv(path)
    table.loc[table["metric"] == "stoi", ["value", "ci_low", "ci_high"]] = np.nan
    table.to_csv(path, index=False)
    study = load(Files(folder, report_files.inputs(folder)), "giblet")
    found = score_tables.score_table(study, "audio")
    assert "no clip that was scored counts as speech" in found.notes
    assert "STOI" not in summary.ceilings(study)["audio"]
    assert not any("worse" in words and "STOI" in words for words in summary.failures(study))


def test_score_table_has_the_four_columns_and_reasons(study):
    table = score_tables.score_table(study, "audio")
    assert [label for label, _ in table.groups] == [
        "Ceiling",
        "Model",
        "Linear baseline",
        "Floors",
        "Chance",
    ]
    stoi = next(row for row in table.rows if row["label"] == "STOI")
    cells = dict(zip(table.columns, stoi["cells"], strict=True))
    assert cells["Ceiling"].below == "[0.730, 0.750]"
    assert cells["From measured BOLD"].mark == "beats"
    assert cells["Ridge"].text == "–"
    assert table.notes[cells["Ridge"].note - 1].startswith("ridge rebuilds summaries only")


def test_subject_table_lists_every_subject(study):
    table = score_tables.subject_table(study.scores["fmri"], "fmri")
    assert {row[2][0] for row in table.rows} == set(report_files.SUBJECTS)


def test_examples_are_ranked_and_the_random_ones_repeat(study):
    first, again = (examples.sentences(study, 2, seed=3) for _ in range(2))
    ranks = {
        kind: [row.answers[0].rank_key for row in first.rows if row.kind == kind]
        for kind in ("best", "median", "worst")
    }
    assert max(ranks["best"]) <= min(ranks["median"]) <= max(ranks["median"]) <= min(ranks["worst"])
    assert first == again
    assert first.columns[0] == "From measured BOLD"


def test_charts_are_drawn_for_each_headline(study):
    assert len(figures.headline_charts(study, "fmri")) == 1
    assert len(figures.headline_charts(study, "audio")) == 3
    assert len(figures.loss_charts(study)) == 5
    assert len(figures.voxel_histograms(study)) == 2
    assert figures.region_chart(study) is not None
