"""Which study is meant, what is left of it, and how it all joins, with the installed Snakemake."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from giblet.cli.main import main
from giblet.errors import WatchError
from giblet.watching.collect import collect
from giblet.watching.plan import make_plan
from giblet.watching.runlog import Run
from giblet.watching.study import choose, options_of

ROOT = Path(__file__).resolve().parents[3]


def command(text):
    return options_of(Run(None, {"Command": text}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/bin/snakemake", ()),
        ("snakemake -c2 --configfile a.yaml b.yaml -n", ("--configfile", "a.yaml", "b.yaml")),
        ("snakemake --configfile=a.yaml --cores 2", ("--configfile", "a.yaml")),
        ("snakemake --configfiles a.yaml", ("--configfile", "a.yaml")),
        ("snakemake train --config seed=3 tr_s=3/2", ("--config", "seed=3", "tr_s=3/2")),
        ("snakemake -C seed=3 --keep-going", ("--config", "seed=3")),
        # The quotes of the command line are not in the log.
        (
            "snakemake --config brain={'high_pass_hz': 0.02, 'detrend': False} seed=3",
            ("--config", "brain={'high_pass_hz': 0.02, 'detrend': False}", "seed=3"),
        ),
        ("snakemake --profile profiles/slurm train", ("--profile", "profiles/slurm")),
        ("snakemake --configfile", ()),
    ],
)
def test_options_of_the_last_run(text, expected):
    assert command(text) == expected


def test_last_run_is_meant_unless_another_is_named(toy):
    study = choose(toy.folder)
    assert (study.options, study.dataset) == ((), "toy")
    assert study.chosen == "config/config.yaml, as in the last run here"
    named = choose(toy.folder, config=["dataset=other"])
    assert (named.options, named.dataset) == (("--config", "dataset=other"), "other")
    assert named.chosen == "--config dataset=other, as asked for"


def test_folder_without_a_workflow(tmp_path):
    with pytest.raises(WatchError, match=r"has no Snakefile: cd to the folder where you run"):
        choose(tmp_path)


def counts(status):
    return {one.stage: (one.done, one.left, one.failed, one.stale) for one in status.stages}


def test_before_anything_has_run(new_toy):
    status = collect(choose(new_toy.folder))
    assert (status.state, status.dataset, status.run) == ("idle", "toy", None)
    assert counts(status) == {"brain": (0, 2, 0, 0), "train": (0, 1, 0, 0)}
    assert status.jobs == status.stale == status.problems == []
    assert "nothing has run here yet" in status.chosen
    assert not new_toy.logs  # a look is no run


def test_after_a_failure(toy):
    status = collect(choose(toy.folder))
    assert status.state == "failed"
    assert counts(status) == {"brain": (2, 0, 0, 0), "train": (0, 1, 1, 0)}
    (bad,) = status.jobs
    assert (bad.state, bad.rule, bad.attempt) == ("failed", "bad", 2)
    # From the log of the job itself, which ends with it.
    assert bad.message == "StoreError: study.h5 is damaged: delete it"
    assert (status.run.state, status.run.steps_done, status.run.steps) == ("ended", 2, 4)


def test_another_working_directory(new_toy, monkeypatch, capsys):
    work = new_toy.folder / "work"
    shutil.copytree(new_toy.folder / "config", work / "config")
    (work / "config" / "config.yaml").write_text("dataset: elsewhere\nwidth: 3\n")
    shutil.copy(new_toy.folder / "in.txt", work)
    done = new_toy.snakemake("--directory", "work", "results/elsewhere/brain/a_1.txt")
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(new_toy.folder)
    assert main(["status", "--json", "--directory", "work"]) == 4
    status = json.loads(capsys.readouterr().out)
    assert (status["dataset"], status["folder"]) == ("elsewhere", str(work))
    assert [one["done"] for one in status["stages"]] == [1, 0]
    assert (status["run"]["steps_done"], status["run"]["state"]) == (1, "ended")


def test_a_folder_that_is_not_there_is_not_made(new_toy):
    with pytest.raises(WatchError, match=r"typo: no such folder: correct --directory"):
        choose(new_toy.folder, directory="typo")
    assert not (new_toy.folder / "typo").exists()


def test_a_configuration_with_spaces_in_its_path(tmp_path):
    (tmp_path / "my studies").mkdir()
    for name in ("my studies/first one.yaml", "b.yaml"):
        (tmp_path / name).write_text("dataset: toy\n")
    run = Run(None, {"Command": "snakemake --configfile my studies/first one.yaml b.yaml c.yaml"})
    expected = ("--configfile", "my studies/first one.yaml", "b.yaml", "c.yaml")
    assert options_of(run, tmp_path) == expected


CHAIN = """
rule report:
    input: "results/toy/train/model.txt"
    output: "results/toy/validate/report.txt"
    shell: "cp {input} {output}"

rule train:
    output: "results/toy/train/model.txt"
    shell: "echo trained > {output}"
