"""Training on nodes that are taken away: it goes on from where it was, to the same losses."""

import json
import os
import re
import subprocess
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.slurm.cluster import run, wait_for
from tests.slurm.workflow import described, finish, slurm_ids, start, wait_for_job
from tests.support.processes import losses

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.workflow,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
]

TRAINED = "results/tiny/train/giblet/seed-2026"
METRICS = f"{TRAINED}/metrics.json"
LOG = "logs/tiny/train/giblet_seed-2026.log"
# Long enough to be disturbed in.
LONG = ("--config", "train={'steps': 30, 'eval_every': 10, 'checkpoint_every': 2}")
TWO_NODES = {"GIBLET_SLURM_NODES": "2"}


@pytest.fixture
def untrained(trained, tmp_path_factory):
    """Makes copies of the trained checkout without the network."""

    def make():
        checkout = trained.copy(tmp_path_factory.mktemp("untrained") / "giblet")
        for path in (checkout.folder / TRAINED).iterdir():
            path.unlink()
        (checkout.folder / LOG).with_suffix(".progress.json").unlink(missing_ok=True)
        return checkout

    return make


@pytest.fixture(scope="module")
def undisturbed(idle, trained, tmp_path_factory):
    """Trainings in peace, in one process and on two nodes; they end while others are disturbed."""
    runs = {}
    for nodes in (1, 2):
        checkout = trained.copy(tmp_path_factory.mktemp("undisturbed") / "giblet")
        runs[nodes] = checkout, start(checkout, METRICS, *LONG, GIBLET_SLURM_NODES=str(nodes))

    @cache
    def on(nodes):
        checkout, process = runs[nodes]
        code, output = finish(process)
        assert code == 0, output[-4000:]
        return checkout

    return on


def same_curve(checkout, other):
    """Two trainings with the same losses at every evaluation."""
    found, expected = (losses(c.folder / TRAINED) for c in (checkout, other))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def progress(checkout):
    """What the training says of itself."""
    try:
        return json.loads((checkout.folder / LOG).with_suffix(".progress.json").read_text())
    except FileNotFoundError:
        return {"state": "", "step": 0}


def wait_for_step(checkout, process, step=3):
    """Wait until a training has taken some steps."""

    def there():
        assert process.poll() is None, process.communicate()[0][-4000:]
        found = progress(checkout)
        return found["state"] == "training" and found["step"] >= step

    wait_for(f"step {step}", there, 400)


def said_in_slurm_log(checkout, job):
    """Text of the log that Slurm kept of a job."""
    (log,) = (checkout.folder / "logs/slurm").rglob(f"{job}.log")
    return log.read_text()


def stopped_at(text, signal):
    """Step after which a training said it stopped, once."""
    (step,) = set(re.findall(rf"stopped by {signal} after step (\d+) of 30", text))
    return int(step)


def the_error(output):
    """The one line that says why a training ended."""
    (line,) = set(re.findall(r"^ *\w+Error: (.*)$", output, re.MULTILINE)) - {""}
    return line


def resumed_at(checkout):
    """Step after which the last training went on."""
    (step,) = re.findall(r"resuming after step (\d+)", (checkout.folder / LOG).read_text())
    return int(step)


def test_two_nodes_and_two_processes_give_the_losses_of_one(trained, untrained, undisturbed):
    nodes, processes = untrained(), untrained()
    runs = [
        start(nodes, METRICS, **TWO_NODES),
        start(processes, METRICS, "--set-resources", "train_network:tasks=2"),
    ]
    for process, checkout in zip(runs, (nodes, processes)):
        code, output = finish(process)
        assert code == 0, output[-4000:]
        metrics = json.loads((checkout.folder / METRICS).read_text())
        assert metrics["processes"] == 2
        same_curve(checkout, trained)
    assert described(slurm_ids(output)[0])["NumNodes"] == "1"
    # The next test wants the nodes for itself.
    assert undisturbed(1) != undisturbed(2)


