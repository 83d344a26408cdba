"""From resources to processes, and the job that waits for them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from giblet.errors import TrainError
from giblet.train.launch import plan_of
from giblet.train.stopping import SAME_S, SIGNALS
from tests.support.checkout import heed_interrupts
from tests.support.networks import NETWORK, TRAINING
from tests.support.processes import ROOT, clean_environment, ended
from tests.support.study_files import make_study


@pytest.mark.parametrize(
    ("resources", "threads", "processes", "gpus", "each", "starter"),
    [
        ({}, 2, 1, 0, 2, ""),
        ({"mem_mb": 3000, "tmpdir": "/tmp"}, 8, 1, 0, 8, ""),
        ({"gpu": 1}, 4, 1, 1, 4, ""),
        ({"gpu": 8}, 16, 8, 8, 2, "-m giblet.train.spawn 8"),
        ({"gpu": 8, "tasks": 1}, 16, 1, 8, 16, ""),
        ({"tasks": 2}, 1, 2, 0, 1, "-m giblet.train.spawn 2"),
        ({"gres": "gpu:a100:4"}, 4, 4, 4, 1, "-m giblet.train.spawn 4"),
        ({"gres": "gpu:2,craynetwork:1"}, 4, 2, 2, 2, "-m giblet.train.spawn 2"),
        ({"mpi": "srun", "tasks": 4, "nodes": 2, "gpu": 2}, 6, 4, 2, 6,
         "srun --ntasks=4 --cpus-per-task=6 --nodes=2 --kill-on-bad-exit=1"),
        ({"mpi": "srun --mpi=none", "tasks_per_node": 8, "nodes": 3}, 1, 24, 0, 1,
         "srun --mpi=none --ntasks=24 --cpus-per-task=1 --nodes=3 --kill-on-bad-exit=1"),
    ],
)  # fmt: skip
def test_resources_say_how_many_processes(resources, threads, processes, gpus, each, starter):
    plan = plan_of(resources, threads)
    assert (plan.processes, plan.gpus, plan.threads) == (processes, gpus, each)
    command = " ".join(plan.starter)
    assert starter in command
    assert bool(command) == bool(starter)


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"mpi": "srun"}, "neither tasks nor tasks_per_node says how many processes"),
        ({"mpi": "mpirun", "tasks": 2}, "mpi is 'mpirun'; giblet knows how srun numbers"),
        ({"nodes": 2, "tasks": 2}, "nodes is 2, but without mpi all processes .*mpi: srun"),
        ({"tasks": "two"}, "tasks is 'two', not a whole number"),
    ],
)
def test_resources_that_cannot_be_are_named(resources, message):
    with pytest.raises(TrainError, match=message):
        plan_of(resources, 2)


# Runs the rule's script as Snakemake does, with the job that stands in the file of the argument.
SCRIPT = """
import json, runpy, sys
from types import SimpleNamespace

class Named(dict):
    __getattr__ = dict.__getitem__
    def __getitem__(self, key):
        return list(self.values())[key] if isinstance(key, int) else dict.__getitem__(self, key)

given = json.load(open(sys.argv[1]))
job = SimpleNamespace(
    **{k: Named(given[k]) for k in ("input", "output", "params", "log", "resources")},
    rule="train_network", threads=2,
)
runpy.run_path("workflow/scripts/train_network.py", {"snakemake": job})
"""


class Rule:
    """A run of the rule's script."""

    def __init__(self, folder, **resources):
        self.folder, self.log = folder, folder / "log" / "train.log"
        study = folder / "study.h5"
        if not study.exists():
            make_study(study, (70, 70), n_voxels=40, gap_trs=8)
        names = {"model": "model.safetensors", "last": "last.safetensors", "kwargs": "model.json"}
        names |= {"history": "history.csv", "metrics": "metrics.json"}
        settings = {**TRAINING, **NETWORK, "steps": 400, "batch_windows": 3}
        self.given = {
            "input": {"study": str(study)},
            "output": {k: str(folder / "small" / name) for k, name in names.items()},
            "params": {
                **settings, "seed": "1", "checkpoints": str(folder / "checkpoints"), "code": "x"
            },
            "log": {"log": str(self.log)}, "resources": resources,
        }  # fmt: skip

    def start(self, before=heed_interrupts, **more):
        (self.folder / "job.json").write_text(json.dumps(self.given))
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(self.folder / "job.json")], cwd=ROOT, text=True,
            env=clean_environment(**more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            process_group=0, preexec_fn=before,
        )  # fmt: skip

    def progress(self):
        try:
            return json.loads((self.folder / "log" / "train.progress.json").read_text())
        except FileNotFoundError:
            return {"step": 0, "pid": None}

    def until_step(self, process, step=1):
        deadline = time.monotonic() + 450
        while self.progress()["step"] < step:
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return self.progress()


