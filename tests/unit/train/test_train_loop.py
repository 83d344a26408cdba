"""Training as a whole: golden losses, resuming, what it refuses, and no leakage."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import hdf5plugin  # noqa: F401
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from giblet.errors import ModelError, TrainError
from giblet.model.within_tr import WITHIN_TR
from giblet.train import fit, loop, optim
from giblet.train.history import COLUMNS
from giblet.validate.delays import voxel_delays
from tests.support.caches import edited
from tests.support.networks import NETWORK, TRAINING, train
from tests.support.study_files import make_study

ROOT = Path(__file__).resolve().parents[3]
# Loss of every row of history.csv in `trained`, in order. A change that is
# meant to change training changes these; any other must reproduce them.
GOLDEN = [0.5779609, 0.4518906, 0.5772614, 0.4488929, 0.5771877]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("loop") / "study.h5"
    make_study(path, (70, 70), n_voxels=40, gap_trs=8)
    return path


@pytest.fixture(scope="module")
def trained(path, tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained") / "small"
    metrics = train(path, folder)
    return folder, metrics


def rows_of(folder):
    with (folder / "history.csv").open() as handle:
        return list(csv.DictReader(handle))


def learns(folder):
    """Whether the training loss falls; that of validation hardly moves in two steps."""
    losses = [float(row["loss"]) for row in rows_of(folder) if row["split"] == "train"]
    return losses[-1] < losses[0]


def test_writes_what_the_next_stages_read(trained):
    folder, metrics = trained
    rows = rows_of(folder)
    assert tuple(rows[0]) == COLUMNS
    assert [(row["step"], row["split"]) for row in rows] == [
        ("0", "val"), ("3", "train"), ("3", "val"), ("6", "train"), ("6", "val"),
    ]  # fmt: skip
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert metrics["steps"] == 6
    assert set(metrics["val"]["from_bold"]) == {"video", "audio", "text"}
    assert not list((folder.parent / "checkpoints").glob("*"))


def test_best_weights_are_kept_apart_from_the_last(path, tmp_path):
    """At a ruinous rate the first evaluation is the best one, and its weights are kept."""
    metrics = train(path, tmp_path / "m", lr=0.3, start_lr_scale=1.0)
    still = train(path, tmp_path / "still", steps=0)
    assert metrics["best_step"] == 0
    best, last = (load_file(tmp_path / "m" / f"{name}.safetensors") for name in ("model", "last"))
    start = load_file(tmp_path / "still" / "model.safetensors")
    assert all(torch.equal(best[name], start[name]) for name in start)
    assert not torch.equal(last["brain.shared.up.weight"], best["brain.shared.up.weight"])
    assert metrics["val_loss"] == still["val_loss"]


def test_golden_loss_series(trained):
    folder, _ = trained
    found = [float(row["loss"]) for row in rows_of(folder)]
    np.testing.assert_allclose(found, GOLDEN, rtol=1e-4)


def test_same_seed_same_weights_and_another_seed_others(path, trained, tmp_path):
    folder, _ = trained
    train(path, tmp_path / "again")
    train(path, tmp_path / "other", seed=2)
    first, again, other = (
        load_file(f / "last.safetensors") for f in (folder, tmp_path / "again", tmp_path / "other")
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["bottleneck.down.weight"], other["bottleneck.down.weight"])


SUBPROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from tests.support.networks import train
train(sys.argv[2], sys.argv[3])
"""


def test_killed_and_resumed_equals_undisturbed(path, trained, tmp_path):
    folder, metrics = trained
    kept = tmp_path / "checkpoints"
    script = SUBPROCESS.replace("import torch\n", f"import torch\n{PAUSE}")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(ROOT), str(path), str(tmp_path / "small")],
        env=environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 360
    while not list(kept.glob("*/step-00000004.safetensors")):
        assert process.poll() is None, "training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "small" / "model.safetensors").exists()
    resumed = train(path, tmp_path / "small")
    for name in ("model", "last"):
        one, two = (load_file(f / f"{name}.safetensors") for f in (folder, tmp_path / "small"))
        assert all(torch.equal(one[key], two[key]) for key in one), name
    assert resumed["val_loss"] == metrics["val_loss"]
    for before, after in zip(rows_of(folder), rows_of(tmp_path / "small"), strict=True):
        before.pop("trs_per_s"), after.pop("trs_per_s")
        assert before == after
    assert not list(kept.glob("*"))


