"""The whole page: self-contained, escaped, within its size, and stale with its templates."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pandas as pd
import pytest

from giblet.errors import ValidationError
from giblet.validate.report.page import build_report
from giblet.validate.report.provenance import checkout
from giblet.validate.report.templating import FOLDER, templates_digest
from tests.support import report_files
from tests.support.caches import edited

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


def test_all_media_are_in(outline, results):
    tags = [tag for tag, attrs in outline.elements if attrs.get("src")]
    made = {kind: list(results.glob(f"validate/*/*.{kind}")) for kind in ("wav", "mp4", "png")}
    # The page draws these two itself.
    drawn = [path for path in made["png"] if path.name == "subjects.png"]
    drawn += [path for path in made["png"] if path.parts[-2:] == ("fmri", "regions.png")]
    assert tags.count("audio") == len(made["wav"]) == 10
    assert tags.count("video") == len(made["mp4"]) >= 8
    assert tags.count("img") == len(made["png"]) - len(drawn) >= 33


def test_configuration_and_command_are_in(page):
    assert "snakemake validate --configfile study.yaml" in page
    assert "sample_rate_hz: 12000" in page


def test_checkout_is_named_by_its_commit(tmp_path):
    assert checkout(tmp_path) == ""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "file").write_text("1")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = checkout(tmp_path)
    assert re.fullmatch("[0-9a-f]{12}", commit)
    (tmp_path / "file").write_text("2")
    assert checkout(tmp_path) == f"{commit}-dirty"


def test_files_made_with_other_versions_are_named(copy):
    assert "Files made with other versions" not in build(copy)
    with edited(copy / "validate/fmri/voxels.h5") as file:
        file.attrs["versions"] = json.dumps({"numpy": "1.0.0"})
    assert "numpy 1.0.0: validate/fmri/voxels.h5" in build(copy)


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


def test_parcels_have_tables_and_no_volume(copy):
    with edited(copy / "validate/fmri/voxels.h5") as file:
        file.attrs["kind"] = "parcels"
    page = build(copy)
    assert "This study has parcels, which have no place in a volume" in page
    assert 'id="volume"' not in page
    assert "Mean r per region and subject" in page


def test_surfaces_triptychs_strips_and_regions_are_shown_when_they_were_made(copy):
    validate = copy / "validate"
    shutil.copy(validate / "fmri/glass_r.png", validate / "fmri/surface_r.png")
    shutil.copy(validate / "fmri/glass_r.png", validate / "fmri/sub-01_best.png")
    shutil.copy(validate / "fmri/glass_r.png", validate / "video/run-1_strip.png")
    shutil.copy(validate / "video/run-1_model.mp4", validate / "video/run-1_triptych.mp4")
    row = {
        "region": "seeing",
        "subject": "",
        "pairwise": 0.72,
        "ci_low": 0.6,
        "ci_high": 0.8,
        "n": 57,
        "p": 0.01,
        "q": 0.02,
        "top5": 0.2,
        "median_rank": 9.5,
        "n_voxels": 70,
    }
    pd.DataFrame([row]).to_csv(validate / "text/by_region.csv", index=False)
    said = {
        "region": "seeing",
        "subject": "sub-01",
        "run": "run-1",
        "tr": 3,
        "start_s": 4.5,
        "true_text": "<script>alert(2)</script>",
        "nearest_text": "A dog & a cat.",
        "rank": 4,
    }
    pd.DataFrame([said]).to_csv(validate / "text/region_sentences.tsv", sep="\t", index=False)
    page = build(copy)
    for words in (
        "Network: r on the cortical surface",
        "Best modality",
        "run-1 at a glance",
        "run-1: as shown, through the network and from measured BOLD",
        "What single regions say",
        "[0.600, 0.800]",
        "A dog &amp; a cat.",
    ):
        assert words in page, words
    assert "&lt;script&gt;alert(2)" in page
    assert "<script>alert" not in page


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


def test_what_was_said_of_the_inputs_is_on_the_page(results):
    said = ["words.tsv: 2 rows <lie> beyond the run: rows 3, 4", *(f"note {n}" for n in range(60))]
    text = build(results, notices=said)
    assert "61 things were left out or read with a guess" in text
    assert "2 rows &lt;lie&gt; beyond the run" in text
    assert "And 11 more, in the logs of the jobs." in text
    assert "left-out" not in build(results)
