"""What users of the profile see: jobs that work, and jobs that end as jobs on clusters do."""

from functools import cache

import pytest

from tests.slurm.cluster import run
from tests.slurm.workflow import described, slurm_ids, start

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.workflow,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
]

ON_CPU = "--config train={'device':'cpu'}"
NETWORK = "results/tiny/train/giblet/seed-2026/metrics.json"
# name -> target, further arguments, environment. They wait for Slurm together, to save time.
RUNS = {
    "bad partition": (
        "results/tiny/brain/ceiling.h5",
        "--forcerun brain_ceiling --retries 0",
        {"GIBLET_SLURM_PARTITION": "nonesuch"},
    ),
    "out of memory": (
        "results/tiny/brain/ceiling.h5",
        "--forcerun brain_ceiling --retries 1 --set-resources brain_ceiling:mem_mb=100*attempt**5",
        {},
    ),
    "damaged input": (
        "results/tiny/align/run-1/regressors.h5",
        "--forcerun align_regressors --retries 0",
        {},
    ),
    "array": (
        "brain",
        "--forcerun brain_run --groups train_codec=none --slurm-array-jobs brain_run "
        "--slurm-keep-successful-logs",
        {},
    ),
    "gpus": (NETWORK, f"--forcerun train_network {ON_CPU}", {"GIBLET_SLURM_GPUS": "1"}),
    "gres": (
        NETWORK,
        f"--forcerun train_network {ON_CPU}",
        {"GIBLET_SLURM_GPUS": "1", "GIBLET_SLURM_GPU_REQUEST": "gres"},
    ),
}


@pytest.fixture(scope="module")
def ends(trained, tmp_path_factory):
    """Gives for the name of a run its checkout, exit code and what it printed, when it ends."""
    checkouts = {
        name: trained.copy(tmp_path_factory.mktemp(name.replace(" ", "-")) / "giblet")
        for name in RUNS
    }
    features = checkouts["damaged input"].folder / "results/tiny/features/run-1/audio.h5"
    features.write_bytes(features.read_bytes()[:1000])
    workflows = {
        name: start(checkouts[name], target, *arguments.split(), **variables)
        for name, (target, arguments, variables) in RUNS.items()
    }

    @cache
    def end_of(name):
        return checkouts[name], *workflows[name].finish()

    return end_of


def test_the_whole_run_was_few_slurm_jobs(trained):
    said = run("squeue", "--noheader", "--states=all", "--format=%k").splitlines()
    for comment in (
        "rule_films_simulate_film",
        "rule_planted_simulate_",
        "rule_runs_",
        "rule_brain_space",
        "rule_scans_brain_run",
        "rule_study_align_s",
        "rule_train_network_wildcards_2026",
        "rule_train_baseline",
    ):
        assert sum(line.startswith(comment) for line in said) >= 1, (comment, said)
    assert len(list((trained.folder / "logs/slurm").rglob("*.log"))) == 8


def test_a_partition_that_is_not_there_is_named(ends):
    _, code, output = ends("bad partition")
    assert code == 1
    assert "invalid partition specified: nonesuch" in output
    assert "Traceback" not in output


def test_a_job_out_of_memory_is_run_again_with_more(ends):
    checkout, code, output = ends("out of memory")
    first, second = slurm_ids(output)
    assert code == 0, output[-3000:]
    assert described(first)["JobState"] in ("OUT_OF_MEMORY", "FAILED")
    assert described(second)["JobState"] == "COMPLETED"
    (log,) = (checkout.folder / "logs/slurm").rglob(f"{first}.log")
    assert "exceeded memory limit" in log.read_text()
    assert str(log) in output


def test_what_a_failed_job_said_is_shown_and_kept(ends):
    checkout, code, output = ends("damaged input")
    assert code == 1
    assert "StoreError: " in output
    assert "results/tiny/features/run-1/audio.h5" in output
    (job,) = slurm_ids(output)
    assert list((checkout.folder / "logs/slurm").rglob(f"{job}.log"))


def test_an_array_is_one_submission_for_all_scans(ends):
    checkout, code, output = ends("array")
    assert code == 0, output[-3000:]
    assert "Submitted array job" in output
    assert "The individual task IDs are 1-4" in output
    assert len(list((checkout.folder / "logs/slurm/rule_brain_run").glob("*_[1-4].log"))) == 4


@pytest.mark.parametrize(("way", "key"), [("gpus", "TresPerJob"), ("gres", "TresPerNode")])
def test_a_gpu_is_asked_for_and_given(ends, way, key):
    _, code, output = ends(way)
    assert code == 0, output[-3000:]
    job = described(slurm_ids(output)[0])
    assert job[key] in ("gres:gpu:1", "gpu:1")
    assert job["JOB_GRES"] == "gpu:1"
