"""Encoding scores of a study whose answers are known, and of one without any."""

import json
import shutil
from dataclasses import replace

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest

from giblet.errors import ValidationError
from giblet.store import reading
from giblet.validate.fmri import score_fmri
from giblet.validate.fmri_maps import write_maps
from giblet.validate.fmri_tables import regions
from tests.support.caches import edited
from tests.support.validate_inputs import make_inputs


def score(inputs, folder, statistics, *, truth=True, **changed):
    folder.mkdir(parents=True, exist_ok=True)
    paths = {
        "metrics": folder / "metrics.csv",
        "trs": folder / "trs.tsv",
        "voxels": folder / "voxels.h5",
        "region_table": folder / "by_region.csv",
        "run_table": folder / "by_run.csv",
        "partition_table": folder / "partition.csv",
    }
    options = {"fdr_q": 0.05, "min_ceiling": 0.1, **statistics, **changed}
    score_fmri(
        inputs.study,
        inputs.predictions,
        inputs.baseline,
        inputs.ceiling,
        inputs.partition,
        inputs.regressors,
        [inputs.truth] if truth else [],
        **paths,
        **options,
    )
    return paths


def value(table, metric, source, subject=None):
    rows = table[(table["metric"] == metric) & (table["source"] == source)]
    rows = rows[rows["subject"].isna() if subject is None else rows["subject"] == subject]
    assert len(rows) == 1, (metric, source, subject)
    return rows.iloc[0]["value"]


@pytest.fixture(scope="module")
def scored(inputs, tmp_path_factory):
    from tests.unit.validate.conftest import STATISTICS

    paths = score(inputs, tmp_path_factory.mktemp("fmri"), STATISTICS)
    return {**paths, "table": pd.read_csv(paths["metrics"])}


def test_r_is_the_plain_correlation_within_test_blocks(inputs, scored):
    with reading(inputs.study) as study, reading(inputs.predictions) as predicted:
        measured, guessed = [], []
        for run in inputs.planted.runs:
            trs = predicted[f"runs/{run}/test_trs"][:]
            y = study[f"runs/{run}/bold/sub-01"][:][trs]
            x = predicted[f"runs/{run}/bold/model/sub-01"][:]
            measured.append(y - y.mean(0))
            guessed.append(x - x.mean(0))
        y, x = np.concatenate(measured), np.concatenate(guessed)
    expected = [np.corrcoef(x[:, k], y[:, k])[0, 1] for k in range(y.shape[1])]
    with reading(scored["voxels"], stage="validate") as file:
        np.testing.assert_allclose(file["sub-01/r"][:], expected, atol=1e-5)
        np.testing.assert_allclose(
            value(scored["table"], "r_mean", "model", "sub-01"), np.mean(expected), rtol=1e-4
        )


def test_planted_answers_are_recovered(scored):
    table = scored["table"]
    assert value(table, "power", "model") > 0.9
    assert value(table, "false_discovery_fraction", "model") <= 0.1
    # Predictions carry noise of half the response's spread: r / ceiling = 1 / sqrt(1.25).
    assert value(table, "r_over_true_ceiling", "model") == pytest.approx(0.894, abs=0.06)
    with reading(scored["voxels"], stage="validate") as file:
        responds = file["truth/responds"][:].any(-1)
        below = (file["sub-01/r"][:] < file["sub-01/r_ridge"][:])[responds].mean()
    assert value(table, "below_ridge", "model", "sub-01") == pytest.approx(below)
    assert value(table, "clearly_below_ridge", "model") <= value(table, "below_ridge", "model")
    assert value(table, "delay_abs_error_s", "ridge") == pytest.approx(0.25, abs=1e-3)
    assert value(table, "delay_abs_error_s", "model") == pytest.approx(0.1, abs=1e-3)
    assert value(table, "identification_pairwise", "model") > 0.9
    assert value(table, "identification_p", "model") <= 0.02
    assert value(table, "r_mean", "ceiling") > value(table, "r_mean", "model")
    row = table.query("metric == 'r_mean' and source == 'ceiling' and subject == 'sub-01'")
    around = row[["ci_low", "ci_high"]].to_numpy() - row[["value"]].to_numpy()
    np.testing.assert_allclose(around, [[-0.095, 0.095]], atol=1e-3)


def test_floors_and_chance_stand_where_they_should(scored):
    table = scored["table"]
    assert value(table, "r_mean", "floor_mean") == 0
    assert value(table, "share_significant", "floor_mean") == 0
    assert value(table, "identification_pairwise", "floor_mean") == pytest.approx(0.5)
    assert value(table, "identification_pairwise", "chance") == 0.5
    assert abs(value(table, "r_mean", "floor_shifted")) < 0.25
    assert value(table, "r_mean", "floor_nearest") < value(table, "r_mean", "model")
    assert value(table, "r_mean", "floor_nearest") > 0.1


def test_every_metric_has_a_row_for_each_subject_and_one_for_all(scored):
    table = scored["table"]
    assert (table["split"] == "test").all()
    for _, rows in table.groupby(["metric", "source"]):
        assert sorted(rows["subject"].fillna("")) == ["", "sub-01", "sub-02"]


