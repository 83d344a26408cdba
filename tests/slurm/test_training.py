"""Training on nodes that are taken away: it goes on from where it was, to the same losses."""

import json
import re
import time
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from tests.slurm.cluster import run, wait_for
from tests.slurm.disturbances import (
    ENOUGH,
    STEPS,
    hang,
    kill_a_rank,
    preempt,
    shorten,
    small_disk,
)
from tests.slurm.workflow import described, slurm_ids, start, wait_for_job
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
# Long enough to be disturbed in, on nodes whose GPUs lead nowhere.
OFTEN = f"'eval_every': {STEPS // 2}, 'checkpoint_every': 2"
LONG = ("--config", f"train={{'steps': {STEPS}, {OFTEN}, 'device': 'cpu'}}")
TWO_NODES = {"GIBLET_SLURM_NODES": "2"}
# In place of all that the profile sets. The limit is lowered once it trains, however long it took
# to get there; then Slurm's signal comes five minutes before. A step can take a minute here.
LIMITED = ("train_network:runtime=60", "train_network:mem_mb=4000")
LIMITED += ("train_network:slurm_extra='--signal=USR1@300'",)
ENDLESS = ("--config", "train={'steps': 100000, 'eval_every': 50000, 'checkpoint_every': 50000}")
# name -> arguments, environment. They train at the same time, to save some.
RUNS = {
    "limited": ((*ENDLESS, "--retries", "0", "--set-resources", *LIMITED), {}),
    "alone": (LONG, {}),
    "nodes": (LONG, TWO_NODES),
    "processes": ((*LONG, "--set-resources", "train_network:tasks=2"), {}),
    "taken": (
        (*LONG, "--retries", "1"),
        {
            "GIBLET_SLURM_PARTITION": "low",
            "GIBLET_SLURM_EXTRA": "--nodelist=n2",
            "GIBLET_SLURM_GPUS": "1",
        },
    ),
    "timed": ((*LONG, "--retries", "1"), {}),
    "overdue": ((*LONG, "--retries", "1"), {}),
    "filled": ((*LONG, "--retries", "0"), {}),
}


@pytest.fixture(scope="module")
def untrained(trained, tmp_path_factory):
    """Makes copies of the trained checkout without the network."""

    def make(name):
        checkout = trained.copy(tmp_path_factory.mktemp(name) / "giblet")
        for path in (checkout.folder / TRAINED).iterdir():
            path.unlink()
        (checkout.folder / LOG).with_suffix(".progress.json").unlink(missing_ok=True)
        return checkout

    return make


@pytest.fixture(scope="module")
def runs(idle, untrained):
    """Trainings in peace and disturbed ones.

    ``end(name)`` waits for one: its checkout, exit code and what it printed; ``fill(False)``
    empties the disk of the one that was out of disk.
    """
    checkouts = {name: untrained(name) for name in RUNS}
    with small_disk(checkouts["filled"].folder / "results/tiny/train") as fill:
        workflows = {
            name: start(checkouts[name], METRICS, *arguments, **variables)
            for name, (arguments, variables) in RUNS.items()
        }
        disturb_each(
            workflows,
            taken=preempt,
            # What Slurm does before a time limit that was submitted with --signal=USR1@300.
            timed=lambda: run("scancel", "--signal=USR1", told(workflows["timed"], "slurm_job_id")),
            overdue=lambda: hang(
                told(workflows["overdue"], "pid"), told(workflows["overdue"], "slurm_job_id")
            ),
            limited=lambda: shorten(told(workflows["limited"], "slurm_job_id"), minutes=6),
            filled=lambda: fill(True),
        )

        @cache
        def end(name):
            return checkouts[name], *workflows[name].finish()

        yield SimpleNamespace(end=end, fill=fill)


@pytest.fixture
def alone(runs):
    """A training in peace, in one process."""
    checkout, code, output = runs.end("alone")
    assert code == 0, output[-4000:]
    return checkout


def disturb_each(workflows, **disturbances):
    """Disturb trainings, each as soon as it has taken some steps."""
    left = dict(disturbances)

    def all_done():
        for name in [name for name in left if has_come_to(workflows[name], ENOUGH)]:
            left.pop(name)()
        return not left

    wait_for(f"step {ENOUGH} of {list(left)}", all_done, 1800)


def has_come_to(workflow, step):
    """Whether a training, which must go on, has taken some steps."""
    assert workflow.process.poll() is None, workflow.output.read_text()[-4000:]
    return told(workflow, "state") == "training" and told(workflow, "step") >= step


def told(workflow, key):
    """What the training says of itself."""
    try:
        text = (workflow.checkout.folder / LOG).with_suffix(".progress.json").read_text()
    except FileNotFoundError:
        return {"state": "", "step": 0}[key]
    return json.loads(text)[key]


def same_curve(checkout, other):
    """Two trainings with the same losses at every evaluation."""
    found, expected = (losses(c.folder / TRAINED) for c in (checkout, other))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def said_in_slurm_log(checkout, job):
    """Text of the log that Slurm kept of a job."""
    (log,) = (checkout.folder / "logs/slurm").rglob(f"{job}.log")
    return log.read_text()


