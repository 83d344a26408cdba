"""Snakemake killed in every stage, then started again, ends where an undisturbed run ends."""

import signal
import time

import pandas as pd
import pytest

from tests.support.checkout import TINY, Checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

STAGES = ("simulate", "stimulus", "features", "brain", "align", "train", "validate")
MODALITIES = ("fmri", "video", "audio", "text")


def kill_in(checkout, planner, stage):
    """Start the workflow and kill it without warning as soon as a job of the stage runs."""
    logs = checkout.folder / "logs" / "tiny" / stage
    process = checkout.start(*TINY)
    deadline = time.monotonic() + 300
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
