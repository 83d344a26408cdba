"""``giblet remote`` on a login node: jobs through a real Slurm, and the run itself as a job."""

import sys
import time
import uuid
from pathlib import Path

import pytest

from tests.support.ssh_host import Laptop, loopback, processes_of, status_of

slurm = pytest.importorskip("tests.slurm.cluster", reason="the tests' own Slurm is not here")

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.slow,
    pytest.mark.timeout(2400),
]

# What remote hands to a profile, without the resources of the real one.
PROFILE = """\
__use_yte__: true
__definitions__:
  - import os
executor: slurm
jobs: 4
retries: 0
latency-wait: 20
slurm-status-command: squeue
slurm-init-seconds-before-status-checks: 1
set-resources:
  train_network:
    gpu: ?int(os.environ["GIBLET_SLURM_GPUS"])
    mem_mb: 300
"""
QUICK = ("--gpus", "2", "--", "--snakefile", "quick/Snakefile")


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    """The host that stands for the login node."""
    yield from loopback(tmp_path_factory.mktemp("ssh"))


@pytest.fixture
def name():
    """A name that no other run has."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def login(cluster, loop, tmp_path_factory):
    """A checkout with the profile, and the host set up from it."""
    laptop = Laptop(tmp_path_factory.mktemp("login"), loop)
    profile = laptop.root / "profiles/slurm/config.yaml"
    profile.parent.mkdir(exist_ok=True)
    profile.write_text(PROFILE)
    laptop.commit()
    assert laptop.remote("setup", "--environment", sys.prefix) == 0
    return laptop


def ended(login, name, capsys, *where, seconds=300):
    deadline = time.monotonic() + seconds
    while (status := status_of(login, capsys, "--name", name, *where))["state"] == "running":
        assert time.monotonic() < deadline, status
        time.sleep(2)
    return status


def started_training(login, name, folder="giblet", seconds=180):
    step = login.host.home / folder / f"runs/{name}/code/results/quick/train/.checkpoints/step"
    deadline = time.monotonic() + seconds
    while not step.exists():
        assert time.monotonic() < deadline, slurm.run("squeue")
        time.sleep(0.5)
    return step


def jobs(name):
    """Those of one run; others may be there."""
    listed = slurm.run("squeue", "--noheader", "--format=%A %T %j %Z").splitlines()
    return [line for line in listed if name in line]


def test_jobs_go_through_slurm_where_it_is(login, name, capsys):
    assert login.remote("train", "--name", name, *QUICK) == 0
    status = ended(login, name, capsys)
    assert status["state"] == "finished", "\n".join(status["log"])
    assert status["how"] == "tmux"
    assert login.remote("fetch", "--name", name) == 0
    here = login.root / "remote/loop" / name
    assert (here / "results/quick/train/gpus.txt").read_text() == "2"
    assert "submitted with SLURM jobid" in (here / "run.log").read_text()


def test_cancel_takes_the_jobs_along(login, loop, name, capsys):
    assert login.remote("train", "--name", name, *QUICK, "--config", "sleep_s=600") == 0
    started_training(login, name)
    assert jobs(name)
    capsys.readouterr()
    assert login.remote("cancel", "--name", name) == 0
    assert "after the interrupt" in capsys.readouterr().out
    assert status_of(login, capsys, "--name", name)["state"] == "cancelled"
    deadline = time.monotonic() + 60
    while jobs(name) or processes_of(loop, name):
        assert time.monotonic() < deadline, slurm.run("squeue")
        time.sleep(0.5)


@pytest.fixture(scope="module")
def without_tmux(login, tmp_path_factory):
    """Options for a folder whose runs find every program but tmux."""
    programs = tmp_path_factory.mktemp("programs")
    for folder in ("/usr/bin", "/bin"):
        for program in Path(folder).iterdir():
            if program.name != "tmux" and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    where = ("--folder", "no-tmux")
    before = f"export PATH={programs}"
    assert login.remote("setup", *where, "--before", before, "--environment", sys.prefix) == 0
    return where


def test_without_tmux_the_run_is_a_job(login, loop, without_tmux, name, capsys):
    assert login.remote("train", "--name", name, *without_tmux, "--no-slurm", *QUICK) == 0
    printed = capsys.readouterr().out
    assert "  job:    " in printed
    status = ended(login, name, capsys, *without_tmux)
    assert status["state"] == "finished", "\n".join(status["log"])
    assert status["how"] == "slurm"
    assert status["what"] in printed


def test_a_run_that_is_a_job_is_cancelled_by_an_interrupt(login, loop, without_tmux, name, capsys):
    extra = ("--no-slurm", *QUICK, "--config", "sleep_s=600")
    assert login.remote("train", "--name", name, *without_tmux, *extra) == 0
    step = started_training(login, name, folder="no-tmux")
    capsys.readouterr()
    assert login.remote("cancel", "--name", name, *without_tmux) == 0
    assert "after the interrupt" in capsys.readouterr().out
    assert (step.parent / "stopped").exists()
    assert not jobs(name)
    assert status_of(login, capsys, "--name", name, *without_tmux)["state"] == "cancelled"
