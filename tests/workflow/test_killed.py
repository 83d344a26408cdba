"""Snakemake killed in every stage, then started again, ends where an undisturbed run ends."""

import json
import os
import re
import signal
import time

import pandas as pd
import pytest

from tests.support.checkout import TINY, Checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

STAGES = ("simulate", "stimulus", "features", "brain", "align", "train", "validate")
MODALITIES = ("fmri", "video", "audio", "text")
TRAINED = "results/tiny/train/giblet/seed-2026"
PROGRESS = "logs/tiny/train/giblet_seed-2026.progress.json"
LONG = ("--config", "train={'steps': 100000, 'checkpoint_every': 50000}")


def kill_in(checkout, planner, stage):
    """Start the workflow and kill it without warning as soon as a job of the stage runs."""
    logs = checkout.folder / "logs" / "tiny" / stage
    process = checkout.start(*TINY)
    deadline = time.monotonic() + 1200
    while not (logs.exists() and any(logs.iterdir())):
        assert process.poll() is None, f"the run ended before {stage}: {process.stdout.read()}"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # Far enough into the job that its libraries are loaded and work has begun.
    time.sleep(1.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    code, output = planner(checkout.folder, "--unlock", *TINY)
    assert code == 0, output


@pytest.mark.timeout(1800)
def test_killed_in_each_stage_then_finished_equals_undisturbed(finished, planner, tmp_path):
    checkout = Checkout.make(tmp_path / "giblet")
    for stage in STAGES:
        kill_in(checkout, planner, stage)
    code, output = checkout.snakemake(*TINY)
    assert code == 0, output[-4000:]
    for modality in MODALITIES:
        name = f"results/tiny/validate/{modality}/metrics.csv"
        undisturbed = pd.read_csv(finished.folder / name)
        resumed = pd.read_csv(checkout.folder / name)
        pd.testing.assert_frame_equal(resumed, undisturbed, rtol=1e-6)


def step_of(checkout):
    """Step that the training of a checkout has taken last."""
    try:
        return json.loads((checkout.folder / PROGRESS).read_text())["step"]
    except FileNotFoundError:
        return 0


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_leaves_a_checkpoint_of_the_training(finished, tmp_path, processes):
    checkout = finished.copy(tmp_path / "giblet")
    for path in (checkout.folder / TRAINED).iterdir():
        path.unlink()
    (checkout.folder / PROGRESS).unlink()
    also = (*LONG, *TINY, "--set-resources", f"train_network:tasks={processes}")
    for resumed_after in (0, 1):
        process = checkout.start(f"{TRAINED}/metrics.json", *also, leads=True)
        deadline = time.monotonic() + 1200
        while step_of(checkout) <= resumed_after:
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 1
        said = r"rule train_network: Stopped: stopped by SIGINT after step (\d+) of 100000; run"
        (step,) = map(int, re.findall(said, output))
        kept = {path.name for path in (checkout.folder / "results/tiny/train").rglob("step-*")}
        assert f"step-{step:08d}.safetensors" in kept
        assert "Terminating processes on user request" in output
        assert "Traceback" not in output
        (checkout.folder / PROGRESS).unlink()
    log = (checkout.folder / PROGRESS.replace(".progress.json", ".log")).read_text()
    assert "resuming after step" in log
