"""``giblet status`` and ``giblet logs`` beside the tiny study: done, stale, running, failed."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.support.checkout import TINY, environment

pytestmark = pytest.mark.workflow

# Runs until it is let go, and then fails as a job does.
REPORT = """
from giblet.jobs import job

with job(snakemake) as j:
    import time
    from pathlib import Path

    from giblet.errors import StoreError

    print("at work", flush=True)
    while not Path("go").exists():
        time.sleep(0.1)
    raise StoreError("results/tiny/align/study.h5 is made to be damaged: nothing to be done")
"""


def giblet(checkout, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "giblet.cli.main", *arguments],
        cwd=checkout.folder,
        env=environment(PYTHONPATH=str(checkout.folder), COLUMNS="100"),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout


def status(checkout, *arguments):
    code, text = giblet(checkout, "status", "--json", *arguments)
    return code, json.loads(text)


def stage(found, name):
    (one,) = [one for one in found["stages"] if one["stage"] == name]
    return one


@pytest.fixture(scope="module")
def watched(finished, tmp_path_factory):
    return finished.copy(tmp_path_factory.mktemp("watched") / "giblet")


def test_finished_study(watched):
    code, found = status(watched)
    assert (code, found["state"], found["dataset"]) == (0, "done", "tiny")
    assert found["options"] == list(TINY)
    assert [one["stage"] for one in found["stages"]] == [
        "simulate", "stimulus", "features", "brain", "align", "train", "validate",
    ]  # fmt: skip
    assert all(one["done"] == one["total"] > 0 == one["left"] for one in found["stages"])
    assert found["jobs"] == found["stale"] == found["problems"] == []
    assert {one["state"] for one in found["training"]} <= {"finished"}
    assert found["run"]["steps_done"] == found["run"]["steps"]
    assert found["disk"]["results_bytes"] > 1e6


def test_stale_setting(watched):
    code, found = status(watched, *TINY, "--config", "validate={'report': {'clip_s': 9}}")
    assert (code, found["state"]) == (4, "idle")
    assert [(one["rule"], one["follows"]) for one in found["stale"]] == [("validate_report", False)]
    assert stage(found, "validate")["stale"] == stage(found, "validate")["left"] == 1


def training_at_work(watched):
    """A progress file as a training leaves it, here with this process for the training."""
    said = {"state": "training", "step": 3, "steps": 6, "loss": 0.9, "floor": 1.0}
    said |= {"updated": time.time(), "host": os.uname().nodename, "pid": os.getpid()}
    path = watched.folder / "logs" / "tiny" / "train" / "other_seed-1.progress.json"
    path.write_text(json.dumps(said))


def locks(watched):
    folder = watched.folder / ".snakemake" / "locks"
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_running_then_failed(watched):
    (watched.folder / "workflow" / "scripts" / "validate_report.py").write_text(REPORT)
    log = watched.folder / "logs" / "tiny" / "validate" / "report.log"
    log.unlink()
    training_at_work(watched)
    run = watched.start(*TINY, "--show-failed-logs")
    try:
        deadline = time.monotonic() + 900
        while not (log.exists() and "at work" in log.read_text()):
            assert run.poll() is None, run.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        held = locks(watched)
        assert held
        code, found = status(watched)
        assert (code, found["state"], found["run"]["state"]) == (0, "going", "going")
        (job,) = found["jobs"]
        assert (job["state"], job["rule"]) == ("running", "validate_report")
        assert job["logs"] == ["logs/tiny/validate/report.log"]
        assert 0 <= job["seconds"] < 600
        assert stage(found, "validate")["running"] == stage(found, "validate")["left"] == 1
        (training,) = [one for one in found["training"] if one["name"] == "other_seed-1"]
        assert (training["state"], training["loss"]) == ("training", 0.9)
        code, text = giblet(watched, "logs")
        assert (code, "at work" in text) == (0, True)
        assert locks(watched) == held
    finally:
        (watched.folder / "go").touch()
        output, _ = run.communicate(timeout=900)
    assert run.returncode == 1, output[-2000:]

    code, text = giblet(watched, "status")
    assert code == 3
    assert text.startswith("tiny: something failed")
    assert "failed  validate_report" in text
    assert "StoreError: results/tiny/align/study.h5 is made to be damaged" in text
    code, text = giblet(watched, "logs", "-n", "1")
    assert code == 0
    assert "==> logs/tiny/validate/report.log <==\nStoreError: results/tiny" in text
