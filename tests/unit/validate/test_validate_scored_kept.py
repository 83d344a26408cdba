"""What is kept of single TRs makes the scores of metrics.csv, and is laid out as promised."""

import h5py
import numpy as np
import pandas as pd
import pytest

from giblet.resampling import percentile_interval
from giblet.store import reading
from giblet.validate.compare.items import statistic_of
from giblet.validate.predictions import SHARED
from giblet.validate.settings import Settings
from giblet.validate.testset import load_test_set
from giblet.validate.tr_series import ORIGINAL, series_r, stored_series
from tests.support.validate_files import make_validate_files
from tests.unit.validate.conftest import STATISTICS

SERIES = {"audio": "log_mel_r", "video": "motion_r"}


@pytest.fixture(scope="module")
def tests(inputs):
    with reading(inputs.study) as file:
        return load_test_set(file)


def metrics_of(folder):
    table = pd.read_csv(folder / "metrics.csv", keep_default_na=False)
    return table.set_index(["metric", "source", "subject"])


@pytest.mark.parametrize("modality", ["fmri", "video", "audio", "text"])
def test_trs_make_the_scores(scored, modality):
    expected = metrics_of(scored[modality])
    table = pd.read_csv(scored[modality] / "trs.tsv", sep="\t", keep_default_na=False)
    names = list(table.columns[4:])
    assert any(name.startswith("identification_all") for name in names)
    for (source, subject), part in table.groupby(["source", "subject"]):
        for name in names:
            values = pd.to_numeric(part[name], errors="coerce").dropna()
            row = expected.loc[(name, source, subject)]
            found = statistic_of(name)(values)
            assert found == pytest.approx(float(row["value"]), abs=1e-4, rel=1e-4)
            assert len(values) == row["n"]


def test_trs_are_the_test_trs_that_could_be_scored(scored, tests):
    table = pd.read_csv(scored["fmri"] / "trs.tsv", sep="\t")
    mine = table[(table["source"] == "model") & (table["subject"] == "sub-01")]
    assert mine["run"].tolist() == tests.run_name.tolist()
    assert mine["tr"].tolist() == tests.tr.tolist()
    said = pd.read_csv(scored["text"] / "trs.tsv", sep="\t").query("source == 'model'")
    assert 0 < len(said) < tests.n


@pytest.mark.parametrize("modality", SERIES)
def test_series_make_the_score_and_its_interval(scored, tests, modality):
    metric, expected = SERIES[modality], metrics_of(scored[modality])
    names = ("seed", "n_permutations", "n_bootstrap", "block_trs", "min_shift_s")
    settings = Settings(*(STATISTICS[name] for name in names), 0)
    with reading(scored[modality] / "series.h5", stage="validate") as file:
        ((_, _, true),) = stored_series(file, metric, ORIGINAL, tests)
        for source in set(file[metric]) - {ORIGINAL}:
            for subject, own, values in stored_series(file, metric, source, tests):
                shown = true[np.isin(tests.run_name, own.runs)]
                value, draws, n = series_r(shown, values, own, settings)
                row = expected.loc[(metric, source, subject)]
                found = [value, *percentile_interval(draws)]
                kept = row[["value", "ci_low", "ci_high"]].astype(float)
                np.testing.assert_allclose(found, kept, atol=1e-4)
                assert n == row["n"]


@pytest.mark.parametrize("modality", SERIES)
def test_series_are_laid_out_as_promised(scored, tmp_path, modality):
    promised = make_validate_files(tmp_path) / modality / "series.h5"
    with h5py.File(promised) as theirs, h5py.File(scored[modality] / "series.h5") as ours:
        assert list(ours) == list(theirs) == [SERIES[modality]]
        for source in (ORIGINAL, "model"):
            one, other = (file[f"{SERIES[modality]}/{source}/{SHARED}"] for file in (ours, theirs))
            assert list(one) == list(other)
            assert one["run-1"].dtype == other["run-1"].dtype
            assert one["run-1"].ndim == other["run-1"].ndim


def test_columns_that_do_not_vary_and_trs_without_value_do_not_count(tests):
    rng = np.random.default_rng(0)
    true, found = rng.normal(size=(2, tests.n, 4))
    settings = Settings(0, 10, 20, 8, 3, 3)
    expected = series_r(true, found, tests, settings)
    flat = np.c_[true, np.full(tests.n, 0.1)], np.c_[found, rng.normal(size=tests.n)]
    np.testing.assert_allclose(series_r(*flat, tests, settings)[0], expected[0])
    gap = true.copy()
    gap[3:6] = np.nan
    assert series_r(gap, found, tests, settings)[2] == tests.n - 3
    value, draws, n = series_r(0 * true, found, tests, settings)
    assert np.isnan(value)
    assert (len(draws), n) == (0, 0)
