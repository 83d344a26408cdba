"""Several networks: their common history and figures, and the average of what they make."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from giblet.model.network import Decoded
from giblet.train.history import COLUMNS
from giblet.train.predict import average, predict_study
from giblet.train.seeds import mean_figures, mean_history, summarise
from tests.support.networks import train
from tests.support.study_files import make_study


def decoded(seed):
    g = torch.Generator().manual_seed(seed)
    return Decoded(
        video=torch.rand(1, 3, 1, 3, 2, 2, generator=g),
        latents=torch.randn(1, 3, 4, 5, generator=g),
        code_logits=3 * torch.randn(1, 3, 4, 2, 6, generator=g),
        text=torch.randn(1, 3, 7, generator=g),
    )


def test_average_is_the_mean_of_what_each_makes():
    made = [decoded(seed) for seed in range(4)]
    found = average(iter(made))
    for name in ("video", "latents", "text"):
        mean = torch.stack([getattr(one, name) for one in made]).mean(0)
        torch.testing.assert_close(getattr(found, name), mean)
    probability = torch.stack([one.code_logits.softmax(-1) for one in made]).mean(0)
    torch.testing.assert_close(found.code_logits.exp(), probability)


def test_confident_network_outvotes_two_that_hardly_know():
    """Logits are no votes: probabilities are averaged, whatever was added to all logits."""
    unsure = torch.tensor([0.1, 0.0]) + 100
    sure = torch.tensor([-5.0, 5.0])
    made = [
        Decoded(*(torch.zeros(1),) * 2, code_logits=logits, text=torch.zeros(1))
        for logits in (unsure, unsure, sure)
    ]
    assert average(made).code_logits.argmax() == 1


def test_one_network_is_left_as_it_is():
    made = decoded(0)
    assert average([made]) is made


def history(losses, step=10):
    rows = [
        {"step": step * k, "epoch": k, "split": "val", "loss": loss, "lr": 1e-3}
        for k, loss in enumerate(losses)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_mean_history_of_seeds_that_stopped_at_different_steps():
    found = mean_history([history([1.0, 0.8, 0.6]), history([0.8, 0.4])])
    assert tuple(found.columns) == COLUMNS
    np.testing.assert_allclose(found["loss"], [0.9, 0.6, 0.6])
    assert list(found["step"]) == [0, 10, 20]
    assert found["text"].isna().all()


def test_mean_figures_go_into_blocks_and_leave_out_what_differs():
    one = {"steps": 4, "device": "cpu", "val": {"brain": 0.5, "from_bold": {"text": 1.0}}}
    two = {"steps": 8, "device": "cuda", "val": {"brain": 0.7, "from_bold": {"text": 0.5}}}
    assert mean_figures([one, two]) == {
        "steps": 6, "val": {"brain": pytest.approx(0.6), "from_bold": {"text": 0.75}},
    }  # fmt: skip
    assert mean_figures([one]) == one


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("seeds")
    make_study(folder / "study.h5", (60, 60), n_voxels=40, gap_trs=8)
    for seed in (1, 2):
        train(folder / "study.h5", folder / f"seed-{seed}", seed=seed, steps=2, eval_every=1)
    return folder


def test_summary_has_a_row_for_each_seed(networks):
    folders = [networks / f"seed-{seed}" for seed in (1, 2)]
    summarise(
        [f / "history.csv" for f in folders],
        [f / "metrics.json" for f in folders],
        history=networks / "history.csv",
        figures=networks / "metrics.json",
        table=networks / "seeds.csv",
        seeds=[1, 2],
    )
    rows = pd.read_csv(networks / "seeds.csv")
    assert list(rows["seed"]) == [1, 2]
    figures = json.loads((networks / "metrics.json").read_text())
    assert figures["seeds"] == [1, 2]
    assert figures["val_loss"] == pytest.approx(rows["val_loss"].mean(), rel=1e-5)
    assert len(pd.read_csv(networks / "history.csv")) == len(
        pd.read_csv(folders[0] / "history.csv")
    )


def test_networks_predict_the_mean_of_their_predictions(networks):
    folders = [networks / f"seed-{seed}" for seed in (1, 2)]
    one, two, both = (
        dict(predict_study(networks / "study.h5", dirs)) for dirs in (*folders, folders)
    )
    assert set(one) == set(both)
    for name, values in both.items():
        assert values.dtype == one[name].dtype
        assert values.shape == one[name].shape
        if values.dtype == np.float32:
            np.testing.assert_allclose(values, (one[name] + two[name]) / 2, rtol=1e-4, atol=1e-4)
    name = "run-1/video/from_bold/sub-01"
    # Where a network makes what is darker than black, that is averaged as it is, then cut.
    within = (np.minimum(one[name], two[name]) > 0) & (np.maximum(one[name], two[name]) < 255)
    middle = (one[name].astype(float) + two[name]) / 2
    assert within.mean() > 0.5
    assert np.abs(both[name] - middle)[within].max() <= 1
