"""Subjects that training does not see: nothing of theirs leaks, and the shared map serves them."""

import json
import shutil

import numpy as np
import pytest
import torch

from giblet.errors import TrainError
from giblet.train.build import load_network
from giblet.train.data import open_study
from giblet.train.predict import predict_study
from giblet.train.windows import Window
from tests.support.caches import edited
from tests.support.networks import train
from tests.support.study_files import make_study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unseen")
    planted = make_study(folder / "study.h5", (80, 80), n_subjects=3, n_voxels=40, noise=0.3)
    metrics = train(folder / "study.h5", folder / "net", steps=3, unseen_subjects=["sub-02"])
    return folder, planted, metrics


def test_every_weight_is_the_same_whatever_their_bold(made, tmp_path):
    folder, _, _ = made
    other = tmp_path / "study.h5"
    shutil.copy(folder / "study.h5", other)
    with edited(other) as file:
        for run in ("run-1", "run-2"):
            bold = file[f"runs/{run}/bold/sub-02"]
            bold[...] = np.random.default_rng(1).normal(size=bold.shape)
        file["stats/bold/sub-02/valid"][...] = False
    train(other, tmp_path / "net", steps=3, unseen_subjects=["sub-02"])
    ours, theirs = (load_network(path / "net") for path in (folder, tmp_path))
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name]), name


def test_network_has_no_part_of_theirs(made):
    folder, _, metrics = made
    kwargs = json.loads((folder / "net" / "model.json").read_text())
    assert kwargs["subjects"] == metrics["subjects"] == ["sub-01", "sub-03"]


def test_they_are_predicted_by_the_shared_map_and_the_others_by_their_own(made):
    folder, planted, _ = made
    predicted = dict(predict_study(folder / "study.h5", folder / "net"))
    with open_study(folder / "study.h5") as study:
        run = study.runs[0]
        measured = study.file["runs/run-1/bold/sub-02"][:][run.split == 2]
    new, known = (predicted[f"run-1/bold/model/{who}"] for who in ("sub-02", "sub-03"))
    assert not np.allclose(new, known, atol=1e-4)
    net = load_network(folder / "net")
    with open_study(folder / "study.h5") as study, torch.no_grad():
        window = Window(0, *np.flatnonzero(run.split == 2)[[0, -1]] + [0, 1])
        batch = study.batch(
            [window], length=window.stop - window.start, context=net.context_trs, follow=0,
            subjects=[], split=None,
        )  # fmt: skip
        shared = net.bold(net.drive(net.features(batch.stimulus)), len(new))[0]
    np.testing.assert_allclose(new, shared, rtol=1e-3, atol=1e-4)
    driven = planted.responds.any(1)
    r = [np.corrcoef(new[:, v], measured[:, v])[0, 1] for v in np.flatnonzero(driven)]
    assert np.nanmean(r) > 0.5
    assert "run-1/video/from_bold/sub-02" in predicted


def test_unknown_subject_is_named(made, tmp_path):
    folder, _, _ = made
    with pytest.raises(TrainError, match="has no subject 'sub-09' to leave out, it has sub-01"):
        train(folder / "study.h5", tmp_path / "net", unseen_subjects=["sub-09"])