def test_preempted_told_of_its_time_limit_or_out_of_disk_it_goes_on(untrained, undisturbed):
    taken, timed, filled = untrained(), untrained(), untrained()
    with small_disk(filled.folder / "results/tiny/train") as fill:
        runs = {
            "taken": start(
                taken, METRICS, *LONG, "--retries", "1",
                GIBLET_SLURM_PARTITION="low", GIBLET_SLURM_EXTRA="--nodelist=n2",
            ),
            "timed": start(timed, METRICS, *LONG, "--retries", "1",
                           GIBLET_SLURM_EXTRA="--nodelist=n1"),
            "filled": start(filled, METRICS, *LONG, "--retries", "0",
                            GIBLET_SLURM_EXTRA="--nodelist=n1"),
        }  # fmt: skip
        wait_for_step(taken, runs["taken"])
        high = ["--partition=high", "--nodelist=n2", "--exclusive", "--output=/dev/null"]
        run("sbatch", *high, "--comment=stronger", "--wrap=sleep 3")
        wait_for_step(timed, runs["timed"])
        # What Slurm does before a time limit that was submitted with --signal=USR1@300.
        run("scancel", "--signal=USR1", running_in(timed))
        wait_for_step(filled, runs["filled"])
        fill(True)
        ends = {name: finish(process) for name, process in runs.items()}
        for name, checkout, signal in (("taken", taken, "SIGTERM"), ("timed", timed, "SIGUSR1")):
            code, output = ends[name]
            assert code == 0, output[-4000:]
            first, _ = slurm_ids(output)
            assert described(first)["JobState"] == "FAILED"
            step = stopped_at(said_in_slurm_log(checkout, first), signal)
            assert resumed_at(checkout) == step
            same_curve(checkout, undisturbed(1))
        wait_for_job("stronger", "COMPLETED")
        code, output = ends["filled"]
        assert code == 1
        assert "no space for a checkpoint" in the_error(output)
        assert "Traceback" not in (filled.folder / LOG).read_text()
        fill(False)
        code, output = finish(start(filled, METRICS, *LONG, "--retries", "0"))
        assert code == 0, output[-4000:]
        assert resumed_at(filled) >= 2
        same_curve(filled, undisturbed(1))


def running_in(checkout):
    """Slurm's number of the training that runs in a checkout."""
    return progress(checkout)["slurm_job_id"]


@contextmanager
def small_disk(folder):
    """A file system of 256 MB as a folder; yields what fills it up and empties it."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    ballast = folder / "ballast"

    def fill(up):
        if up:
            room = os.statvfs(folder)
            ballast.write_bytes(bytes(room.f_bavail * room.f_frsize))
        else:
            ballast.unlink()

    try:
        yield fill
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_killed_process_and_a_vanished_node_cost_the_steps_since_the_last_checkpoint(
    idle, untrained, undisturbed
):
    # These must not be there when a node vanishes.
    expected = [undisturbed(nodes) for nodes in (1, 2)][-1]
    checkout = untrained()
    process = start(checkout, METRICS, *LONG, "--retries", "0", **TWO_NODES)
    wait_for_step(checkout, process)
    kill_a_rank(1)
    code, output = finish(process)
    assert code == 1
    assert "task 1: Killed" in the_error(output)
    assert "the last checkpoint is kept, run again to go on from it" in the_error(output)
    assert not (checkout.folder / METRICS).exists()
    process = start(checkout, METRICS, *LONG, "--retries", "2", **TWO_NODES)
    first = wait_for_job("rule_train_network")
    wait_for_step(checkout, process, progress(checkout)["step"] + 3)
    assert resumed_at(checkout) >= 2
    idle.vanish("n2")
    wait_for("the job ends", lambda: described(first)["JobState"] != "RUNNING", 120)
    assert "Node failure on n2" in (checkout.folder / LOG).read_text()
    idle.start_node("n2")
    # Slurm starts the job again after two minutes; once both nodes are rid of it, at once will do.
    wait_for("the job is back", lambda: described(first)["JobState"] == "PENDING", 120)
    idle.wait_idle(120)
    time.sleep(5)
    run("scontrol", "update", f"JobId={first}", "StartTime=now")
    code, output = finish(process)
    assert code == 0, output[-4000:]
    assert resumed_at(checkout) >= 4
    same_curve(checkout, expected)


def kill_a_rank(rank):
    """SIGKILL to one process of the training that runs, chosen by its rank."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
    workers = re.findall(r"^ *(\d+) \S*python\S* -m giblet\.train\.worker ", listed, re.MULTILINE)
    for pid in map(int, workers):
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if f"SLURM_PROCID={rank}".encode() in variables:
            os.kill(pid, 9)
            return
    raise AssertionError(f"no process with rank {rank} among {workers}")
