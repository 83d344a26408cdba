"""Scores of single networks in the tables of their average."""

import numpy as np
import pandas as pd
import pytest

from giblet.validate.single import add_singles
from giblet.validate.table import COLUMNS, MetricTable


def write(path, r, ridge=0.4):
    """A table of two subjects, in which the network scores about `r`."""
    table = MetricTable("fmri", 10, 0)
    for subject, less in (("sub-01", 0.0), ("sub-02", 0.1)):
        table.add("r_mean", "r", "model", r - less, subject=subject, n=9)
        table.add("r_mean", "r", "ridge", ridge - less, subject=subject, n=9)
        table.add("r_mean", "r", "ceiling", np.nan, subject=subject, n=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write(path)
    return path


@pytest.fixture
def written(tmp_path):
    singles = [
        write(tmp_path / f"seeds/seed-{seed}/fmri/metrics.csv", r)
        for seed, r in ((3, 0.5), (7, 0.6), (8, 0.55))
    ]
    metrics = write(tmp_path / "fmri/metrics.csv", 0.7)
    before = metrics.read_text()
    add_singles(metrics, singles)
    return before, metrics


def test_each_network_and_their_mean_and_range(written):
    _, path = written
    table = pd.read_csv(path, keep_default_na=False).set_index("source")
    for seed, r in ((3, 0.45), (7, 0.55), (8, 0.5)):
        assert float(table.loc[f"model_seed-{seed}", "value"]) == pytest.approx(r)
    mean = table.loc["model_single"]
    assert [float(mean[c]) for c in ("value", "ci_low", "ci_high")] == pytest.approx(
        [0.5, 0.45, 0.55]
    )
    assert int(mean["n"]) == 3
    assert mean["subject"] == ""


def test_rows_of_the_average_stay_and_nothing_else_is_added(written):
    before, path = written
    after = path.read_text()
    assert after.startswith(before)
    table = pd.read_csv(path)
    assert list(table.columns) == COLUMNS
    added = table.iloc[before.count("\n") - 1 :]
    assert set(added["source"]) == {
        "model_seed-3", "model_seed-7", "model_seed-8", "model_single",
    }  # fmt: skip


def test_without_singles_the_table_is_not_touched(tmp_path):
    path = write(tmp_path / "metrics.csv", 0.7)
    before = path.read_bytes()
    add_singles(path, [])
    assert path.read_bytes() == before
