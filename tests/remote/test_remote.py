"""``giblet remote`` against a real sshd: what arrives, runs, is told, comes back and ends."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.ssh_host import processes_of, status_of

pytestmark = pytest.mark.workflow

QUICK = ("--no-slurm", "--", "--snakefile", "quick/Snakefile")


def wait(laptop, name, capsys, seconds=120):
    """The run's status once it has ended."""
    (run,) = (laptop.host.home / "giblet/runs").glob(name)
    deadline = time.monotonic() + seconds
    while not (run / "state/exit").exists() or run.name in laptop.host.tmux("ls").stdout:
        assert time.monotonic() < deadline, (run / "run.log").read_text()[-2000:]
        time.sleep(0.2)
    return status_of(laptop, capsys, "--name", name)


def test_there_and_back(laptop, loop, name, capsys):
    assert laptop.remote("train", "--name", name, "--gpus", "3", *QUICK) == 0
    started = capsys.readouterr().out
    assert f"giblet remote status --host loop --ssh-config {loop.config} --name {name}" in started
    status = wait(laptop, name, capsys)
    assert status["state"] == "finished", status
    assert status["exit_status"] == 0
    assert status["record"]["commit"] == laptop.git("rev-parse", "HEAD").strip()
    assert any("gpus 3" in line for line in (loop.home / f"giblet/runs/{name}/run.log").open())

    assert laptop.remote("fetch", "--name", name) == 0
    here = laptop.root / "remote" / "loop" / name
    assert (here / "results/quick/train/network.txt").read_text() == "trained"
    assert json.loads((here / "record/run.json").read_text()) == status["record"]
    # Neither checkpoints, nor stages that were not asked for, nor what git would then list.
    assert not (here / "results/quick/train/.checkpoints").exists()
    assert not (here / "results/quick/features").exists()
    assert laptop.git("status", "--porcelain") == ""

    capsys.readouterr()
    assert laptop.remote("fetch", "--name", name, "--what", "all") == 0
    out = capsys.readouterr().out
    assert "results/quick/features/step" in out
    assert "1 files, 0.0 MB, new or changed" in out
    assert laptop.remote("fetch", "--name", name, "--what", "all") == 0
    assert "0 files, 0.0 MB" in capsys.readouterr().out

    assert laptop.remote("fetch", "--name", name, "--what", "lens") == 1
    assert "nothing of lens: it has features, train" in capsys.readouterr().err
    assert laptop.remote("status") == 0
    assert f"{name}: finished, train" in capsys.readouterr().out