def the_error(output):
    """The one line that says why a training ended."""
    (line,) = set(re.findall(r"^ *\w+Error: (.*)$", output, re.MULTILINE)) - {""}
    return line


def resumed_at(checkout):
    """Step after which the last training went on."""
    (step,) = re.findall(r"resuming after step (\d+)", (checkout.folder / LOG).read_text())
    return int(step)


@pytest.mark.parametrize(("name", "n_nodes"), [("nodes", "2"), ("processes", "1")])
def test_two_nodes_and_two_processes_give_the_losses_of_one(runs, alone, name, n_nodes):
    checkout, code, output = runs.end(name)
    assert code == 0, output[-4000:]
    assert json.loads((checkout.folder / METRICS).read_text())["processes"] == 2
    assert described(slurm_ids(output)[0])["NumNodes"] == n_nodes
    same_curve(checkout, alone)


@pytest.mark.parametrize(("name", "signal"), [("taken", "SIGTERM"), ("timed", "SIGUSR1")])
def test_preempted_or_told_of_its_time_limit_it_goes_on(runs, alone, name, signal):
    checkout, code, output = runs.end(name)
    assert code == 0, output[-4000:]
    first, _ = slurm_ids(output)
    assert described(first)["JobState"] == "FAILED"
    said = said_in_slurm_log(checkout, first)
    (step,) = set(re.findall(rf"stopped by {signal} after step (\d+) of {STEPS}", said))
    assert resumed_at(checkout) == int(step)
    same_curve(checkout, alone)
    if name == "taken":
        wait_for_job("stronger", "COMPLETED")


def test_killed_at_its_time_limit_it_goes_on_from_its_last_checkpoint(runs, alone):
    checkout, code, output = runs.end("overdue")
    assert code == 0, output[-4000:]
    first, second = slurm_ids(output)
    assert described(first)["JobState"] == "TIMEOUT"
    assert described(second)["JobState"] == "COMPLETED"
    (line,) = [line for line in output.splitlines() if "TIMEOUT" in line]
    assert f"SLURM-job '{first}' failed, SLURM status is: 'TIMEOUT'" in line
    assert resumed_at(checkout) >= ENOUGH - 1
    same_curve(checkout, alone)


def test_it_is_told_before_its_time_is_up(runs):
    checkout, code, output = runs.end("limited")
    assert code == 1
    (job,) = slurm_ids(output)
    assert described(job)["JobState"] == "FAILED", "it was killed at its limit"
    (said,) = set(re.findall(r"stopped by SIGUSR1 after step \d+ of 100000", output))
    step = int(said.split()[5])
    checkpoints = (checkout.folder / "results/tiny/train/.checkpoints").glob("*/step-*")
    assert f"step-{step:08d}.safetensors" in {path.name for path in checkpoints}


def test_out_of_disk_it_says_so_and_goes_on_when_there_is_room(runs, alone):
    checkout, code, output = runs.end("filled")
    assert code == 1
    assert "no space for a checkpoint" in the_error(output)
    assert "Traceback" not in (checkout.folder / LOG).read_text()
    runs.fill(False)
    code, output = start(checkout, METRICS, *LONG, "--retries", "0").finish()
    assert code == 0, output[-4000:]
    assert resumed_at(checkout) >= ENOUGH - 1
    same_curve(checkout, alone)


def test_a_killed_process_and_a_vanished_node_cost_the_steps_since_the_last_checkpoint(
    idle, runs, untrained
):
    # Nothing else may be there when a node vanishes.
    for name in RUNS:
        runs.end(name)
    checkout = untrained("killed")
    workflow = start(checkout, METRICS, *LONG, "--retries", "0", **TWO_NODES)
    disturb_each({"killed": workflow}, killed=lambda: kill_a_rank(1))
    code, output = workflow.finish()
    assert code == 1
    assert "task 1: Killed" in the_error(output)
    assert "the last checkpoint is kept, run again to go on from it" in the_error(output)
    assert not (checkout.folder / METRICS).exists()
    step = told(workflow, "step")
    workflow = start(checkout, METRICS, *LONG, "--retries", "2", **TWO_NODES)
    first = wait_for_job("rule_train_network")
    wait_for("some more steps", lambda: has_come_to(workflow, step + ENOUGH), 400)
    assert resumed_at(checkout) >= ENOUGH - 1
    idle.vanish("n2")
    wait_for("the job ends", lambda: described(first)["JobState"] != "RUNNING", 120)
    assert "Node failure on n2" in (checkout.folder / LOG).read_text()
    idle.start_node("n2")
    # Slurm starts the job again after two minutes; once both nodes are rid of it, at once will do.
    wait_for("the job is back", lambda: described(first)["JobState"] == "PENDING", 120)
    idle.wait_idle(120)
    time.sleep(5)
    run("scontrol", "update", f"JobId={first}", "StartTime=now")
    code, output = workflow.finish()
    assert code == 0, output[-4000:]
    assert resumed_at(checkout) >= 2 * ENOUGH - 2
    same_curve(checkout, runs.end("nodes")[0])
