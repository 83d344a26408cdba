"""What is read from the logs of Snakemake: of the installed one, and of one that used Slurm."""

import itertools
import os
import subprocess
import sys

import pytest

from giblet.watching.records import records
from giblet.watching.runlog import is_going, newest_runs, read_run, slurm_log
from tests.unit.watching.conftest import RECORDED


@pytest.fixture(scope="module")
def run(toy):
    return read_run(toy.logs[-1])


def by_rule(run):
    jobs = sorted(run.jobs.values(), key=lambda job: (job.rule, job.outputs))
    return {rule: list(found) for rule, found in itertools.groupby(jobs, lambda job: job.rule)}


def test_jobs_of_the_installed_snakemake(run):
    jobs = by_rule(run)
    assert set(jobs) == {"clean", "bad"}
    # A comma in a value ends neither it nor the list of wildcards.
    expected = [{"who": "a", "run": "1"}, {"who": "b,c=d", "run": "1"}]
    assert [job.wildcards for job in jobs["clean"]] == expected
    assert all(job.state == "finished" for job in jobs["clean"])
    assert all(job.stage == "brain" for job in jobs["clean"])
    assert jobs["clean"][0].logs == ["logs/toy/brain/a_1.log"]


def test_job_that_failed_is_the_last_of_its_attempts(run):
    (bad,) = by_rule(run)["bad"]
    assert (bad.state, bad.attempt, bad.stage) == ("failed", 2, "train")
    assert bad.logs == ["logs/toy/train/bad.log"]
    assert bad.message == ""
    assert bad.ended >= bad.started > 0


def test_what_a_quoted_log_says_is_not_taken_for_snakemakes_words(run, toy):
    assert "jobid: 77" in toy.logs[-1].read_text()
    assert "77" not in run.jobs
    assert sum(job.state == "failed" for job in run.jobs.values()) == 1


def test_header_steps_and_end(run, toy):
    assert run.header["Host"] == os.uname().nodename
    assert "--keep-going" in run.header["Command"]
    assert (run.steps_done, run.steps) == (2, 4)
    assert run.ended
    assert run.dataset == "toy"
    assert not is_going(run)


def test_half_a_log_is_a_run_on_its_way(toy, tmp_path):
    """Cut after any line, the log gives jobs that are among those of the whole."""
    whole = read_run(toy.logs[-1])
    lines = toy.logs[-1].read_text().splitlines(keepends=True)
    part = tmp_path / "part.log"
    states = set()
    for n_lines in range(len(lines)):
        part.write_text("".join(lines[:n_lines]))
        found = read_run(part)
        assert set(found.jobs) - {""} <= set(whole.jobs)
        states |= {job.state for job in found.jobs.values()}
    assert states == {"started", "restarting", "finished", "failed"}


