"""Predictions for whole runs: stitched from windows, and fit for the validate stage."""

import json
import shutil

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
import torch

from giblet.brain.drift import Drift
from giblet.errors import StoreError, TrainError
from giblet.train.build import load_network
from giblet.train.data import open_study
from giblet.train.predict import predict_study
from giblet.train.windows import Window
from tests.support.caches import edited
from tests.support.networks import train
from tests.support.study_files import make_study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    planted = make_study(
        folder / "study.h5", (80, 80), n_voxels=40, gap_trs=10, missing=[("sub-02", "run-2")]
    )
    train(folder / "study.h5", folder / "small", steps=3)
    return folder, planted


@pytest.fixture(scope="module")
def predicted(made):
    folder, _ = made
    return dict(predict_study(folder / "study.h5", folder / "small", window_trs=64))


def test_names_shapes_and_types(made, predicted):
    folder, _ = made
    with h5py.File(folder / "study.h5") as file:
        for run, subjects in (("run-1", ["sub-01", "sub-02"]), ("run-2", ["sub-01"])):
            group = file[f"runs/{run}"]
            test = group["split"][:] == 2
            n = test.sum()
            n_frames = np.diff(group["audio_index"][:][test], axis=1).sum()
            who = {"model/shared", "from_predicted/shared", *(f"from_bold/{s}" for s in subjects)}
            names = {
                f"{run}/{kind}/{w}" for kind in ("video", "text", "latents", "codes") for w in who
            }
            names |= {f"{run}/bold/model/{s}" for s in subjects}
            assert names == {name for name in predicted if name.startswith(run)}
            shapes = {
                "video": ((n, 1, 12, 16, 3), np.uint8),
                "text": ((n, 12), np.float32),
                "latents": ((n_frames, 8), np.float32),
                "codes": ((2, n_frames), np.int16),
                "bold": ((n, 40), np.float32),
            }
            for name in names:
                shape, dtype = shapes[name.split("/")[1]]
                assert predicted[name].shape == shape, name
                assert predicted[name].dtype == dtype, name
                assert np.isfinite(predicted[name].astype(float)).all()


def test_windows_do_not_show(made, predicted):
    folder, _ = made
    for name, values in predict_study(folder / "study.h5", folder / "small", window_trs=5):
        if values.dtype == np.float32:
            np.testing.assert_allclose(values, predicted[name], rtol=1e-3, atol=1e-4, err_msg=name)
        else:
            differ = np.abs(values.astype(int) - predicted[name].astype(int))
            assert (differ > (1 if "video" in name else 0)).mean() < 0.005, name


