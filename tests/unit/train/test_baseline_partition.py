"""The linear baseline on parts of its bands: what each explains, by the whole's rules."""

import json
from itertools import combinations

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from giblet.errors import TrainError
from giblet.train.baseline import train_baseline
from giblet.train.baseline_partition import (
    partition_baseline,
    proper_subsets,
    subset_weightings,
)
from giblet.train.baseline_ridge import band_weights
from tests.support.caches import edited
from tests.support.regressor_files import make_regressors
from tests.support.study_files import TEST, make_study
from tests.unit.train.test_baseline import SEARCH, correlation

SHARED = (
    *("tr_s", "seed", "gap_s", "n_weightings", "n_alphas", "min_log10_alpha"),
    *("max_log10_alpha", "n_folds", "batch_voxels"),
)
BANDS = ("video", "audio", "text")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("partition")
    planted = make_study(
        folder / "study.h5",
        (220, 220),
        n_voxels=60,
        gap_trs=20,
        noise=0.7,
        delay_shift_s=(-1.0, 0.0, 1.0),
        missing=[("sub-02", "run-2")],
    )
    regressors = make_regressors(planted, folder)
    train_baseline(folder / "baseline.h5", study=planted.path, regressors=regressors, **SEARCH)
    parts(folder, planted, regressors)
    return folder, planted, regressors


def parts(folder, planted, regressors, name="partition.h5"):
    settings = {key: SEARCH[key] for key in SHARED}
    partition_baseline(
        folder / name,
        study=planted.path,
        regressors=regressors,
        baseline=folder / "baseline.h5",
        **settings,
    )


def test_subsets_are_all_but_none_and_the_whole():
    assert proper_subsets(3) == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    assert proper_subsets(1) == []


def test_weightings_of_a_subset_are_those_of_the_whole_without_the_others():
    whole = band_weights(3, 7, 0)
    np.testing.assert_array_equal(subset_weightings(whole, (1,)), [[1]])
    np.testing.assert_array_equal(subset_weightings(whole, (0, 2)), [[0, 1], [0.5, 0.5], [1, 0]])
    drawn = subset_weightings(band_weights(3, 20, 0), (0, 1))
    np.testing.assert_allclose(drawn.sum(1), 1, atol=1e-5)


def test_voxels_are_predicted_best_with_their_own_band(fitted):
    folder, planted, _ = fitted
    found = {}
    with h5py.File(planted.path) as study, h5py.File(folder / "partition.h5") as file:
        assert json.loads(file.attrs["bands"]) == list(BANDS)
        for subset in (s for size in (1, 2) for s in combinations(BANDS, size)):
            predicted, truth = [], []
            for run in planted.runs:
                test = study[f"runs/{run}/split"][:] == TEST
                truth.append(study[f"runs/{run}/bold/sub-01"][:][test])
                predicted.append(file[f"bold/{'_'.join(subset)}/sub-01/{run}"][:])
                assert predicted[-1].shape == truth[-1].shape
            r = correlation(np.concatenate(predicted).astype(float), np.concatenate(truth))
            found[subset] = [np.median(r[planted.responds[:, place]]) for place in range(3)]
    for place, name in enumerate(BANDS):
        # The planted modalities share their scenes, so one tells much of another.
        others = [band for band in BANDS if band != name]
        assert found[(name,)][place] > 0.45
        assert found[(name,)][place] > max(found[(other,)][place] for other in others)
        for other in others:
            pair = tuple(band for band in BANDS if band in (name, other))
            assert found[pair][place] > found[tuple(others)][place]


def test_nothing_outside_train_is_looked_at(fitted, tmp_path):
    folder, planted, regressors = fitted
    with edited(planted.path) as study:
        before = study["runs/run-1/bold/sub-01"][:]
        test = study["runs/run-1/split"][:] == TEST
        changed = before.copy()
        changed[test] = 100
        study["runs/run-1/bold/sub-01"][:] = changed
    try:
        parts(folder, planted, regressors, "again.h5")
    finally:
        with edited(planted.path) as study:
            study["runs/run-1/bold/sub-01"][:] = before
    with h5py.File(folder / "partition.h5") as one, h5py.File(folder / "again.h5") as two:
        for name in ("video", "audio_text"):
            where = f"bold/{name}/sub-01/run-2"
            np.testing.assert_array_equal(one[where][:], two[where][:])


def test_a_baseline_with_other_bands_is_refused(fitted, tmp_path):
    folder, planted, regressors = fitted
    with edited(folder / "baseline.h5") as file:
        bands = file.attrs["bands"]
        file.attrs["bands"] = json.dumps(["video"])
    try:
        with pytest.raises(TrainError, match="fitted on video, the regressors vary in"):
            parts(folder, planted, regressors, "refused.h5")
    finally:
        with edited(folder / "baseline.h5") as file:
            file.attrs["bands"] = bands
    assert not (folder / "refused.h5").exists()
