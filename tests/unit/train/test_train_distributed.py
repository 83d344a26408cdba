"""Several processes: the same curves as one, stopping, dying, resuming."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.support.networks import train
from tests.support.processes import by_srun, by_torchrun, ended, job_of, losses, started
from tests.support.study_files import make_study

# Three windows for two processes; words in few TRs; a subject that each step leaves out.
CHANGES = {"batch_windows": 3, "subjects_per_step": 1, "ema_decay": 0.5, "dropout": 0.2}
RTOL = 1e-5


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("distributed") / "study.h5"
    make_study(path, (70, 70), n_voxels=40, gap_trs=8)
    return path


@pytest.fixture(scope="module")
def alone(study, tmp_path_factory):
    """Trained in one process."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("alone") / "small"
    train(study, folder, **CHANGES)
    return folder


@pytest.fixture(scope="module")
def two(study, tmp_path_factory):
    """Trained in two processes that torchrun's launcher started."""
    folder = tmp_path_factory.mktemp("two")
    status, out = ended(by_torchrun(job_of(study, folder, **CHANGES)))
    assert status == 0, out
    return folder, out


def same_curves(found, expected):
    np.testing.assert_allclose(losses(found), losses(expected), rtol=RTOL)
    one, other = (load_file(f / "last.safetensors") for f in (found, expected))
    assert set(one) == set(other)
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-3, atol=1e-5)


def test_two_processes_give_the_curves_of_one(alone, two):
    same_curves(two[0], alone)


def test_a_sharded_optimiser_gives_the_curves_of_one(study, alone, tmp_path):
    job = job_of(study, tmp_path, sharding="optimizer", **CHANGES)
    status, out = ended(by_torchrun(job))
    assert status == 0, out
    same_curves(tmp_path, alone)


def test_srun_gives_the_curves_of_one(study, alone, tmp_path):
    # What an earlier step of the same job left is not read.
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / ".meeting-42.0-by-hand.json").write_text('{"host": "nowhere.invalid", "port": 1}')
    found = [ended(p) for p in by_srun(job_of(study, tmp_path, **CHANGES), step=1)]
    assert [status for status, _ in found] == [0, 0], found
    same_curves(tmp_path, alone)
    assert not list(folder.glob(".meeting-42.1*"))


def test_only_the_first_process_speaks_and_writes(two):
    folder, out = two
    steps = [line for line in out.splitlines() if line.startswith("step ")]
    assert len(steps) == 5, out
    assert "Traceback" not in out
    assert "Warning" not in out
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["processes"] == 2
    assert 0 <= metrics["loading_share"] < 1


def test_progress_says_how_it_ended(two):
    found = json.loads((two[0] / "log.progress.json").read_text())
    assert (found["state"], found["step"], found["steps"]) == ("finished", 6, 6)
    assert found["world_size"] == 2
    assert found["val_loss"] == pytest.approx(losses(two[0])[-4 - 1])
    assert found["floor"] == 1.0
    assert set(found) == {
        "state", "step", "steps", "loss", "val_loss", "best_loss", "best_step", "floor",
        "trs_per_s", "eta_s", "started", "updated", "host", "pid", "slurm_job_id", "device",
        "world_size", "gpu_memory_gb", "gpu_utilisation", "loading_share", "message",
    }  # fmt: skip


LONG = {**CHANGES, "steps": 400, "eval_every": 100, "checkpoint_every": 50}


def until(condition, process, timeout_s=360):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def step_of(folder: Path) -> int:
    try:
        return json.loads((folder / "log.progress.json").read_text())["step"]
    except FileNotFoundError:
        return 0


@pytest.fixture(scope="module")
def undisturbed(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "small"
    torch.set_num_threads(1)
    train(study, folder, **{**LONG, "steps": 60, "eval_every": 30})
    return folder


@pytest.mark.parametrize("sharding", ["none", "optimizer"])
def test_stopped_by_a_signal_and_resumed_equals_undisturbed(study, undisturbed, tmp_path, sharding):
    changes = {**LONG, "steps": 60, "eval_every": 30, "sharding": sharding}
    job = job_of(study, tmp_path, **changes)
    process = by_torchrun(job)
    until(lambda: step_of(tmp_path) > 0, process)
    for _ in range(3):  # it comes to each process, and again from whoever started it
        process.send_signal(signal.SIGUSR1)
    status, out = ended(process)
    assert status == 75, out
    lines = [line for line in out.splitlines() if "stopped by" in line]
    assert len(lines) == 1, out
    step = int(lines[0].split("after step ")[1].split(" of 60")[0])
    assert lines[0] == (
        f"stopped by SIGUSR1 after step {step} of 60; run again to go on from there"
    )
    assert "Traceback" not in out
    found = json.loads((tmp_path / "log.progress.json").read_text())
    assert (found["state"], found["message"]) == ("stopped", lines[0])
    assert list(tmp_path.glob(f"checkpoints/*/step-{step:08d}.safetensors"))
    # What two processes with a sharded optimiser left, one goes on from.
    again = by_torchrun(job) if sharding == "none" else started(["giblet.train.worker", job])
    status, out = ended(again)
    assert status == 0, out
    assert f"resuming after step {step} " in out
    same_curves(tmp_path, undisturbed)


def test_a_killed_process_ends_the_training_and_the_next_start_resumes(study, tmp_path):
    job = job_of(study, tmp_path, **{**LONG, "checkpoint_every": 2})
    process = by_torchrun(job)
    until(lambda: step_of(tmp_path) > 4, process)
    os.kill(psutil.Process(process.pid).children()[1].pid, signal.SIGKILL)
    began = time.monotonic()
    status, out = ended(process)
    assert time.monotonic() - began < 60
    assert status == 1, out
    assert "rank 1 of 2 on" in out
    assert "killed by SIGKILL" in out
    assert "Traceback" not in out
    (tmp_path / "log.progress.json").unlink()
    process = by_torchrun(job)
    until(lambda: step_of(tmp_path) > 6, process)
    process.send_signal(signal.SIGTERM)
    status, out = ended(process)
    assert status == 75, out
    assert "resuming after step" in out
    assert "stopped by SIGTERM after step" in out


def test_under_srun_a_survivor_says_that_another_is_gone(study, tmp_path):
    first, second = by_srun(job_of(study, tmp_path, **LONG))
    until(lambda: step_of(tmp_path) > 0, first)
    second.kill()
    status, out = ended(first, 60)
    assert status == 1
    assert "rank 0 of 2 on" in out
    assert "another process of this training is gone; look for its message in the log" in out
    assert "Traceback" not in out
    ended(second)


def test_an_error_of_all_is_said_by_each_with_its_rank(study, tmp_path):
    status, out = ended(by_torchrun(job_of(study, tmp_path, batch_windows=1)))
    assert status == 1
    said = [line for line in out.splitlines() if "TrainError" in line]
    assert said
    assert all(
        "train/batch_windows is 1, but 2 processes share a batch" in line
        and line.startswith(("rank 0 of 2 on ", "rank 1 of 2 on "))
        for line in said
    )
