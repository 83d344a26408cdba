"""Snakemake's own report of a finished study holds what ours shows, with captions."""

import json
import re
import zipfile

import pytest

from tests.support.checkout import TINY

pytestmark = pytest.mark.workflow

# What is seen, heard and read in our page, below results/tiny/validate.
SHOWN = ("*/*.png", "*/*.wav", "*/*.mp4", "*/metrics.csv", "*/by_*.csv", "*/partition.csv",
         "text/retrieved.tsv", "report/index.html")  # fmt: skip


@pytest.fixture(scope="module")
def archive(sandbox):
    code, output = sandbox.snakemake("--report", "report.zip", *TINY)
    assert code == 0, output[-3000:]
    with zipfile.ZipFile(sandbox.folder / "report.zip") as opened:
        names = opened.namelist()
        page = opened.read("report/report.html").decode("utf-8")
    return names, page


def entries(page):
    """Files that Snakemake's report describes, each with its description."""
    decoder, found = json.JSONDecoder(), {}
    for match in re.finditer(r'"(results/tiny/[^"]+)": (?=\{"name")', page):
        found[match.group(1)], _ = decoder.raw_decode(page, match.end())
    return found


def test_it_holds_every_picture_sound_film_and_table_of_ours(sandbox, archive):
    names, page = archive
    folder = sandbox.folder / "results/tiny/validate"
    expected = {
        path.relative_to(sandbox.folder).as_posix()
        for pattern in SHOWN
        for path in folder.glob(pattern)
    }
    assert len(expected) >= 45
    assert expected <= set(entries(page))
    for name in expected:
        place = entries(page)[name]["data_uri"]
        assert f"report/{place}" in names, name


def test_every_item_has_a_caption_that_names_the_study(archive):
    for name, entry in entries(archive[1]).items():
        assert "<strong>tiny</strong>" in entry["caption"], name
        assert "{" not in entry["caption"], name


def test_our_page_lies_in_it_as_it_is(sandbox, archive):
    entry = entries(archive[1])["results/tiny/validate/report/index.html"]
    html = sandbox.folder / "results/tiny/validate/report/index.html"
    with zipfile.ZipFile(sandbox.folder / "report.zip") as opened:
        assert opened.read(f"report/{entry['data_uri']}") == html.read_bytes()
