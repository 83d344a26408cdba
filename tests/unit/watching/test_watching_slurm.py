"""Slurm's answers, as a real one gave them."""

import pytest

from giblet.watching import slurm
from giblet.watching.collect import _what_it_does
from giblet.watching.runlog import LoggedJob
from tests.unit.watching.conftest import RECORDED


def test_squeue_as_slurm_printed_it():
    jobs = slurm.read_table((RECORDED / "squeue.txt").read_text())
    assert jobs["37"] == slurm.SlurmJob("37", "RUNNING", 20, "n2", "")
    assert jobs["43"] == slurm.SlurmJob("43", "PENDING", 0, "", "Resources")
    assert jobs["36_2"] == slurm.SlurmJob("36_2", "FAILED", 4, "n2", "JobLaunchFailure")
    assert jobs["18"].nodes == "n[1-2]"
    assert len(jobs) == 10


def test_sacct_says_who_cancelled_and_repeats_what_was_queued_again():
    text = (
        "7|NODE_FAIL|00:00:10|n1|None\n7|RUNNING|1-00:00:10|n2|None\n"
        "8|CANCELLED by 1000|00:00:00|None assigned|None\n\nsacct: a complaint\n"
    )
    jobs = slurm.read_table(text)
    assert jobs["7"] == slurm.SlurmJob("7", "RUNNING", 86410, "n2", "")
    assert jobs["8"] == slurm.SlurmJob("8", "CANCELLED", 0, "", "")
    assert set(jobs) == {"7", "8"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:20", 20), ("59:59", 3599), ("01:00:00", 3600), ("2-03:04:05", 183845),
        ("INVALID", None), ("", None), ("UNLIMITED", None),
    ],
)  # fmt: skip
def test_elapsed_time(text, expected):
    assert slurm.seconds(text) == expected


def test_every_state_is_one_thing():
    groups = [slurm.QUEUED, slurm.RUNNING, slurm.FAILED]
    assert sum(map(len, groups)) == len(frozenset.union(*groups))


@pytest.mark.parametrize(
    ("logged", "told", "going", "expected"),
    [
        ("started", None, True, "running"),
        ("started", None, False, "failed"),
        ("restarting", None, True, "queued"),
        ("started", "PENDING", True, "queued"),
        ("started", "REQUEUED", True, "queued"),
        ("started", "RUNNING", True, "running"),
        # Slurm's jobs outlive the Snakemake that submitted them.
        ("started", "RUNNING", False, "running"),
        ("started", "COMPLETED", True, "running"),
        ("started", "OUT_OF_MEMORY", True, "failed"),
        ("failed", "COMPLETED", True, "failed"),
    ],
)
def test_state_of_a_job(logged, told, going, expected):
    job = LoggedJob("1", "train", {}, [], [], state=logged, slurm_id="7")
    answer = None if told is None else slurm.SlurmJob("7", told, 3.0, "n1", "")
    assert _what_it_does(job, answer, going)[0] == expected


def test_no_slurm_no_question(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert slurm.ask("a-run", ["7"]) == ({}, [])


def test_slurm_that_does_not_answer_is_a_problem_not_an_end(monkeypatch, tmp_path):
    broken = tmp_path / "squeue"
    broken.write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "sacct").symlink_to(broken)
    found, problems = slurm.ask("a-run", ["7"])
    assert found == {}
    assert problems == ["squeue: Unable to contact slurm controller"]
