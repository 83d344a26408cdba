"""Without the order of time there is nothing to learn, and nothing is learnt.

Whatever looks at more than it may (test TRs, the BOLD it predicts) still finds something when
the scans are out of order; whatever only follows the film finds nothing.
"""

import json
import shutil

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from giblet.train.baseline import train_baseline
from giblet.train.predict import predict_study
from tests.support.caches import edited
from tests.support.networks import train
from tests.support.regressor_files import make_regressors
from tests.support.study_files import TEST, make_study
from tests.unit.train.test_baseline import SEARCH, correlation

SETTINGS = {**SEARCH, "gap_s": 15, "n_alphas": 3, "shift_step_s": 2.0}


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """The same study in order and with each run's BOLD out of order, never across splits."""
    folder = tmp_path_factory.mktemp("shuffled")
    planted = make_study(folder / "study.h5", (150, 150), n_voxels=40, gap_trs=10, noise=0.6)
    regressors = make_regressors(planted, folder)
    shuffled = folder / "shuffled.h5"
    shutil.copy(planted.path, shuffled)
    rng = np.random.default_rng(1)
    with edited(shuffled) as study:
        for run in planted.runs:
            split = study[f"runs/{run}/split"][:]
            order = np.arange(len(split))
            for kind in np.unique(split):
                here = np.flatnonzero(split == kind)
                order[here] = rng.permutation(here)
            for subject in planted.subjects:
                bold = study[f"runs/{run}/bold/{subject}"]
                bold[:] = bold[:][order]
    return planted, regressors, {"in order": planted.path, "shuffled": shuffled}


def ridge(path, regressors, folder):
    train_baseline(folder / "baseline.h5", study=path, regressors=regressors, **SETTINGS)
    with h5py.File(folder / "baseline.h5") as file:
        return {name: file["bold"][name][:] for name in names(file["bold"])}


def network(path, regressors, folder):
    train(path, folder / "small", steps=10)
    found = dict(predict_study(path, folder / "small", window_trs=64))
    return {
        f"{subject}/{run}": values
        for name, values in found.items()
        if "/bold/model/" in name
        for run, _, _, subject in [name.split("/")]
    }


def names(group):
    return [f"{subject}/{run}" for subject in group for run in group[subject]]


def held_out_r(path, predicted, subject):
    """Correlation over the test TRs of all runs, per voxel."""
    x, y = [], []
    with h5py.File(path) as study:
        for run in json.loads(study.attrs["runs"]):
            test = study[f"runs/{run}/split"][:] == TEST
            y.append(study[f"runs/{run}/bold/{subject}"][:][test])
            values = predicted[f"{subject}/{run}"]
            x.append(values[test] if len(values) == len(test) else values)
    return correlation(np.concatenate(x).astype(float), np.concatenate(y).astype(float))


@pytest.mark.parametrize("model", [ridge, network], ids=["ridge", "network"])
def test_nothing_is_learnt_from_scans_out_of_order(studies, tmp_path, model):
    planted, regressors, paths = studies
    responds = planted.responds.any(axis=1)
    r = {}
    for kind, path in paths.items():
        folder = tmp_path / kind.replace(" ", "-")
        folder.mkdir()
        predicted = model(path, regressors, folder)
        found = [held_out_r(path, predicted, subject)[responds] for subject in planted.subjects]
        r[kind] = np.concatenate(found)
    n_test = 60
    assert np.median(r["in order"]) > 0.4
    # The spread of r without signal is about 1 / sqrt(n) once the order is gone.
    assert abs(np.median(r["shuffled"])) < 2 / np.sqrt(n_test)
    assert np.mean(r["shuffled"] > 0.4) < 0.02
