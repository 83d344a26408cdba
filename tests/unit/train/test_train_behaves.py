"""Averaged weights, losses in full precision, determinism, and what is shown on the way."""

import io
import shutil
import sys
import types

import hdf5plugin  # noqa: F401
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from giblet.errors import TrainError
from giblet.model.within_tr import WITHIN_TR
from giblet.train import loop, watch
from giblet.train.optim import MovingAverage, determinism, make_optimizer
from giblet.train.sums import in_full_precision
from giblet.train.watch import Watch
from tests.support.caches import edited
from tests.support.networks import TRAINING, small_network, train
from tests.support.operations import Operations
from tests.support.study_files import make_study


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("behaves") / "study.h5"
    make_study(path, (60, 60), n_voxels=40, gap_trs=8)
    return path


def weights(folder, name):
    return load_file(folder / f"{name}.safetensors")


def test_average_is_the_recursion_it_says():
    net = small_network()
    average = MovingAverage(net, 0.75)
    average.update(net)
    expected = net.brain.shared.up.weight.detach().clone()
    for _ in range(3):
        with torch.no_grad():
            net.brain.shared.up.weight.add_(torch.randn(40, 16))
        average.update(net)
        expected = 0.75 * expected + 0.25 * net.brain.shared.up.weight.detach()
    torch.testing.assert_close(average.of(net).brain.shared.up.weight.detach(), expected)


def test_no_decay_is_no_average():
    net = small_network()
    average = MovingAverage(net, 0)
    average.update(net)
    assert average.of(net) is net
    assert not average.state_dict()


def test_averaged_weights_are_what_is_evaluated_and_kept(path, tmp_path):
    plain = train(path, tmp_path / "plain", lr=0.003, start_lr_scale=1.0)
    found = train(path, tmp_path / "ema", lr=0.003, start_lr_scale=1.0, ema_decay=0.9)
    name = "brain.shared.up.weight"
    last, same = weights(tmp_path / "ema", "last"), weights(tmp_path / "plain", "last")
    assert torch.equal(last[name], same[name]), "the average must not change the training"
    assert found["val_loss"] != plain["val_loss"]
    train(path, tmp_path / "still", steps=0)
    start, best = weights(tmp_path / "still", "model"), weights(tmp_path / "ema", "model")
    assert found["best_step"] > 0
    moved = [(one[name] - start[name]).norm() for one in (best, last)]
    assert 0 < moved[0] < moved[1]


def test_resuming_with_an_average_equals_an_undisturbed_run(path, tmp_path, monkeypatch):
    settings = {"ema_decay": 0.8, "lr": 0.003}
    whole = train(path, tmp_path / "whole/m", **settings)
    step = loop.Training._step

    def failing(self, number):
        if number == 5:
            raise KeyboardInterrupt
        step(self, number)

    monkeypatch.setattr(loop.Training, "_step", failing)
    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "cut/m", **settings)
    monkeypatch.setattr(loop.Training, "_step", step)
    resumed = train(path, tmp_path / "cut/m", **settings)
    assert resumed["val_loss"] == whole["val_loss"]
    for name in ("model", "last"):
        one, two = weights(tmp_path / "whole/m", name), weights(tmp_path / "cut/m", name)
        assert all(torch.equal(one[key], two[key]) for key in one), name