"""


def test_results_that_are_gone_are_not_done(new_toy):
    folder = new_toy.folder
    (folder / "Snakefile").write_text(CHAIN)
    assert new_toy.snakemake().returncode == 0
    assert collect(choose(folder)).state == "done"
    (folder / "results/toy/train/model.txt").unlink()
    assert "Nothing to be done" in new_toy.snakemake().stderr
    status = collect(choose(folder))
    assert status.state == "idle"
    assert [(one.rule, one.paths) for one in status.gone] == [
        ("train", ["results/toy/train/model.txt"])
    ]
    assert counts(status) == {"train": (0, 1, 0, 0), "validate": (1, 0, 0, 0)}


def test_a_failure_that_was_mended_otherwise_is_one_no_more(toy, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(toy.folder, folder)
    (folder / "results" / "toy" / "train").mkdir(parents=True, exist_ok=True)
    (folder / "results" / "toy" / "train" / "bad.txt").write_text("by hand\n")
    status = collect(choose(folder))
    assert (status.state, status.jobs) == ("done", [])


def test_changed_setting_is_stale_and_says_why(toy):
    status = collect(choose(toy.folder, config=["width=4"]))
    assert counts(status)["brain"] == (0, 2, 0, 2)
    (stale,) = status.stale
    assert (stale.rule, stale.jobs, stale.follows) == ("clean", 2, False)
    assert stale.reason == "Params have changed since last execution"


def test_changed_input_is_stale(toy, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(toy.folder, folder)
    (folder / "in.txt").write_text("2\n")
    (stale,) = collect(choose(folder)).stale
    assert (stale.rule, stale.reason) == ("clean", "Updated input files")


@pytest.fixture
def status_of(toy, monkeypatch, capsys):
    """Return exit status and JSON of ``giblet status`` with the given options."""
    monkeypatch.chdir(toy.folder)

    def ask(*options):
        status = main(["status", "--json", *options])
        return status, json.loads(capsys.readouterr().out)

    return ask


def test_another_data_set_has_its_own_runs(status_of):
    code, status = status_of("--config", "dataset=other")
    assert (code, status["state"], status["dataset"], status["run"]) == (4, "idle", "other", None)


def test_configuration_that_snakemake_refuses_is_told_in_its_words(status_of):
    code, status = status_of("--configfile", "nowhere.yaml")
    assert (code, status["state"], status["version"]) == (3, "failed", 1)
    (problem,) = status["problems"]
    assert "the study cannot be planned" in problem
    assert "No such file or directory: 'nowhere.yaml'" in problem
    assert 'File "' not in problem
    # What does not need the plan is told all the same.
    assert status["run"]["state"] == "ended"
    assert [job["rule"] for job in status["jobs"]] == ["bad"]


def test_targets_come_before_options_that_take_several_values(toy):
    study = choose(toy.folder, config=["width=3"], targets=["results/toy/brain/a_1.txt"])
    plan = make_plan(study)
    assert [job.rule for job in plan.all] == ["clean"]
    assert plan.left == []


def records_of(folder):
    kept = folder / ".snakemake"
    parts = ("metadata", "incomplete", "locks", "log")
    return {
        str(path.relative_to(kept)): (path.read_bytes(), path.stat().st_mtime_ns)
        for part in parts
        for path in kept.glob(f"{part}/**/*")
        if path.is_file()
    }


def test_locks_and_records_stay_as_they_are(toy, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(toy.folder, folder)
    lock = folder / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("results/toy/train/bad.txt\n")
    before = records_of(folder)
    assert len(before) > 3
    assert counts(collect(choose(folder)))["train"] == (0, 1, 1, 0)
    assert records_of(folder) == before


def test_exit_status_without_a_workflow(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 1
    assert "giblet status:" in capsys.readouterr().err


def test_a_run_that_was_killed(new_toy):
    """Its jobs were at work and never ended; while it went they were running."""
    bad = new_toy.folder / "Snakefile"
    bad.write_text(bad.read_text().replace("cat quoted.txt > {log}; exit 3", "sleep 300"))
    run = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1", "results/toy/train/bad.txt"],
        cwd=new_toy.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 360
        while not (new_toy.logs and "rule bad:" in new_toy.logs[-1].read_text()):
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        status = collect(choose(new_toy.folder))
        assert (status.state, status.run.state) == ("going", "going")
        assert [(job.state, job.rule) for job in status.jobs] == [("running", "bad")]
        watching = subprocess.Popen(
            [sys.executable, "-m", "giblet.cli.main", "status", "--json", "--watch", "1"],
            cwd=new_toy.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert json.loads(watching.stdout.readline())["state"] == "going"
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    # Whoever watches is told, and need not watch any longer.
    output, _ = watching.communicate(timeout=360)
    assert watching.returncode == 3
    status = json.loads(output.splitlines()[-1])
    assert (status["state"], status["run"]["state"]) == ("failed", "killed")
    (job,) = status["jobs"]
    assert job["message"] == "interrupted: the Snakemake that started it has gone"