def test_subject_with_a_missing_run_is_scored_on_the_other(inputs, scored):
    runs = pd.read_csv(scored["run_table"])
    assert set(runs.loc[runs["subject"] == "sub-02", "run"]) == {"run-1"}
    assert set(runs.loc[runs["subject"] == "sub-01", "run"]) == set(inputs.planted.runs)


def test_regions_are_those_of_the_truth(scored):
    regions = pd.read_csv(scored["region_table"])
    assert set(regions["region"]) == {"picture", "sound", "words", "nothing"}
    model = regions[regions["source"] == "model"].groupby("region")["value"].mean()
    assert model["nothing"] < 0.15 < 0.5 < model.drop("nothing").min()
    inside = regions.dropna()
    assert (inside["ci_low"] <= inside["ci_high"]).all()


def test_every_region_has_intervals_and_a_row_over_subjects(scored):
    rows = pd.read_csv(scored["region_table"])
    assert rows[["ci_low", "ci_high"]].notna().all(axis=None)
    ceiling = rows[rows["source"] == "ceiling"]
    for end, by in (("ci_low", -0.095), ("ci_high", 0.095)):
        np.testing.assert_allclose(ceiling[end] - ceiling["value"], by, atol=1e-3)
    own, pooled = rows[rows["subject"].notna()], rows[rows["subject"].isna()]
    assert len(pooled) == len(own) / 2
    mean = own.groupby(["region", "source"])["value"].mean()
    found = pooled.set_index(["region", "source"])["value"]
    np.testing.assert_allclose(found.reindex(mean.index), mean, atol=1e-5)


def test_regions_of_a_real_study_are_its_atlas_parcels_or_the_whole(tmp_path):
    with h5py.File(tmp_path / "study.h5", "w") as file:
        file["geometry/ijk"] = np.zeros((3, 3), np.int32)
        assert regions(file, None)["all"].tolist() == [True] * 3
        file["geometry/region"] = np.array([0, 2, 2], np.int32)
        file["geometry"].attrs["region_names"] = '{"2": "V1"}'
        assert {k: v.tolist() for k, v in regions(file, None).items()} == {
            "V1": [False, True, True]
        }
    with h5py.File(tmp_path / "parcels.h5", "w") as file:
        file["geometry/labels"] = ["left", "right"]
        assert regions(file, None)["right"].tolist() == [False, True]


def test_normalised_r_above_one_is_kept_flagged_and_counted(scored):
    with reading(scored["voxels"]) as file:
        for subject in ("sub-01", "sub-02"):
            r, ceiling = file[f"{subject}/r"][:], file[f"{subject}/ceiling"][:]
            normalised = file[f"{subject}/r_normalised"][:]
            usable = ceiling >= 0.1
            np.testing.assert_allclose(normalised[usable], r[usable] / ceiling[usable], rtol=1e-5)
            assert np.isnan(normalised[~usable]).all()
            above = file[f"{subject}/above_ceiling"][:]
            np.testing.assert_array_equal(above, np.nan_to_num(normalised) > 1)
            counted = value(scored["table"], "n_above_ceiling", "model", subject)
            assert counted == above.sum()


def test_maps_go_to_nifti_and_back_exactly(inputs, scored, tmp_path):
    write_maps(scored["voxels"], tmp_path)
    with reading(scored["voxels"]) as file, reading(inputs.study) as study:
        outsides = {"r": 0, "r_normalised": 0, "q": 1, "delay_s": np.nan, "delay_model_s": np.nan}
        for name, outside in outsides.items():
            image = nibabel.load(tmp_path / f"sub-01_{name}.nii.gz")
            np.testing.assert_array_equal(image.affine, study["geometry/affine"][:])
            assert image.shape == tuple(study.attrs["grid_shape"])
            volume = np.asarray(image.dataobj)
            i, j, k = file["ijk"][:].T
            np.testing.assert_array_equal(volume[i, j, k], file[f"sub-01/{name}"][:])
            volume[i, j, k] = outside
            np.testing.assert_array_equal(volume, np.float32(outside))


