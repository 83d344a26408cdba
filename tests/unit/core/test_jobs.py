"""How a workflow job ends: its log, its exit status, and what the terminal says."""

import os
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

import pytest

from giblet import stamps, store
from giblet.errors import Stopped, TrainError
from giblet.jobs import job
from giblet.stamps import notices_of


def run(folder, error=None, inputs=(), name="out.txt"):
    """A job that fails in this way, or does not."""
    snakemake = SimpleNamespace(
        threads=1, params={"code": "x", "lr": 0.1}, rule="some_rule",
        log=[str(folder / "logs/some.log")], output=[str(folder / name)],
        input=[str(path) for path in inputs],
    )  # fmt: skip
    # A job sets the threads of its process, and says what it is.
    with mock.patch.dict(os.environ), job(snakemake):
        print("working")
        (folder / name).write_text("what a job wrote\n")
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


def test_an_input_that_was_edited_since_its_job_is_said_and_stamped(tmp_path, capsys):
    run(tmp_path, name="text.tsv")
    run(tmp_path, inputs=[tmp_path / "text.tsv"])
    assert notices_of([tmp_path / "out.txt"]) == []
    (tmp_path / "text.tsv").write_text("what somebody wrote\n")
    run(tmp_path, inputs=[tmp_path / "text.tsv", tmp_path / "no.tsv"])
    (said,) = notices_of([tmp_path / "out.txt"])
    assert said.startswith(f"{tmp_path / 'text.tsv'}: is not what rule some_rule wrote")
    assert said in (tmp_path / "logs/some.log").read_text()


def test_a_cache_of_another_study_is_said(tmp_path):
    for name in ("ours", "theirs"):
        with store.writing(tmp_path / f"{name}.h5", stage="brain") as file:
            file["bold"] = [float(len(name))]
    stamps.write_stamp(tmp_path / "ours.h5", "brain_run", {}, (), [tmp_path / "ours.h5"])
    assert stamps.edited([tmp_path / "ours.h5"]) == []
    (tmp_path / "theirs.h5").replace(tmp_path / "ours.h5")
    (said,) = stamps.edited([tmp_path / "ours.h5", tmp_path / "ours.h5"])
    assert "is not what rule brain_run wrote" in said