def test_what_ridge_has_set_and_what_feeds_it_moves_slowly():
    net = small_network()
    optimizer = make_optimizer(net, {**TRAINING, "start": "ridge", "start_lr_scale": 0.01})
    scale = {
        id(parameter): group["scale"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    layers = {"4": net.context_in, "5": net.brain, "10": net.context_out, "12": net.video_out}
    found = {
        name: {scale[id(p)] for p in layer.parameters() if p.requires_grad}
        for name, layer in layers.items()
    }
    assert found == {"4": {0.01}, "5": {0.01}, "10": {1.0}, "12": {1.0}}
    fresh = make_optimizer(net, {**TRAINING, "start": "random", "start_lr_scale": 0.01})
    own = TRAINING["delay_lr_scale"]
    assert {group["scale"] for group in fresh.param_groups} <= {1.0, float(own)}


def test_losses_are_float32_under_autocast():
    @in_full_precision
    def loss(x, y):
        return (x.float() @ y).square().sum()

    x = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (x @ x.T).dtype == torch.bfloat16
        found = loss(x, x.T)
    assert found.dtype == torch.float32
    assert found == (x @ x.T).square().sum()


def test_master_weights_stay_float32(path, tmp_path):
    train(path, tmp_path / "m", steps=1, bf16=True)
    assert {v.dtype for v in weights(tmp_path / "m", "last").values() if v.is_floating_point()} == {
        torch.float32
    }


def test_determinism_is_asked_for_only_inside():
    with determinism(True):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    with determinism(False):
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    "changes",
    [
        *({"within_tr": kind} for kind in WITHIN_TR),
        {"across_trs": "attention", "hrf": "learned", "hrf_delays": "voxel", "dropout": 0.2},
        {"hrf": "fir", "latents_whitening": "full", "start": "random"},
    ],
    ids=str,
)
def test_no_operation_that_a_gpu_does_otherwise_each_time(path, tmp_path, changes):
    with Operations() as done:
        train(path, tmp_path / "m", steps=1, eval_every=1, **changes)
    assert {"aten.convolution_backward", "aten.native_group_norm_backward"} <= done.names
    assert done.undetermined() == set()


def test_deterministic_training_gives_the_same_twice(path, tmp_path):
    """With it torch raises at any operation that has no deterministic form."""
    first = train(path, tmp_path / "one", deterministic=True, steps=3)
    again = train(path, tmp_path / "two", deterministic=True, steps=3)
    assert first["val_loss"] == again["val_loss"]
    one, two = weights(tmp_path / "one", "last"), weights(tmp_path / "two", "last")
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_non_finite_loss_names_the_subjects(path, tmp_path):
    shutil.copyfile(path, tmp_path / "study.h5")
    with edited(tmp_path / "study.h5") as file:
        for run in file["runs"].values():
            bold = run["bold/sub-02"][:]
            bold[run["split"][:] == 0] = np.inf
            run["bold/sub-02"][...] = bold
    with pytest.raises(TrainError, match=r"TRs \d+-\d+ \(sub-01, sub-02\) in .*study.h5"):
        train(tmp_path / "study.h5", tmp_path / "m", start="random")


# -- watching --------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bar_with_rate_and_time_left_on_a_terminal_only(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "__stderr__", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Watch(40, 10, None) as shown:
        shown.step(20, 123.4)
        shown.bar.refresh()
    assert "20/40" in terminal.getvalue()
    assert "123 TRs/s" in terminal.getvalue()
    quiet = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", quiet)
    with Watch(40, 0, None) as shown:
        shown.step(1, 1.0)
    assert quiet.getvalue() == ""


def test_tensorboard_that_is_not_installed_is_named(path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TrainError, match=r"train/tensorboard is true, but .*giblet\[tensorboard\]"):
        train(path, tmp_path / "m", tensorboard=True, start="random", steps=1)


def test_history_becomes_curves(path, tmp_path, monkeypatch):
    """Through a writer with SummaryWriter's calls, so that the package is not needed."""
    written = []
    fake = types.SimpleNamespace(
        add_scalar=lambda name, value, step: written.append((name, value, step)),
        flush=lambda: None,
        close=lambda: written.append("closed"),
    )
    monkeypatch.setattr(watch, "_writer", lambda events, done: fake)
    train(path, tmp_path / "m", tensorboard=True, steps=1, eval_every=1)
    assert {name for name, *_ in written[:-1]} == {
        f"{curve}/{split}" for curve in watch.CURVES for split in ("train", "val")
    }
    assert written[-1] == "closed"


def test_event_files_are_tensorboards_own(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    row = dict.fromkeys(watch.CURVES, 0.5) | {"step": 3, "split": "val", "text": ""}
    with Watch(5, 0, tmp_path) as shown:
        shown.row(row)
    found = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss/val")] == [(3, 0.5)]
    assert "text/val" not in found.Tags()["scalars"]