# The child waits after its checkpoint of step 4 until it is killed.
PAUSE = """
from giblet.train import checkpoint
save = checkpoint.Checkpoints.save
def slow(self, step, *rest):
    save(self, step, *rest)
    if step == 4:
        import time
        time.sleep(600)
checkpoint.Checkpoints.save = slow
"""


def stopped_run(path, tmp_path, monkeypatch, at=5):
    """Checkpoints of a run that failed in step `at`."""
    step = loop.Training._step

    def failing(self, number):
        if number == at:
            raise KeyboardInterrupt
        step(self, number)

    monkeypatch.setattr(loop.Training, "_step", failing)
    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "small")
    monkeypatch.setattr(loop.Training, "_step", step)
    return sorted((tmp_path / "checkpoints").glob("*/step-*.safetensors"))


def test_damaged_checkpoint_is_passed_over(path, trained, tmp_path, monkeypatch, capsys):
    folder, _ = trained
    kept = stopped_run(path, tmp_path, monkeypatch)
    assert [p.name for p in kept] == ["step-00000002.safetensors", "step-00000004.safetensors"]
    kept[-1].write_bytes(kept[-1].read_bytes()[:1000])
    train(path, tmp_path / "small")
    out = capsys.readouterr().out
    assert "step-00000004.safetensors: damaged, using the checkpoint before it" in out
    assert "resuming after step 2" in out
    one, two = (load_file(f / "last.safetensors") for f in (folder, tmp_path / "small"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_the_ridge_start_is_not_made_twice(path, trained, tmp_path, monkeypatch, capsys):
    folder, metrics = trained
    kept = stopped_run(path, tmp_path, monkeypatch, at=1)
    assert [p.name for p in kept] == ["step-00000000.safetensors"]
    capsys.readouterr()
    resumed = train(path, tmp_path / "small")
    out = capsys.readouterr().out
    assert "resuming after step 0" in out
    assert "start:" not in out
    assert resumed["start"] == metrics["start"]
    one, two = (load_file(f / "last.safetensors") for f in (folder, tmp_path / "small"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_other_settings_or_other_data_do_not_resume(path, tmp_path, monkeypatch, capsys):
    stopped_run(path, tmp_path, monkeypatch)
    train(path, tmp_path / "small", lr=0.002)
    changed = tmp_path / "changed.h5"
    shutil.copy(path, changed)
    with edited(changed) as file:
        file["stats/bold/sub-01/mean"][0] += 1
    train(changed, tmp_path / "small")
    assert "resuming" not in capsys.readouterr().out


def test_patience_ends_training_early(path, tmp_path):
    metrics = train(
        path, tmp_path / "m", lr=0.3, start_lr_scale=1.0, steps=40, eval_every=1, patience=2
    )
    assert metrics["steps"] == metrics["best_step"] + 2


@pytest.mark.parametrize("high_pass_hz", [0, 0.02])
def test_nothing_of_the_test_trs_reaches_the_weights(path, trained, tmp_path, high_pass_hz):
    """Other film, other sound, other words, other BOLD in the test TRs: the same network."""
    folder, _ = trained
    if high_pass_hz:
        path, folder = tmp_path / "filtered.h5", tmp_path / "before"
        make_study(path, (70, 70), n_voxels=40, gap_trs=8, high_pass_hz=high_pass_hz)
        train(path, folder)
    changed = tmp_path / "changed.h5"
    shutil.copy(path, changed)
    rng = np.random.default_rng(0)
    with edited(changed) as file:
        for run in file["runs"].values():
            test = run["split"][:] == 2
            frames = np.repeat(test, np.diff(run["audio_index"][:], axis=1)[:, 0])
            for name, where in [
                ("video", test), ("text", test), ("audio_latents", frames),
                ("audio_log_mel", frames), ("bold/sub-01", test), ("bold/sub-02", test),
            ]:  # fmt: skip
                values = run[name][:]
                values[where] = rng.permutation(values[where])[::-1] + 1
                run[name][...] = values
    train(changed, tmp_path / "small")
    one, two = (load_file(f / "last.safetensors") for f in (folder, tmp_path / "small"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_random_start_learns(path, tmp_path):
    metrics = train(
        path, tmp_path / "m", start="random", steps=30, lr=0.003, start_lr_scale=1.0,
        eval_every=15, warmup_steps=3,
    )  # fmt: skip
    rows = rows_of(tmp_path / "m")
    assert float(rows[0]["brain"]) == pytest.approx(1.0, abs=0.3)
    assert metrics["val_loss"] < float(rows[0]["loss"]) - 0.05


def test_one_modality_is_a_configuration_not_a_crash(path, tmp_path):
    changed = tmp_path / "study.h5"
    shutil.copy(path, changed)
    with edited(changed) as file:
        for run in file["runs"].values():
            run["text"][:] = 0
            run["text_valid"][:] = False
            run["video"][...] = 0
        file["stats/text/mean"][:] = 0
        file["stats/video/mean"][:] = 0
    metrics = train(changed, tmp_path / "m", steps=2)
    assert set(metrics["val"]["from_bold"]) == {"audio"}
    last = rows_of(tmp_path / "m")[-1]
    assert last["text"] == last["video"] == ""
    assert float(last["audio"]) < 1.1


def test_bf16_stays_close(path, trained, tmp_path):
    _, metrics = trained
    found = train(path, tmp_path / "m", bf16=True)
    assert found["val_loss"] == pytest.approx(metrics["val_loss"], rel=0.02)


# -- what is refused -------------------------------------------------------------------------


def test_non_finite_loss_names_the_batch(path, tmp_path):
    changed = tmp_path / "study.h5"
    shutil.copy(path, changed)
    with edited(changed) as file:
        for run in file["runs"].values():
            run["bold/sub-01"][...] = np.where(
                (run["split"][:] == 0)[:, None], np.inf, run["bold/sub-01"][:]
            )
    with pytest.raises(
        TrainError, match=r"step 1: the loss or its gradient is (nan|inf) on the batch of run-\d "
        r"TRs \d+-\d+, run-\d TRs .*lower train/lr \(now 0.001\)",
    ):  # fmt: skip
        train(changed, tmp_path / "m", start="random")


def test_all_weights_zero_is_refused(path, tmp_path):
    weights = dict.fromkeys([f"{m}_weight" for m in ("brain", "video", "audio", "text")], 0)
    with pytest.raises(TrainError, match="nothing to learn: give one a positive weight"):
        train(path, tmp_path / "m", **weights)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_gpu_that_is_not_there_is_refused(path, tmp_path):
    with pytest.raises(TrainError, match=r"train/device is 'cuda', but torch .* sees no GPU"):
        train(path, tmp_path / "m", device="cuda")


def test_more_frames_out_than_in_is_refused(path, tmp_path):
    with pytest.raises(ModelError, match=r"model/frames_out is 3, but .* holds 2 frames a TR"):
        train(path, tmp_path / "m", frames_out=3)


def test_unknown_delay_sharing_is_refused(path, tmp_path):
    with pytest.raises(ModelError, match="model/hrf_delays is 'lobe': use one of fixed, study"):
        train(path, tmp_path / "m", hrf_delays="lobe")


def test_geometry_of_another_mask_is_refused(path, tmp_path):
    changed = tmp_path / "study.h5"
    shutil.copy(path, changed)
    with edited(changed) as file:
        ijk = file["geometry/ijk"][:-3]
        del file["geometry/ijk"]
        file["geometry/ijk"] = ijk
    with pytest.raises(ModelError, match="geometry/ijk has 37 voxels, the BOLD 40"):
        train(changed, tmp_path / "m")


@pytest.mark.parametrize("delays", ["fixed", "study", "group"])
def test_delays_can_be_shared(path, tmp_path, delays):
    train(path, tmp_path / "m", steps=1, hrf_delays=delays)
    found = load_file(tmp_path / "m" / "model.safetensors")["hrf.delay_s"]
    assert {"fixed": 1, "study": 1}.get(delays, 2) <= len(found) < 40
    if delays == "fixed":
        assert (found == 0).all()


@pytest.mark.parametrize("kind", ["none", "shift", "spm", "fir", "learned"])
def test_every_response_trains(path, tmp_path, kind):
    metrics = train(path, tmp_path / "m", steps=2, eval_every=1, hrf=kind)
    assert learns(tmp_path / "m")
    assert metrics["val_loss"] < 1
    delay_s = voxel_delays(tmp_path / "m")
    assert delay_s.shape == (40,)
    assert np.isnan(delay_s).all() if kind == "none" else (abs(delay_s - 5) <= 3.1).all()


@pytest.mark.parametrize(
    "choice",
    [{"within_tr": kind} for kind in WITHIN_TR[:1] + WITHIN_TR[2:]]
    + [{"across_trs": kind} for kind in ("none", "attention")],
    ids=lambda choice: "-".join(*choice.items()),
)
def test_every_way_to_read_time_trains(path, tmp_path, choice):
    metrics = train(path, tmp_path / "m", steps=2, eval_every=1, **choice)
    assert learns(tmp_path / "m")
    assert metrics["val_loss"] < 0.7


def test_parcels_train_too(path, tmp_path):
    changed = tmp_path / "study.h5"
    shutil.copy(path, changed)
    with edited(changed) as file:
        file.attrs["kind"] = "parcels"
        del file.attrs["grid_shape"]
        del file["geometry/ijk"]
    metrics = train(changed, tmp_path / "m", steps=1)
    assert metrics["layer_widths"]["6"] == NETWORK["parcel_width"]


def test_settings_are_those_of_the_schema():
    """Every key of the blocks `train` and `model` is used, and no other; seeds are jobs."""
    import yaml

    for block, used in (("train", {*TRAINING, "seeds"}), ("model", set(NETWORK))):
        schema = yaml.safe_load((ROOT / f"config/schemas/{block}.schema.yaml").read_text())
        leaves = {k for k, part in schema["properties"].items() if "type" in part}
        assert leaves == used
    assert set(fit.TRAINING) == set(TRAINING)


def test_learning_rate_warms_up_and_falls():
    settings = {"lr": 1.0, "warmup_steps": 10, "steps": 110}
    rates = [optim.learning_rate(step, settings) for step in range(1, 111)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[59] == pytest.approx(optim.LR_FLOOR + (1 - optim.LR_FLOOR) / 2)
    assert rates[-1] == pytest.approx(optim.LR_FLOOR)


def test_noise_is_not_found_and_does_not_break_training(tmp_path):
    make_study(tmp_path / "study.h5", (90, 90), n_voxels=40, gap_trs=16, signal=False)
    metrics = train(tmp_path / "study.h5", tmp_path / "m")
    assert metrics["start"]["start_explained_median"] < 0.1
    assert metrics["val"]["brain"] == pytest.approx(1.0, abs=0.05)
    assert all(value > 0.9 for value in metrics["val"]["from_bold"].values())


def test_one_subject_has_nothing_of_its_own(tmp_path):
    make_study(tmp_path / "study.h5", (90,), n_voxels=40, n_subjects=1, gap_trs=8)
    train(tmp_path / "study.h5", tmp_path / "m", steps=0)
    found = load_file(tmp_path / "m" / "model.safetensors")
    assert not (found["brain.own.0.up.weight"] @ found["brain.own.0.down.weight"]).any()
