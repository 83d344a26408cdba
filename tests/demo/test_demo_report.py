"""What the demo's report says of the planted truth (run after `make demo`)."""

import re
from html import unescape

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def page(results):
    return (results / "validate/report/index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def opening(page):
    words = page.partition('<div class="opening found">')[2].partition("</div>")[0]
    return unescape(re.sub(r"<[^>]+>", " ", words)).replace("\u00a0", " ")


def test_the_first_words_say_what_was_found(opening):
    assert "What was found" in opening
    assert "The network predicts held-out brain activity from the film" in opening


def test_they_state_how_much_of_the_truth_was_recovered(results, opening):
    table = pd.read_csv(results / "validate/fmri/metrics.csv")
    model = table[table["subject"].isna() & (table["source"] == "model")]
    value = model.set_index("metric")["value"]
    said = re.search(
        r"finds (?:over )?([\d.]+) % of the voxels that respond, ([\d.]+) % of its finds are "
        r"false, and its r is (\d+) % of the planted ceiling",
        opening,
    )
    power, false, share = (float(part) for part in said.groups())
    assert power == pytest.approx(100 * value["power"], abs=0.1)
    assert false == pytest.approx(100 * value["false_discovery_fraction"], abs=0.1)
    assert share == pytest.approx(100 * value["r_over_true_ceiling"], abs=0.51)


def test_every_setting_and_work_stands_in_the_methods(page):
    methods = page.partition('<section id="methods"')[2].partition("</section>")[0]
    assert "{" not in methods.partition("<pre")[0]
    for part in ("AdamW", "circular shifts", "Mölder et al., 2021", "@article{kunsch1989"):
        assert part in methods