def test_a_run_goes_as_long_as_somebody_writes_its_log(toy, tmp_path):
    path = tmp_path / ".snakemake" / "log" / "2026.snakemake.log"
    path.parent.mkdir(parents=True)
    path.write_text(f"  Host: {os.uname().nodename}\n")
    assert not is_going(read_run(path))
    writer = subprocess.Popen(
        [sys.executable, "-c", "import sys; f = open(sys.argv[1], 'a'); print(); input()", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        writer.stdout.readline()
        assert is_going(read_run(path))
        path.write_text("Complete log(s): here\n")
        assert not is_going(read_run(path))
    finally:
        writer.kill()
        writer.communicate()
    with path.open("w") as handle:
        handle.write(f"  Host: {os.uname().nodename}\n")
    with path.open():  # somebody who reads it does not count
        assert not is_going(read_run(path))


def test_a_run_on_another_host_is_told_by_its_lock(tmp_path):
    path = tmp_path / ".snakemake" / "log" / "2026.snakemake.log"
    path.parent.mkdir(parents=True)
    path.write_text("  Host: elsewhere\n")
    assert not is_going(read_run(path))
    (tmp_path / ".snakemake" / "locks").mkdir()
    assert not is_going(read_run(path))
    (tmp_path / ".snakemake" / "locks" / "0.input.lock").write_text("in.txt\n")
    assert is_going(read_run(path))


def test_newest_run_comes_first(toy, tmp_path):
    assert [run.path for run in newest_runs(toy.folder)] == toy.logs[::-1]
    assert list(newest_runs(tmp_path)) == []


def test_message_with_lines_of_its_own():
    text = """Error in rule bad:
    message: SLURM sbatch failed. The error message was 'sbatch: error: invalid partition
sbatch: error: Batch job submission failed'.
    sbatch call:
        sbatch --parsable
For further error details see the cluster/cloud log and the log files of the involved rule(s).
    jobid: 4
    output: results/toy/train/bad.txt
Next.
"""
    error, following = records(text.splitlines())
    assert error.fields["jobid"] == "4"
    assert "invalid partition sbatch: error: Batch job" in error.fields["message"]
    assert following.text == "Next."


@pytest.fixture(scope="module")
def slurm_run():
    """Log of a run on a real Slurm: two groups, an array that came again, one failure."""
    return read_run(RECORDED / "slurm_run.log")


def test_slurm_jobs_have_their_ids(slurm_run):
    ids = {(job.rule, *job.wildcards.values()): job.slurm_id for job in slurm_run.jobs.values()}
    assert ids == {
        # A group is one job of Slurm.
        ("one", "x"): "35", ("two", "x"): "35", ("one", "y"): "34", ("two", "y"): "34",
        # After the tasks 36_1 and 36_2 of an array.
        ("many", "x"): "41", ("many", "y"): "40",
        ("bad",): "47", ("slow",): "38",
    }  # fmt: skip
    assert slurm_run.slurm_run_id == "088539b8-3095-49c5-b905-ef064439aead"


def test_slurm_jobs_have_their_states(slurm_run):
    states = {(job.rule, job.state, job.attempt) for job in slurm_run.jobs.values()}
    assert states == {
        ("one", "finished", 1), ("two", "finished", 1), ("many", "finished", 2),
        ("slow", "finished", 1), ("bad", "failed", 2),
    }  # fmt: skip
    bad = slurm_run.jobs["7"]
    assert bad.message.startswith("SLURM-job '47' failed, SLURM status is: 'FAILED'.")
    assert bad.logs == ["logs/toy/train/bad.log"]
    assert bad.slurm_log == "/home/ada/study/.snakemake/slurm_logs/rule_bad/47.log"


def test_tasks_of_an_array_before_they_came_again(slurm_run, tmp_path):
    lines = slurm_run.path.read_text().splitlines(keepends=True)
    before = tmp_path / "before.log"
    upto = next(n for n, line in enumerate(lines) if "SLURM jobid 38" in line)
    before.write_text("".join(lines[: upto + 1]))
    run = read_run(before)
    tasks = {job.wildcards["a"]: job.slurm_id for job in run.jobs.values() if job.rule == "many"}
    assert tasks == {"x": "36_1", "y": "36_2"}


def test_log_of_a_task_lies_where_slurm_puts_it(slurm_run, tmp_path):
    lines = slurm_run.path.read_text().replace("/home/ada/study", str(tmp_path)).splitlines(True)
    before = tmp_path / "before.log"
    there = tmp_path / ".snakemake" / "slurm_logs" / "rule_many" / "36_1.log"
    there.parent.mkdir(parents=True)
    there.write_text("srun: error\n")
    # Before it failed Snakemake names no place for it, and then a wrong one.
    for last in ("The individual task IDs", "Trying to restart job 5"):
        upto = next(n for n, line in enumerate(lines) if last in line)
        before.write_text("".join(lines[: upto + 1]))
        job = next(job for job in read_run(before).jobs.values() if job.slurm_id == "36_1")
        assert slurm_log(job, tmp_path) == there
