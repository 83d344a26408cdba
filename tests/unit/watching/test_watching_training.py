"""Progress files, checkpoints and event files of trainings."""

import json
import os
import subprocess
import sys

import pytest

from giblet.watching.training import (
    GONE_AFTER_S,
    SILENT_AFTER_S,
    last_checkpoint,
    tensorboard,
    trainings,
)

NOW = 1_800_000_000.0


def write(folder, name="giblet_seed-1", **changes):
    said = {
        "state": "training", "step": 10, "steps": 40, "loss": 0.8, "val_loss": 0.85,
        "best_loss": 0.84, "best_step": 5, "floor": 1.0, "trs_per_s": 12.5, "eta_s": 90.0,
        "started": NOW - 100, "updated": NOW - 3, "host": "elsewhere", "pid": 1,
        "slurm_job_id": 4711, "device": "cuda:0", "world_size": 2, "gpu_memory_gb": 20.5,
        "gpu_utilisation": 93, "loading_share": 0.02, "message": "",
    } | changes  # fmt: skip
    path = folder / "logs" / "toy" / "train" / f"{name}.progress.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said))
    return path


def test_progress_is_told_as_it_is_written(tmp_path):
    path = write(tmp_path)
    (one,) = trainings(tmp_path, "toy", NOW)
    assert (one.name, one.state, one.silent_s) == ("giblet_seed-1", "training", None)
    assert (one.step, one.steps, one.loss, one.floor) == (10, 40, 0.8, 1.0)
    assert (one.slurm_job_id, one.gpu_utilisation, one.file) == ("4711", 93, str(path))


@pytest.mark.parametrize(
    ("state", "age_s", "expected"),
    [
        ("training", 5, "training"),
        ("starting", 5, "starting"),
        ("training", SILENT_AFTER_S + 1, "silent"),
        ("starting", 10_000, "silent"),
        ("finished", 10_000, "finished"),
        ("failed", 10_000, "failed"),
        ("stopped", 10_000, "stopped"),
    ],
)
def test_only_a_training_at_work_can_be_silent(tmp_path, state, age_s, expected):
    write(tmp_path, state=state, updated=NOW - age_s)
    (one,) = trainings(tmp_path, "toy", NOW)
    assert one.state == expected
    assert one.silent_s == (age_s if expected == "silent" else None)


def test_a_training_whose_process_is_gone_is_silent_sooner(tmp_path):
    here = os.uname().nodename
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    before = NOW - GONE_AFTER_S - 1
    write(tmp_path, "alive", host=here, pid=os.getpid(), updated=before)
    write(tmp_path, "gone", host=here, pid=ended.pid, updated=before)
    write(tmp_path, "unseen", host=here, pid=ended.pid, updated=NOW - 2)
    states = {one.name: one.state for one in trainings(tmp_path, "toy", NOW)}
    assert states == {"alive": "training", "gone": "silent", "unseen": "training"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"state": "training", "updated": "x"}', "{}"]
)
def test_a_file_that_is_no_progress_is_passed_over(tmp_path, text):
    write(tmp_path, "b_good")
    write(tmp_path, "a_bad").write_text(text)
    assert [one.name for one in trainings(tmp_path, "toy", NOW)] == ["b_good"]


def test_what_is_not_known_is_none(tmp_path):
    write(tmp_path).write_text(json.dumps({"state": "finished"}))
    (one,) = trainings(tmp_path, "toy", NOW)
    assert one.loss is None
    assert one.updated is not None


def test_those_at_work_come_first(tmp_path):
    write(tmp_path, "a", state="finished")
    write(tmp_path, "b", state="training")
    write(tmp_path, "ablation_hrf/plain_1", state="failed")
    names = [one.name for one in trainings(tmp_path, "toy", NOW)]
    assert names == ["b", "ablation_hrf/plain_1", "a"]


def test_newest_checkpoint(tmp_path):
    assert last_checkpoint(tmp_path, "toy") is None
    folder = tmp_path / "results" / "toy" / "train" / ".checkpoints" / "abc"
    folder.mkdir(parents=True)
    for step, age_s in ((20, 10), (40, 5)):
        path = folder / f"step-{step:08d}.safetensors"
        path.write_bytes(b"x" * step)
        os.utime(path, (NOW - age_s, NOW - age_s))
    (folder / "step-00000060.safetensors.part").write_bytes(b"")
    found = last_checkpoint(tmp_path, "toy")
    assert (found.path, found.written, found.bytes) == (str(path), NOW - 5, 40)


def test_tensorboard_is_offered_where_there_are_events(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tensorboard(tmp_path, "toy") is None
    folder = tmp_path / "results" / "toy" / "train" / "giblet" / "seed-1" / "tensorboard"
    folder.mkdir(parents=True)
    assert tensorboard(tmp_path, "toy") is None
    (folder / "events.out.tfevents.1.host").write_bytes(b"")
    assert tensorboard(tmp_path, "toy").command == "tensorboard --logdir results/toy/train"
