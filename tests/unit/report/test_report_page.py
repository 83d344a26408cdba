"""The whole page: self-contained, escaped, within its size, and stale with its templates."""

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest

from giblet.errors import ValidationError
from giblet.validate.report.page import build_report
from giblet.validate.report.templating import FOLDER, templates_digest
from tests.support import report_files

VOID = {"meta", "link", "br", "img", "line", "circle", "polyline", "input", "hr"}


def build(results, **changes):
    """Write the report into a results folder and read it back."""
    html = results / "validate/report/index.html"
    build_report(
        html,
        report_files.inputs(results),
        settings_json=json.dumps(report_files.CONFIG),
        **{**report_files.SETTINGS, **changes},
    )
    return html.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(results):
    return build(results)


@pytest.fixture
def copy(results, tmp_path):
    """Results of its own for a test that changes them."""
    shutil.copytree(results, tmp_path / "demo", ignore=shutil.ignore_patterns("report"))
    return tmp_path / "demo"


class Outline(HTMLParser):
    """Collects elements and checks that they nest."""

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.problems = [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append((tag, self.getpos()))


@pytest.fixture(scope="module")
def outline(page):
    parser = Outline()
    parser.feed(page)
    return parser


def test_elements_nest(outline):
    assert outline.problems == []
    assert outline.open == []


def test_nothing_is_fetched(outline):
    for tag, attrs in outline.elements:
        for name in ("src", "href", "poster", "srcset", "action"):
            value = attrs.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value[:80])


def test_style_and_script_fetch_nothing(page):
    style = (FOLDER / "style.css").read_text()
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"https?://", re.sub(r"<pre.*?</pre>", "", page, flags=re.S))


def test_only_the_pages_own_script_may_run(page, outline):
    policy = next(a["content"] for t, a in outline.elements if a.get("http-equiv"))
    allowed = re.search(r"script-src '(sha256-[^']+)'", policy).group(1)
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert allowed == f"sha256-{digest}"


def test_caption_with_a_script_is_shown_not_run(page):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_every_picture_sound_and_film_has_words(outline):
    for tag, attrs in outline.elements:
        if tag == "img":
            assert attrs["alt"]
        if tag in ("audio", "video", "svg"):
            assert attrs["aria-label"]


def test_anchors_lead_somewhere(outline):
    ids = [attrs["id"] for _, attrs in outline.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [attrs["href"][1:] for tag, attrs in outline.elements if tag == "a"]
    assert set(targets) <= set(ids)


def test_all_media_are_in(outline):
    tags = [tag for tag, attrs in outline.elements if attrs.get("src")]
    assert (tags.count("audio"), tags.count("video")) == (10, 8)
    assert tags.count("img") == 8 + 9 + 12 + 2 + 2  # maps, subjects, frames, plots, spectrograms


def test_configuration_and_command_are_in(page):
    assert "snakemake validate --configfile study.yaml" in page
    assert "sample_rate_hz: 12000" in page


def test_too_little_room_leaves_media_out_by_name(copy):
    page = build(copy, max_mb=1.2)
    assert "run-2_from_predicted.mp4" in page
    assert "left out to keep the page small" in page
    assert len(page.encode()) <= 1_200_000


def test_page_that_cannot_fit_is_refused(copy):
    with pytest.raises(ValidationError, match=r"validate/report/max_mb allows 0\.1"):
        build(copy, max_mb=0.1)
    assert not (copy / "validate/report/index.html").exists()


def test_study_without_optional_parts(copy):
    for name in ("train/giblet/history.csv", "train/ridge/baseline.h5", "validate/fmri/by_run.csv"):
        (copy / name).unlink()
    for path in [*copy.glob("validate/**/*.png"), *copy.glob("validate/**/*.mp4")]:
        path.unlink()
    page = build(copy)
    assert "no training history" in page
    assert "– not run" in page
    assert "– frames_best_1.png: this file was not made" in page


def test_several_networks_stand_beside_their_average(page, copy):
    assert "Single networks beside their average" not in page
    path = copy / "validate/fmri/metrics.csv"
    table = pd.read_csv(path)
    row = table[(table["metric"] == "r_mean") & (table["source"] == "model")].iloc[-1:].copy()
    row[["source", "value", "ci_low", "ci_high", "n"]] = ["model_single", 0.123, 0.101, 0.145, 3]
    pd.concat([table, row]).to_csv(path, index=False)
    with_table = build(copy)
    assert "Single networks beside their average" in with_table
    assert "[0.101, 0.145]" in with_table


def test_undefined_scores_are_dashes_with_reasons(copy):
    for modality in report_files.LEVELS:
        path = copy / "validate" / modality / "metrics.csv"
        table = pd.read_csv(path)
        table[["value", "ci_low", "ci_high"]] = float("nan")
        table.to_csv(path, index=False)
    page = build(copy)
    assert "No question about the brain could be scored" in page
    assert "undefined on these data" in page
    assert ">nan<" not in page


def test_missing_metrics_table_is_an_error(copy):
    (copy / "validate/text/metrics.csv").unlink()
    with pytest.raises(ValidationError, match=r"text/metrics\.csv: no such file"):
        build(copy)


def test_same_inputs_give_the_same_page(page, copy):
    assert build(copy) == page


def test_digest_follows_the_templates(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "templates")
    assert templates_digest(tmp_path / "templates") == templates_digest()
    with (tmp_path / "templates/style.css").open("a") as style:
        style.write("p { color: red; }")
    assert templates_digest(tmp_path / "templates") != templates_digest()


@pytest.mark.parametrize("modalities", [["audio"], ["video", "text"], ["text"]])
def test_what_the_study_lacks_has_no_section_and_is_named(copy, modalities):
    names = {"video": "picture", "audio": "sound", "text": "words"}
    absent = [name for name in names if name not in modalities]
    for name in absent:
        shutil.rmtree(copy / "validate" / name)
    page = build(copy, modalities=modalities)
    assert f"<dt>Not in this study</dt><dd>{', '.join(names[m] for m in absent)}: neither" in page
    for name in names:
        assert (f'<section id="{name}"' in page) == (name in modalities)
        assert (f'href="#{name}"' in page) == (name in modalities)
    methods = page.partition('id="methods"')[2].partition("</section>")[0]
    assert ("Sound was mixed to one channel" in methods) == ("audio" in modalities)


def test_nothing_is_said_to_be_missing_from_a_whole_study(page):
    assert "Not in this study" not in page
    assert "Never seen in training" not in page


def test_subjects_that_training_never_saw_are_named_and_compared(copy):
    path = copy / "validate/fmri/metrics.csv"
    table = pd.read_csv(path)
    for who, value in (("sub-01", 0.8), ("sub-02", 0.6), ("sub-03", 0.35)):
        row = ["fmri", "r_normalised_median", "r", "model", "test", who, value, 0.1, 0.9, 60]
        table.loc[len(table)] = row
    table.to_csv(path, index=False)
    config = {**report_files.CONFIG, "train": {"unseen_subjects": ["sub-03"]}}
    html = copy / "validate/report/index.html"
    build_report(
        html,
        report_files.inputs(copy),
        settings_json=json.dumps(config),
        **report_files.SETTINGS,
    )
    page = html.read_text(encoding="utf-8")
    assert "<dt>Never seen in training</dt><dd>sub-03:" in page
    assert "Training never saw sub-03" in page
    assert "share of the ceiling is 0.350, that of the others 0.700 (ratio 0.50)" in page