def test_parcels_become_a_row_of_voxels(scored, tmp_path):
    shutil.copy(scored["voxels"], tmp_path / "voxels.h5")
    with edited(tmp_path / "voxels.h5") as file:
        file.attrs["kind"] = "parcels"
        expected = file["sub-02/r"][:]
    write_maps(tmp_path / "voxels.h5", tmp_path)
    image = nibabel.load(tmp_path / "sub-02_r.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj).ravel(), expected)


def test_real_study_has_no_truth_rows(inputs, statistics, tmp_path):
    paths = score(inputs, tmp_path, statistics, truth=False)
    table = pd.read_csv(paths["metrics"])
    assert not table["metric"].isin(["power", "false_discovery_fraction"]).any()
    assert set(pd.read_csv(paths["region_table"])["region"]) == {"all"}
    with reading(paths["voxels"]) as file:
        assert "truth" not in file
        assert json.loads(file.attrs["subjects"]) == ["sub-01", "sub-02"]


def test_unknown_ceiling_leaves_normalised_r_empty(inputs, statistics, tmp_path):
    shutil.copy(inputs.ceiling, tmp_path / "ceiling.h5")
    with edited(tmp_path / "ceiling.h5") as file:
        file["ceiling/sub-01"][:] = np.nan
        del file["ceiling/sub-02"]
    alone = replace(inputs, ceiling=tmp_path / "ceiling.h5")
    table = pd.read_csv(score(alone, tmp_path / "out", statistics)["metrics"])
    rows = table[table["metric"] == "r_normalised_median"]
    assert rows["value"].isna().all()
    assert not ((table["metric"] == "r_mean") & (table["source"] == "ceiling")).any()


def test_null_studies_find_nothing(statistics, tmp_path):
    anything = 0
    for seed in range(6):
        null = make_inputs(
            tmp_path / str(seed), n_trs=(100, 100), n_voxels=60, signal=False, seed=seed
        )
        table = pd.read_csv(score(null, tmp_path / str(seed) / "out", statistics)["metrics"])
        found = value(table, "share_significant", "model")
        anything += found > 0
        assert value(table, "identification_p", "model", "sub-01") > 0.005
    assert anything <= 2


def test_same_seed_same_tables(inputs, statistics, scored, tmp_path):
    again = score(inputs, tmp_path, statistics)
    for name in ("metrics", "region_table", "run_table"):
        assert again[name].read_bytes() == scored[name].read_bytes()


def test_truth_on_another_grid_is_refused(inputs, statistics, tmp_path):
    shutil.copy(inputs.truth, tmp_path / "truth.h5")
    with edited(tmp_path / "truth.h5") as file:
        file["affine"][:] = np.diag([8.0, 8, 8, 1])
    other = replace(inputs, truth=tmp_path / "truth.h5")
    with pytest.raises(ValidationError, match=r"voxels of 8 x 8 x 8 mm.*study 12 x 12 x 12 mm"):
        score(other, tmp_path / "out", statistics)


def test_truth_of_a_smaller_mask_counts_the_rest_as_silent(inputs):
    from giblet.validate.truth import load_truth

    with reading(inputs.study) as study:
        whole = load_truth(inputs.truth, study, ("sub-01",))
        path = inputs.folder / "smaller.h5"
        shutil.copy(inputs.truth, path)
        with edited(path) as file:
            keep = np.arange(len(file["ijk"]))[::-1][:50]
            for name in ("ijk", "responds", "delay_s", "ceiling", "region"):
                values = file[name][:][keep]
                del file[name]
                file[name] = values
        part = load_truth(path, study, ("sub-01",))
    np.testing.assert_array_equal(part.responds[-50:], whole.responds[-50:])
    assert not part.responds[:-50].any()
    assert (part.region[:-50] == -1).all()


def test_not_finite_bold_is_refused(inputs, statistics, tmp_path):
    shutil.copy(inputs.study, tmp_path / "study.h5")
    with edited(tmp_path / "study.h5") as file:
        file["runs/run-1/bold/sub-01"][-1, 3] = np.nan
    bad = replace(inputs, study=tmp_path / "study.h5")
    with pytest.raises(ValidationError, match="test BOLD of sub-01 holds values that are not"):
        score(bad, tmp_path / "out", statistics)


def test_study_without_test_trs_is_refused(inputs, statistics, tmp_path):
    shutil.copy(inputs.study, tmp_path / "study.h5")
    with edited(tmp_path / "study.h5") as file:
        for run in file["runs"].values():
            run["split"][:] = 0
    bad = replace(inputs, study=tmp_path / "study.h5")
    with pytest.raises(ValidationError, match=r"no TR is marked test.*runs table.*align"):
        score(bad, tmp_path / "out", statistics)


def test_baseline_of_another_length_is_refused(inputs, statistics, tmp_path):
    shutil.copy(inputs.baseline, tmp_path / "baseline.h5")
    with edited(tmp_path / "baseline.h5") as file:
        values = file["bold/sub-01/run-1"][:-3]
        del file["bold/sub-01/run-1"]
        file["bold/sub-01/run-1"] = values
    bad = replace(inputs, baseline=tmp_path / "baseline.h5")
    with pytest.raises(ValidationError, match=r"has 117 TRs, the study has 120 for run run-1"):
        score(bad, tmp_path / "out", statistics)


def test_network_of_another_mask_is_refused(inputs, statistics, tmp_path):
    shutil.copy(inputs.predictions, tmp_path / "predictions.h5")
    with edited(tmp_path / "predictions.h5") as file:
        for run in inputs.planted.runs:
            values = file[f"runs/{run}/bold/model/sub-01"][:, :70]
            del file[f"runs/{run}/bold/model/sub-01"]
            file[f"runs/{run}/bold/model/sub-01"] = values
    bad = replace(inputs, predictions=tmp_path / "predictions.h5")
    with pytest.raises(ValidationError, match=r"predicts 70 voxels for sub-01, the study has 80"):
        score(bad, tmp_path / "out", statistics)
