"""Any subset of picture, sound and words may be missing, at training and at inference."""

import csv
import json
from itertools import combinations

import numpy as np
import pytest
import torch

from giblet.errors import TrainError
from giblet.model.stimulus import Stimulus
from giblet.train.build import load_network
from giblet.train.data import open_study
from giblet.train.draws import draw
from giblet.train.predict import predict_study
from giblet.train.windows import tiles
from tests.support.networks import random_stimulus, small_network, train
from tests.support.study_files import MODALITIES, make_study

SUBSETS = [part for n in (1, 2, 3) for part in combinations(MODALITIES, n)]


def small(path, modalities, **changes):
    return make_study(path, (48, 48), n_voxels=40, modalities=modalities, **changes)


@pytest.mark.parametrize("modalities", SUBSETS, ids="-".join)
def test_network_trains_and_predicts_with_what_there_is(tmp_path, modalities):
    study = small(tmp_path / "study.h5", modalities)
    metrics = train(study.path, tmp_path / "net", steps=3, hrf_delays="voxel", text_width=48)
    assert np.isfinite(metrics["val_loss"])
    assert set(metrics["constant_predictor"]["val"]) <= {"brain", "latents", "codes", *modalities}
    widths = metrics["layer_widths"]
    assert all(width > widths["7"] for layer, width in widths.items() if layer != "7")
    with (tmp_path / "net" / "history.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    for modality in MODALITIES:
        assert all((row[modality] != "") == (modality in modalities) for row in rows)
    names = {name.split("/")[1] for name, _ in predict_study(study.path, tmp_path / "net")}
    heard = {"latents", "codes"} if "audio" in modalities else set()
    assert names == {"bold", *heard, *(set(modalities) - {"audio"})}


def test_missing_modality_has_no_weights(tmp_path):
    study = small(tmp_path / "study.h5", ["audio"])
    train(study.path, tmp_path / "net", steps=1)
    net = load_network(tmp_path / "net")
    named = {name.split(".")[0] for name, _ in net.named_parameters()}
    assert not named & {"video_in", "video_out", "text_in", "text_out"}


def test_bottleneck_is_lowered_only_where_a_modality_is_missing(tmp_path, capsys):
    study = small(tmp_path / "study.h5", ["text"])
    train(study.path, tmp_path / "net", steps=1, text_width=20)
    kwargs = json.loads((tmp_path / "net" / "model.json").read_text())
    assert kwargs["bottleneck"] < 13  # 12 numbers of the embedding and whether there is any
    said = capsys.readouterr().out
    assert "has text only" in said
    assert f"lowered from 32 to {kwargs['bottleneck']}" in said


def test_weights_of_what_is_missing_leave_nothing_to_learn(tmp_path):
    study = small(tmp_path / "study.h5", ["text"])
    with pytest.raises(TrainError, match="all of brain_weight, text_weight are 0"):
        train(study.path, tmp_path / "net", brain_weight=0, text_weight=0)


def test_planted_voxels_are_found_with_sound_alone(tmp_path):
    study = small(tmp_path / "study.h5", ["audio"], noise=0.3)
    train(study.path, tmp_path / "net", steps=1)
    by_name = dict(predict_study(study.path, tmp_path / "net"))
    audio, video = study.responds[:, 1], study.responds[:, 0]
    scores = []
    with open_study(study.path) as opened:
        for run in opened.runs:
            measured = opened.file[f"runs/{run.name}/bold/sub-01"][:][run.split == 2]
            predicted = by_name[f"{run.name}/bold/model/sub-01"]
            scores.append([np.corrcoef(measured[:, v], predicted[:, v])[0, 1] for v in range(40)])
    r = np.nan_to_num(scores).mean(0)
    assert r[audio].mean() > 0.5
    assert r[audio].mean() > r[video].mean() + 0.3


@pytest.mark.parametrize("number", range(3), ids=MODALITIES)
def test_network_answers_a_stimulus_that_lacks_a_modality(number):
    net, full = small_network(), random_stimulus()
    parts = {name: getattr(full, name) for name in full.__dataclass_fields__}
    gone = (("video",), ("codes", "latents", "log_mel", "audio_mask"), ("text",))[number]
    for name in gone:
        parts[name] = parts[name][:, :, :0]
    keep = torch.ones(1, 3, dtype=torch.bool)
    keep[0, number] = False
    torch.testing.assert_close(net.features(Stimulus(**parts)), net.features(full, keep))


def test_dropout_of_modalities_never_hides_all_that_there_is(tmp_path):
    study = small(tmp_path / "study.h5", ["text"])
    with open_study(study.path) as opened:
        window = tiles(opened.segments("train"), 16)[0]
        batch = opened.batch(
            [window] * 8, length=16, context=0, follow=0, subjects=[0, 1], split="train"
        )
    for step in range(20):
        drawn = draw(
            batch.windows, batch.bold_valid.numpy(), n_frames=0, code_frames=4,
            modality_dropout=0.9, seed=1, step=step, has=opened.has,
        )  # fmt: skip
        assert drawn.keep[:, 2].all()
