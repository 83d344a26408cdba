"""How a workflow job ends: its log, its exit status, and what the terminal says."""

import os
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

import pytest

from giblet.errors import Stopped, TrainError
from giblet.jobs import job


def run(folder, error=None):
    """A job that fails in this way, or does not."""
    snakemake = SimpleNamespace(
        threads=1, params={"code": "x", "lr": 0.1}, rule="some_rule",
        log=[str(folder / "logs/some.log")], output=[str(folder / "out.txt")],
    )  # fmt: skip
    # A job sets the threads of its process, and says what it is.
    with mock.patch.dict(os.environ), job(snakemake):
        print("working")
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (TrainError("no TRs"), 1, "TrainError: no TRs"),
        (Stopped("stopped after step 2"), 75, "Stopped: stopped after step 2"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_a_user_can_mend_or_asked_for_ends_in_one_line(
    tmp_path, capsys, error, status, message
):
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, error)
    assert ended.value.code == status
    assert capsys.readouterr().err.split("\n") == ["", f"rule some_rule: {message}", "", ""]
    assert (tmp_path / "logs/some.log").read_text() == f"working\n{message}\n"


def test_any_other_error_keeps_its_traceback_in_the_log(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, ZeroDivisionError("here"))
    log = (tmp_path / "logs/some.log").read_text()
    assert log.startswith("working\nTraceback")
    assert log.endswith("ZeroDivisionError: here\n")


def test_a_job_that_finds_its_snakemake_gone_ends_at_once(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    text = (
        "import time; from giblet.jobs import stop_with_main_process; "
        "stop_with_main_process(); time.sleep(60); print('orphan')"
    )
    environment = {**os.environ, "GIBLET_MAIN_PROCESS": f"{os.uname().nodename}:{gone.pid}"}
    environment.pop("SLURM_JOB_ID", None)
    done = subprocess.run(
        [sys.executable, "-c", text], env=environment, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (1, "")


def test_only_a_job_that_ends_well_is_stamped(tmp_path):
    with pytest.raises(SystemExit):
        run(tmp_path, KeyboardInterrupt())
    assert not list(tmp_path.glob(".*params.json"))
    run(tmp_path)
    assert [path.name for path in tmp_path.glob(".*params.json")] == [".out.txt.params.json"]