@pytest.mark.parametrize("resources", [{}, {"tasks": 2}], ids=["one", "two"])
def test_a_job_that_is_asked_to_stop_ends_with_75_and_says_so(tmp_path, resources):
    rule = Rule(tmp_path, **resources)
    process = rule.start()
    rule.until_step(process)
    process.send_signal(signal.SIGUSR1)
    status, out = ended(process)
    log = rule.log.read_text()
    assert status == 75, out + log
    stopped = r"Stopped: stopped by SIGUSR1 after step \d+ of 400; run again to go on from there"
    assert re.search(f"rule train_network: {stopped}", out)
    assert re.search(f"^{stopped}$", log, re.MULTILINE)
    assert "Traceback" not in log + out
    assert rule.progress()["state"] == "stopped"
    assert not (tmp_path / "small" / "model.safetensors").exists()
    if resources:
        assert log.startswith("2 processes, 1 threads each: ")


@pytest.mark.parametrize("resources", [{}, {"tasks": 2}], ids=["one", "two"])
def test_ctrl_c_ends_a_job_with_a_checkpoint(tmp_path, resources):
    rule = Rule(tmp_path, **resources)
    process = rule.start()
    rule.until_step(process)
    os.killpg(process.pid, signal.SIGINT)
    status, out = ended(process)
    log = rule.log.read_text()
    assert status == 75, out + log
    (step,) = re.findall(r"stopped by SIGINT after step (\d+) of 400; run again to go on", out)
    assert "Traceback" not in log + out
    assert list(tmp_path.glob(f"checkpoints/*/step-{int(step):08d}.safetensors"))


def test_a_second_ctrl_c_ends_processes_that_wait_for_one_that_hangs(tmp_path):
    rule = Rule(tmp_path, tasks=2)
    process = rule.start()
    first = rule.until_step(process)["pid"]
    others = [p.pid for p in psutil.Process(process.pid).children(recursive=True)]
    (second,) = [pid for pid in others if pid != first and is_worker(pid)]
    os.kill(second, signal.SIGSTOP)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(1.5 * SAME_S)
    assert process.poll() is None
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    status, out = ended(process)
    os.kill(second, signal.SIGCONT)
    assert status == 1
    assert time.monotonic() - began < 10
    said = "TrainError: interrupted a second time, and ended at once; the last checkpoint is kept"
    assert said in out
    assert "Traceback" not in rule.log.read_text() + out
    assert rule.progress()["state"] == "failed"
    deadline = time.monotonic() + 60
    while is_worker(first) or is_worker(second):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_worker(pid):
    try:
        return b"giblet.train.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


WAITING = """
import time
from giblet.train.stopping import Asked
with Asked() as asked:
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
"""


def test_copies_of_one_ctrl_c_are_one_and_a_second_ends_a_process():
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    for number in (signal.SIGUSR1, signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(0.1)
    time.sleep(1.5 * SAME_S)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    process.stdout.close()


def ignore_all():
    for sign in SIGNALS:
        signal.signal(sign, signal.SIG_IGN)


def test_a_ctrl_c_that_was_to_be_ignored_is_but_not_what_a_cluster_sends(tmp_path):
    rule = Rule(tmp_path, tasks=2)
    process = rule.start(ignore_all)
    rule.until_step(process)
    os.killpg(process.pid, signal.SIGINT)
    step = rule.progress()["step"]
    rule.until_step(process, step + 20)
    process.send_signal(signal.SIGUSR1)
    status, out = ended(process)
    assert status == 75, out + rule.log.read_text()
    assert "stopped by SIGUSR1" in out


def test_workers_go_when_their_job_is_killed_and_its_log_is_whole(tmp_path):
    rule = Rule(tmp_path, tasks=2)
    process = rule.start()
    worker = rule.until_step(process)["pid"]
    process.kill()
    deadline = time.monotonic() + 180
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() < deadline, "the worker outlived its job"
        time.sleep(0.1)
    process.communicate()
    assert "step 0/400" in rule.log.read_text()


def test_the_cause_is_in_the_message_of_the_job(tmp_path):
    rule = Rule(tmp_path, tasks=5)
    status, out = ended(rule.start())
    assert status == 1
    assert re.search(
        r"rule train_network: TrainError: rank \d of 5 on \S+: TrainError: train/batch_windows is "
        r"3, but 5 processes share a batch and each needs a window: ask for at most 3.*", out,
    )  # fmt: skip
    assert rule.progress()["state"] == "failed"
    assert "batch_windows" in rule.progress()["message"]


def test_a_command_that_is_not_there_is_named(tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    rule = Rule(tmp_path, mpi="srun", tasks=2)
    status, out = ended(rule.start(PATH=str(empty)))
    assert status == 1
    assert "TrainError: srun: cannot be started" in out
    assert os.environ["PATH"]
