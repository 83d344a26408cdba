"""What the demo study must find of its planted truth (run after `make demo`)."""

from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def results(request):
    folder = request.config.getoption("--demo-results")
    if folder is None:
        pytest.skip("needs a finished demo: make demo, then pytest --demo-results results/demo")
    return Path(folder)


@pytest.fixture(scope="module")
def fmri(results):
    table = pd.read_csv(results / "validate" / "fmri" / "metrics.csv")
    pooled = table[table["subject"].isna()]
    return pooled.set_index(["metric", "source"])["value"]


def test_ridge_reaches_seven_tenths_of_the_ceiling(fmri):
    assert fmri["r_over_true_ceiling", "ridge"] >= 0.7


def test_network_stands_beside_it(fmri):
    assert fmri["r_over_true_ceiling", "model"] > 0


@pytest.mark.parametrize("source", ["model", "ridge"])
def test_false_discoveries_among_null_voxels_stay_below_the_rate_asked_for(fmri, source):
    assert fmri["false_discovery_fraction", source] <= 0.05


def test_planted_delay_is_recovered(fmri):
    assert fmri["delay_abs_error_s", "ridge"] <= 0.5


def test_report_is_one_file_of_bearable_size(results):
    report = results / "validate" / "report" / "index.html"
    assert 20_000 < report.stat().st_size < 25e6