def test_windows_do_not_show_through_attention(made, tmp_path):
    folder, _ = made
    train(folder / "study.h5", tmp_path / "m", steps=3, across_trs="attention")
    whole = dict(predict_study(folder / "study.h5", tmp_path / "m", window_trs=64))
    for name, values in predict_study(folder / "study.h5", tmp_path / "m", window_trs=5):
        if "/text/" in name or "/bold/" in name:
            np.testing.assert_allclose(values, whole[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_equals_one_pass_over_the_whole_run(made, predicted):
    folder, _ = made
    net = load_network(folder / "small")
    with open_study(folder / "study.h5") as study, torch.no_grad():
        run = study.runs[0]
        batch = study.batch(
            [Window(0, 0, run.n_trs)], length=run.n_trs, context=0, follow=0, subjects=[0],
            split=None,
        )  # fmt: skip
        test = run.split == 2
        bold = net.bold(net.encode(batch.stimulus, "sub-01"))[0].numpy()[test]
        np.testing.assert_allclose(predicted["run-1/bold/model/sub-01"], bold, rtol=1e-3, atol=1e-4)
        text = net.decode(net.from_bold(batch.bold[0], "sub-01")).text[0].numpy()[test]
        np.testing.assert_allclose(
            predicted["run-1/text/from_bold/sub-01"], text, rtol=1e-3, atol=1e-4
        )
        fed_back = net.from_bold(net.bold(net.encode(batch.stimulus)))
        text = net.decode(fed_back).text[0].numpy()[test]
        np.testing.assert_allclose(
            predicted["run-1/text/from_predicted/shared"], text, rtol=1e-3, atol=1e-4
        )


def filtered(folder, to):
    """The same study, said to be high-passed."""
    shutil.copy(folder / "study.h5", to)
    with edited(to) as file:
        file.attrs["high_pass_hz"], file.attrs["detrend"] = 0.008, True
    return to


@pytest.mark.parametrize("window_trs", [64, 7])
def test_predicted_bold_loses_the_drift_that_measured_bold_lost(made, tmp_path, window_trs):
    folder, _ = made
    path = filtered(folder, tmp_path / "filtered.h5")
    net = load_network(folder / "small")
    with open_study(path) as study, torch.no_grad():
        run = study.runs[0]
        batch = study.batch(
            [Window(0, 0, run.n_trs)], length=run.n_trs, context=net.context_trs, follow=0,
            subjects=[0], split=None,
        )  # fmt: skip
        bold = net.bold(net.encode(batch.stimulus, "sub-01"), run.n_trs)[0].numpy()
        test = run.split == 2
    expected = Drift(0.008, detrend=True).out_of(bold, 1.5)[test]
    assert np.abs(expected - bold[test]).max() > 0.1  # there was something to take out
    found = dict(predict_study(path, folder / "small", window_trs=window_trs))
    np.testing.assert_allclose(found["run-1/bold/model/sub-01"], expected, rtol=1e-3, atol=1e-4)


def test_what_is_decoded_does_not_depend_on_the_drift(made, predicted, tmp_path):
    folder, _ = made
    path = filtered(folder, tmp_path / "filtered.h5")
    for name, values in predict_study(path, folder / "small", window_trs=64):
        if "/bold/" not in name:
            np.testing.assert_array_equal(values, predicted[name], err_msg=name)


def test_predicts_planted_responses(made, predicted):
    _, planted = made
    with open_study(planted.path) as study:
        test = study.runs[0].split == 2
    driven = np.flatnonzero(planted.responds.any(1))
    response = planted.response["run-1"][test]
    found = predicted["run-1/bold/model/sub-01"]
    r = [np.corrcoef(found[:, v], response[:, v])[0, 1] for v in driven]
    assert np.median(r) > 0.5


def test_another_study_is_refused(made, tmp_path):
    folder, _ = made
    make_study(tmp_path / "other.h5", (50, 50), n_voxels=41)
    with pytest.raises(TrainError, match=r"the network has 40 voxels, .*other.h5 has 41"):
        list(predict_study(tmp_path / "other.h5", folder / "small"))


def test_missing_and_damaged_models_are_named(made, tmp_path):
    folder, _ = made
    with pytest.raises(TrainError, match=r"model.json: no such file: run snakemake train"):
        list(predict_study(folder / "study.h5", tmp_path))
    shutil.copytree(folder / "small", tmp_path / "m")
    kwargs = json.loads((tmp_path / "m" / "model.json").read_text())
    (tmp_path / "m" / "model.json").write_text(json.dumps(kwargs | {"audio_channels": 12}))
    with pytest.raises(TrainError, match=r"does not hold the weights that .*model.json describes"):
        list(predict_study(folder / "study.h5", tmp_path / "m"))
    (tmp_path / "m" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(TrainError, match="does not hold the weights"):
        list(predict_study(folder / "study.h5", tmp_path / "m"))


def test_study_of_another_stage_is_refused(made, tmp_path):
    folder, _ = made
    changed = tmp_path / "study.h5"
    shutil.copy(folder / "study.h5", changed)
    with edited(changed) as file:
        file.attrs["stage"] = "brain"
    with pytest.raises(StoreError, match="holds stage 'brain', expected 'align'"):
        list(predict_study(changed, folder / "small"))
