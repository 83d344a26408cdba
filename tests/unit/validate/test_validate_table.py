"""The long table: columns, intervals and the rows over all subjects."""

import numpy as np
import pandas as pd
import pytest

from giblet.errors import ValidationError
from giblet.validate.table import COLUMNS, MetricTable, write_table


@pytest.fixture
def table():
    return MetricTable("fmri", 100, 0)


def pooled(table, metric):
    rows = table.frame()
    rows = rows[(rows["subject"] == "") & (rows["metric"] == metric)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_columns_are_those_of_the_architecture(table, tmp_path):
    table.add("r_mean", "r", "model", 0.5, subject="sub-01", interval=(0.4, 0.6), n=7)
    table.write(tmp_path / "metrics.csv")
    back = pd.read_csv(tmp_path / "metrics.csv")
    assert list(back.columns) == COLUMNS
    assert back.loc[0, ["modality", "split", "value", "ci_low", "n"]].tolist() == [
        "fmri",
        "test",
        0.5,
        0.4,
        7,
    ]


def test_row_over_subjects_is_their_mean_and_unknown_ones_do_not_count(table):
    for subject, value in (("a", 0.2), ("b", 0.6), ("c", np.nan)):
        table.add("r_mean", "r", "model", value, subject=subject, n=10)
    row = pooled(table, "r_mean")
    assert row["value"] == pytest.approx(0.4)
    assert np.isnan(row["ci_low"])


def test_interval_over_subjects_is_that_of_their_mean(table):
    # Ten blocks of one item: what one subject has more of, the other has less of.
    rng = np.random.default_rng(0)
    x, block = rng.normal(size=10), np.arange(10)
    alike, against = MetricTable("video", 500, 0), MetricTable("video", 500, 0)
    for subject, one, other in (("a", x, x), ("b", x, -x)):
        alike.add_items("ssim", "1", "ridge", one, block, subject=subject)
        against.add_items("ssim", "1", "ridge", other, block, subject=subject)
    own = alike.frame().iloc[0]
    assert pooled(alike, "ssim")[["ci_low", "ci_high"]].tolist() == pytest.approx(
        own[["ci_low", "ci_high"]].tolist()
    )
    assert pooled(against, "ssim")[["ci_low", "ci_high"]].tolist() == pytest.approx([0, 0])


def test_interval_over_subjects_from_draws_is_that_of_their_mean(table):
    draws = np.random.default_rng(0).normal(size=1000)
    # The second subject has none of the blocks of the first ten draws.
    other = np.where(np.arange(1000) < 10, np.nan, -draws)
    for subject, one in (("a", draws), ("b", other)):
        table.add("r_mean", "r", "model", 0.0, subject=subject, draws=one)
    mean = np.where(np.arange(1000) < 10, draws, 0)
    expected = np.percentile(mean, [2.5, 97.5])
    assert pooled(table, "r_mean")[["ci_low", "ci_high"]].tolist() == pytest.approx(list(expected))


def test_p_values_counts_and_false_discoveries_are_pooled_by_their_own_rules(table):
    for subject, p, count, fraction in (("a", 0.01, 3, 0.1), ("b", 0.03, 5, 0.0)):
        table.add("identification_p", "p", "model", p, subject=subject)
        table.add("n_above_ceiling", "voxels", "model", count, subject=subject)
        table.add("false_discovery_fraction", "share", "model", fraction, subject=subject, n=count)
    assert pooled(table, "identification_p")["value"] == pytest.approx(0.04)
    assert pooled(table, "n_above_ceiling")["value"] == 8
    assert pooled(table, "false_discovery_fraction")["value"] == pytest.approx(0.3 / 8)


def test_a_source_of_no_subject_gets_no_second_row(table):
    table.add("ssim", "1", "model", 0.5)
    table.add("ssim", "1", "from_bold", 0.3, subject="a")
    rows = table.frame()
    assert sorted(rows[rows["subject"] == ""]["source"]) == ["from_bold", "model"]
    assert len(rows) == 3


def test_items_that_could_not_be_scored_do_not_count(table):
    table.add_items("stoi", "1", "model", np.array([0.5, np.nan, 0.7]), np.arange(3))
    row = table.frame().iloc[0]
    assert row["value"] == pytest.approx(0.6)
    assert row["n"] == 2
    assert row["ci_low"] <= 0.6 <= row["ci_high"]


def test_unknown_source_is_refused(table):
    with pytest.raises(ValidationError, match=r"'guess' is not one of ceiling, model"):
        table.add("r_mean", "r", "guess", 0.1)


def test_tsv_keeps_quotes_and_tabs(tmp_path):
    text = 'He said "run"\tand <b>ran</b>'
    write_table(tmp_path / "t.tsv", [{"text": text, "n": 1}])
    assert pd.read_csv(tmp_path / "t.tsv", sep="\t").loc[0, "text"] == text