def test_cancel_ends_everything_and_resume_goes_on(laptop, loop, name, capsys):
    assert laptop.remote("train", "--name", name, *QUICK, "--config", "sleep_s=600") == 0
    log = loop.home / f"giblet/runs/{name}/run.log"
    deadline = time.monotonic() + 360
    while not (log.exists() and "gpus 0" in log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    capsys.readouterr()
    assert laptop.remote("status", "--name", name) == 0
    out = capsys.readouterr().out
    assert f"{name}: running, train" in out
    assert "gpus 0" in out
    assert laptop.remote("train", "--name", name, *QUICK) == 1
    assert f"run '{name}' is still going: giblet remote status" in capsys.readouterr().err

    assert processes_of(loop, name)
    assert laptop.remote("cancel", "--name", name, "--grace", "60") == 0
    # By the interrupt, not by force.
    assert "after the interrupt" in capsys.readouterr().out
    assert processes_of(loop, name) == []
    checkpoints = loop.home / f"giblet/runs/{name}/code/results/quick/train/.checkpoints"
    assert (checkpoints / "stopped").exists()
    assert name not in loop.tmux("list-sessions").stdout
    assert not (loop.home / f"giblet/runs/{name}/code/results/quick/train/network.txt").exists()
    status = wait(laptop, name, capsys)
    assert status["state"] == "cancelled"
    assert status["exit_status"] != 0

    assert laptop.remote("train", "--name", name, *QUICK) == 1
    assert "exists and has ended: --resume goes on with it" in capsys.readouterr().err
    assert laptop.remote("train", "--name", name, "--resume", *QUICK) == 0
    assert wait(laptop, name, capsys)["state"] == "finished"
    assert laptop.remote("cancel", "--name", name) == 0
    assert "was not running" in capsys.readouterr().out


def test_names_that_a_shell_would_take_apart(laptop, loop, name, capsys):
    nasty = f"""{name} it's; touch $HOME/oops "x" `id` &|*"""
    text = "a b; $HOME `id` & * (c)"
    arguments = (*QUICK, "--config", f"text={json.dumps(text)}")
    folder = """a folder; 'of' "mine" $HOME"""
    assert laptop.remote("setup", "--folder", folder, "--environment", os.sys.prefix) == 0
    where = ("--name", nasty, "--folder", folder)
    assert laptop.remote("train", *where, *arguments) == 0
    (run,) = (loop.home / folder / "runs").iterdir()
    deadline = time.monotonic() + 360
    while not (run / "state/exit").exists() or run.name in loop.tmux("ls").stdout:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    status = status_of(laptop, capsys, *where)
    assert status["state"] == "finished", status
    assert status["record"]["run"] == nasty
    assert laptop.remote("fetch", *where) == 0
    (result,) = laptop.root.glob(f"remote/loop/{name}-*/results/quick/train/network.txt")
    assert result.read_text() == text
    assert not (loop.home / "oops").exists()
    assert (loop.home / folder).is_dir()


def test_a_run_that_fails_and_one_that_cannot_start(laptop, loop, name, capsys):
    target = ("--target", "results/quick/never.txt")
    assert laptop.remote("train", "--name", name, *target, *QUICK) == 0
    assert wait(laptop, name, capsys)["state"] == "failed"
    assert laptop.remote("status", "--name", name) == 1
    assert "Snakemake ended with status 1" in capsys.readouterr().out

    capsys.readouterr()
    other = f"{name}-b"
    assert laptop.remote("train", "--name", other, "--target", "nothing", *QUICK) == 1
    printed = capsys.readouterr()
    assert "nothing" in printed.out
    assert "Snakemake would not start, see above" in printed.err
    assert laptop.remote("status", "--name", other) == 0
    assert "never started" in capsys.readouterr().out
    assert laptop.remote("fetch", "--name", other) == 1
    assert "has no results yet" in capsys.readouterr().err
    assert laptop.remote("fetch", "--name", f"{name}-c") == 1
    assert f"has no run '{name}-c' in this folder" in capsys.readouterr().err


def test_changes_are_refused_or_recorded(laptop, loop, name, capsys):
    new, changed = laptop.root / "config/new one.yaml", laptop.root / "README.md"
    gone = laptop.root / "config/datasets/film_runs.tsv"
    text = gone.read_text()
    try:
        changed.write_text("hello\n")
        laptop.commit()
        new.write_text("dataset: new\n")
        changed.write_text("changed\n")
        gone.unlink()
        assert laptop.remote("train", "--name", name, *QUICK) == 1
        error = capsys.readouterr().err
        assert "differs from its commit" in error
        assert "README.md" in error
        assert "?? config/new one.yaml" in error
        assert not (loop.home / "giblet/runs" / name).exists()

        assert laptop.remote("train", "--name", name, "--dirty", *QUICK) == 0
        there = loop.home / "giblet/runs" / name
        assert (there / "code/config/new one.yaml").read_text() == "dataset: new\n"
        assert not (there / "code/config/datasets/film_runs.tsv").exists()
        # The commit and the patch give back what ran.
        patch = (there / "record/code.diff").read_text()
        assert "+changed" in patch
        assert "+dataset: new" in patch
        assert laptop.git("diff", "--cached") == ""
        laptop.git("stash", "-u", "-q")
        subprocess.run(["git", "-C", str(laptop.root), "apply"], input=patch, text=True, check=True)
        assert changed.read_text() == "changed\n"
        assert new.read_text() == "dataset: new\n"
        assert not gone.exists()
        wait(laptop, name, capsys)

        # A file that is no longer in the tree leaves the host too, results stay.
        new.unlink()
        assert laptop.remote("train", "--name", name, "--dirty", "--resume", *QUICK) == 0
        assert not (there / "code/config/new one.yaml").exists()
        assert (there / "code/results/quick/train/network.txt").exists()
        wait(laptop, name, capsys)
    finally:
        new.unlink(missing_ok=True)
        gone.write_text(text)
        laptop.commit()


def test_secrets_and_other_repositories_stay_here(laptop, loop, name, capsys):
    secrets = (".env", ".ssh/id_rsa", "deploy.txt")
    nested = laptop.root / "other"
    there = loop.home / "giblet"
    setup = ("setup", "--environment", os.sys.prefix)
    try:
        for path in (*secrets, "new.txt"):
            (laptop.root / path).parent.mkdir(exist_ok=True)
            (laptop.root / path).write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        (laptop.root / "new.txt").write_text("nothing secret\n")
        subprocess.run(["git", "init", "-q", str(nested)], check=True)
        (nested / ".git/config").write_text("[remote]\nurl = https://token@host/x\n")
        (nested / "code.py").write_text("pass\n")

        assert laptop.remote(*setup) == 0
        arrived = {p.relative_to(there / "environment") for p in there.rglob("environment/**/*")}
        assert not arrived & {Path(path) for path in (*secrets, "new.txt", "other")}

        assert laptop.remote("train", "--name", name, "--dirty", *QUICK) == 1
        error = capsys.readouterr().err
        assert "3 file(s) look like secrets" in error
        assert all(f"\n  {path}" in error for path in secrets)
        assert "--allow PATH" in error
        assert not (there / "runs" / name).exists()

        allowed = [word for path in secrets for word in ("--allow", path)]
        assert laptop.remote("train", "--name", name, "--dirty", "--dry-run", *allowed, *QUICK) == 0
        printed = capsys.readouterr().out
        assert "\n  new.txt " in printed
        assert "\n  .env " in printed
        assert "other/" not in printed

        assert laptop.remote("train", "--name", name, "--dirty", *allowed, *QUICK) == 0
        code = there / "runs" / name / "code"
        assert all((code / path).exists() for path in (*secrets, "new.txt"))
        assert not (code / "other").exists()
        wait(laptop, name, capsys)
        # Snakemake gives its own records modes of their own.
        ours = [p for p in there.rglob("*") if ".snakemake" not in p.parts and not p.is_symlink()]
        assert [p for p in (there, *ours) if p.stat().st_mode & 0o077] == []
    finally:
        shutil.rmtree(nested, ignore_errors=True)
        for path in (*secrets, "new.txt"):
            (laptop.root / path).unlink(missing_ok=True)


def test_an_unpushed_commit_is_refused(laptop, name, capsys):
    laptop.git("commit", "-q", "--allow-empty", "-m", "not pushed")
    try:
        assert laptop.remote("train", "--name", name, *QUICK) == 1
        assert "is on no remote" in capsys.readouterr().err
    finally:
        laptop.git("push", "-q", "origin", "work")


def test_inputs_that_git_does_not_track_are_sent_when_named(laptop, loop, name, capsys):
    (laptop.root / "results/in puts").mkdir(parents=True)
    (laptop.root / "results/in puts/film.mp4").write_bytes(os.urandom(5000))
    assert laptop.remote("train", "--name", name, "--send", "results/in puts", *QUICK) == 0
    there = loop.home / f"giblet/runs/{name}/code/results/in puts/film.mp4"
    assert there.read_bytes() == (laptop.root / "results/in puts/film.mp4").read_bytes()
    (laptop.root / "results/in puts/token.txt").write_text("abc")
    assert laptop.remote("train", "--name", f"{name}-c", "--send", "results/in puts", *QUICK) == 1
    assert "results/in puts/token.txt" in capsys.readouterr().err
    assert laptop.remote("train", "--name", f"{name}-b", "--send", "../origin", *QUICK) == 1
    assert "is not inside" in capsys.readouterr().err
    wait(laptop, name, capsys)


@pytest.mark.slow
def test_the_tiny_study_trains_there(laptop, loop, name, capsys):
    tiny = ("--no-slurm", "--configfile", "config/datasets/tiny.yaml")
    target = "results/tiny/train/giblet/metrics.json"
    assert laptop.remote("train", "--name", name, *tiny, "--target", target) == 0
    status = wait(laptop, name, capsys, seconds=500)
    assert status["state"] == "finished", "\n".join(status["log"])
    assert laptop.remote("fetch", "--name", name) == 0
    here = laptop.root / "remote" / "loop" / name
    assert json.loads((here / target).read_text())
    assert list((here / "results/tiny/train/giblet").glob("seed-*/model.safetensors"))
    assert not list(here.rglob(".checkpoints"))
    # What `giblet status` says there, where the code has it.
    if (laptop.root / "giblet/cli/status.py").exists():
        assert status["workflow"], status
        assert laptop.remote("status", "--name", name) == 0
    else:
        assert status["workflow"] is None
