"""Two runs side by side: what differs is found, what cannot be compared is refused by name."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from giblet.cli.main import main
from giblet.errors import ValidationError
from giblet.validate.compare.table import compare_runs
from giblet.validate.compare.words import as_json, as_text, signed
from tests.support.caches import edited
from tests.support.run_files import make_run, record


@pytest.fixture(scope="module")
def found(runs):
    return compare_runs(runs.good, runs.worse)


def row(found, metric, source, modality=None):
    (one,) = [
        r
        for r in found.rows
        if (r.metric, r.source) == (metric, source) and modality in (None, r.modality)
    ]
    return one


@pytest.mark.parametrize(
    ("modality", "metric", "source"),
    [
        ("fmri", "r_mean", "model"), ("fmri", "r_median", "model"),
        ("fmri", "r_normalised_median", "model"), ("fmri", "identification_all_pairwise", "model"),
        ("video", "psnr", "model"), ("video", "psnr", "from_bold"),
        ("video", "pixel_r", "from_bold"), ("video", "motion_r", "from_bold"),
        ("video", "identification_top1", "from_bold"),
        ("video", "identification_pairwise", "from_bold"),
        ("audio", "log_spectral_distance", "from_bold"), ("audio", "log_mel_r", "from_bold"),
        ("audio", "log_mel_r", "model"), ("audio", "identification_all_top1", "from_bold"),
        ("text", "retrieval_median_rank", "from_bold"), ("text", "retrieval_top5", "model"),
        ("text", "retrieval_far_top1", "from_bold"), ("text", "identification_rank", "from_bold"),
    ],
)  # fmt: skip
def test_a_noisier_network_is_worse_beyond_the_interval(found, modality, metric, source):
    one = row(found, metric, source, modality)
    assert one.verdict == "worse"
    assert one.interval[0] <= one.difference <= one.interval[1]


def test_what_no_network_made_is_the_same(found):
    for metric in ("psnr", "ssim"):
        ceiling = row(found, metric, "ceiling", "video")
        assert ceiling.same
        assert ceiling.interval == (0, 0)
    assert row(found, "ssim", "floor_nearest").same
    assert row(found, "r_mean", "chance").same


def test_values_are_those_of_the_tables(runs, found):
    for at, folder in (("one", runs.good), ("other", runs.worse)):
        table = pd.read_csv(folder / "validate/fmri/metrics.csv")
        pooled = table[table["subject"].isna()].set_index(["metric", "source"])["value"]
        for metric in ("r_mean", "share_significant", "identification_pairwise"):
            assert getattr(row(found, metric, "model", "fmri"), at) == pooled[metric, "model"]


def test_every_mean_median_and_correlation_of_the_network_has_an_interval(found):
    without = {r.metric for r in found.rows if r.source == "model" and r.reason}
    of_fmri = {"share_significant", "n_above_ceiling", "r_over_true_ceiling", "delay_abs_error_s"}
    of_fmri |= {"below_ridge", "clearly_below_ridge", "power"}
    of_fmri |= {"false_discovery_fraction", "n_false_discoveries"}
    assert {name for name in without if not name.endswith("_p")} <= of_fmri


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ("share_significant", "scores of single items are not kept"),
        ("identification_p", "a p has no interval"),
    ],
)
def test_score_without_items_has_no_interval_and_says_so(found, metric, reason):
    one = row(found, metric, "model", "fmri")
    assert one.verdict == ""
    assert one.reason == reason


@pytest.mark.parametrize(
    ("file", "modality", "metric"),
    [
        ("text/trs.tsv", "text", "identification_top1"),
        ("video/series.h5", "video", "motion_r"),
        ("audio/series.h5", "audio", "log_mel_r"),
    ],
)
def test_results_without_the_items_say_which_file_is_not_there(
    runs, tmp_path, file, modality, metric
):
    shutil.copytree(runs.good, tmp_path / "early")
    (tmp_path / "early/validate" / file).unlink()
    one = row(compare_runs(tmp_path / "early", runs.worse), metric, "model", modality)
    assert f"{file} is not there" in one.reason
    assert one.verdict == ""


def test_series_of_other_scores_or_trs_are_not_believed(runs, tmp_path):
    for name, change, reason in (
        ("noise", lambda v: v + np.random.default_rng(0).normal(size=v.shape), "do not add up"),
        ("fewer", lambda v: v[:-1], "not scored on the same test TRs"),
    ):
        shutil.copytree(runs.good, tmp_path / name)
        with edited(tmp_path / name / "validate/audio/series.h5") as file:
            runs_of_model = file["log_mel_r/model/shared"]
            changed = change(runs_of_model["run-1"][:])
            del runs_of_model["run-1"]
            runs_of_model["run-1"] = changed
        one = row(compare_runs(tmp_path / name, runs.worse), "log_mel_r", "model", "audio")
        assert reason in one.reason


def test_the_other_way_round_everything_changes_sign(runs, found):
    back = compare_runs(runs.worse, runs.good)
    for there, here in zip(back.rows, found.rows):
        assert (there.metric, there.source) == (here.metric, here.source)
        assert there.difference == -here.difference
        np.testing.assert_allclose(there.interval, [-end for end in here.interval[::-1]])


def test_networks_that_are_equally_good_rarely_differ(runs, tmp_path):
    """The same study, predictions of the same quality, other noise."""
    shutil.copytree(runs.good, tmp_path / "again")
    twin = make_run(tmp_path / "twin", seed=0, prediction_noise=0.5001)
    found = compare_runs(runs.good, twin)
    assert {r.source for r in found.judged} >= {"model"}
    brain = [r for r in found.judged if r.modality == "fmri"]
    assert all(abs(r.difference) < 0.01 for r in brain)
    assert compare_runs(runs.good, tmp_path / "again").judged == []
    assert "All scores are the same." in as_text(compare_runs(runs.good, tmp_path / "again"))


def test_changed_settings_are_listed(found):
    changed = {one.what: (one.one, one.other) for one in found.settings}
    assert changed == {"train/steps": ("40", "4"), "lens/x": ("–", "[1, 2]")}


def test_changed_code_and_a_lost_record_are_told(runs, tmp_path):
    shutil.copytree(runs.good, tmp_path / "other")
    record(tmp_path / "other", {"train": {"steps": 40}, "seed": 1}, code="def")
    assert compare_runs(runs.good, tmp_path / "other").code == ["validate_report"]
    shutil.rmtree(tmp_path / "other/validate/report")
    lost = compare_runs(runs.good, tmp_path / "other")
    assert lost.settings is None
    assert "left no record" in as_text(lost)


def test_without_predictions_the_brain_has_no_interval_and_says_why(runs, tmp_path):
    shutil.copytree(runs.good, tmp_path / "light")
    (tmp_path / "light/validate/predictions.h5").unlink()
    one = row(compare_runs(tmp_path / "light", runs.worse), "r_mean", "model")
    assert "predictions.h5 is not there" in one.reason
    assert one.difference < 0


def test_items_of_other_scores_are_not_believed(runs, tmp_path):
    shutil.copytree(runs.good, tmp_path / "edited")
    path = tmp_path / "edited/validate/video/trs.tsv"
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    table["psnr"] += 1
    table.to_csv(path, sep="\t", index=False)
    one = row(compare_runs(tmp_path / "edited", runs.worse), "psnr", "model")
    assert one.reason == "the kept scores of single items do not add up to this score"


def test_other_test_trs_give_no_intervals(runs, tmp_path):
    shutil.copytree(runs.good, tmp_path / "moved")
    path = tmp_path / "moved/align/splits.tsv"
    splits = pd.read_csv(path, sep="\t")
    splits.loc[splits.index[splits["split"] == "test"][:3], "split"] = "gap"
    splits.to_csv(path, sep="\t", index=False)
    found = compare_runs(tmp_path / "moved", runs.worse)
    assert found.judged == []
    assert "not scored on the same test TRs" in as_text(found)


@pytest.fixture(scope="module")
def other_film(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("other") / "film", n_trs=(120, 100), seed=3)


def test_runs_of_different_studies_are_refused_by_what_differs(runs, other_film):
    with pytest.raises(ValidationError, match="run-2 has 120 TRs and 100 TRs") as caught:
        compare_runs(runs.good, other_film)
    assert "--other-study" in str(caught.value)
    found = compare_runs(runs.good, other_film, allow_other_study=True)
    assert found.rows
    assert found.judged == []
    assert "run-2 has 120 TRs and 100 TRs" in as_text(found)


def test_another_film_of_the_same_length_is_another_study(runs, tmp_path):
    shutil.copytree(runs.good, tmp_path / "film")
    path = tmp_path / "film/stimulus/run-1/text.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    table.loc[3, "text"] = "Something else is said."
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(ValidationError, match="shown in run-1 differs in 1 of 120 TRs"):
        compare_runs(runs.good, tmp_path / "film")


def test_what_is_no_run_is_refused(runs, tmp_path):
    with pytest.raises(ValidationError, match="not the results folder of a finished study"):
        compare_runs(runs.good, tmp_path)
    with pytest.raises(ValidationError, match="given twice"):
        compare_runs(runs.good, runs.good)


def test_json_holds_every_score_and_no_nan(found):
    read = json.loads(as_json(found), parse_constant=pytest.fail)
    assert len(read["scores"]) == len(found.rows)
    assert {one["key"] for one in read["settings"]} == {"train/steps", "lens/x"}
    one = next(s for s in read["scores"] if s["metric"] == "psnr" and s["source"] == "model")
    assert (one["b_is"], one["beyond"]) == ("worse", True)
    assert one["ci_low"] <= one["difference"] <= one["ci_high"]


def test_command_prints_and_writes_a_page(runs, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["compare", str(runs.good), str(runs.worse), "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "train/steps: 40 -> 4" in printed
    assert "differences are beyond their 95 % interval" in printed
    html = page.read_text(encoding="utf-8")
    assert "A: good, B: worse" in html
    assert "B is worse" in html
    assert "http" not in html.replace("http-equiv", "")
    assert main(["compare", str(runs.good), str(tmp_path)]) == 1
    assert "giblet compare:" in capsys.readouterr().err


def test_a_name_with_a_script_is_shown_not_run(runs, tmp_path, capsys):
    folder = tmp_path / "<script>alert(1)<"
    shutil.copytree(runs.good, folder)
    page = tmp_path / "page.html"
    assert main(["compare", str(folder), str(runs.worse), "--html", str(page)]) == 0
    assert "<script>alert" not in page.read_text()
    assert "&lt;script&gt;alert" in page.read_text()


@pytest.mark.parametrize(("value", "text"), [(0.5, "+0.50"), (-0.5, "−0.50"), (0.001, "0.00")])
def test_differences_have_a_sign(value, text):
    assert signed(value, 2) == text
