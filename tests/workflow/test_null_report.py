"""A study whose brains never answered: its report says so, first."""

import re

import pytest

from tests.support.checkout import TINY

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(sandbox):
    """The tiny study's report after its simulated scans were left without any signal."""
    settings = "simulate={bold: {signal: 0}}"
    code, output = sandbox.snakemake(*TINY, "--config", settings, warm=True)
    assert code == 0, output[-3000:]
    html = sandbox.folder / "results/tiny/validate/report/index.html"
    return html.read_text(encoding="utf-8")


def test_the_first_words_are_that_nothing_was_found(page):
    opening = page.partition('<div class="opening')[2].partition("</div>")[0]
    assert "<h2>Nothing was found</h2>" in opening
    assert "No score about the brain beats chance" in opening
    assert "finding nothing is the right answer" in opening
    assert page.index("Nothing was found") < page.index("What was asked of the brain")


def test_no_question_about_the_brain_is_answered_yes(page):
    answers = re.findall(r'<b class="answer (\w+)">', page)
    assert answers
    assert set(answers) == {"no"}


def test_the_truth_is_that_nothing_responds(page):
    assert "0 of 1,102 voxels respond" in page
