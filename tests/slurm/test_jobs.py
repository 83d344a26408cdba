"""What users of the profile see: jobs that work, and jobs that end as jobs on clusters do."""

import pytest

from tests.slurm.cluster import run
from tests.slurm.workflow import described, finish, slurm_ids, start

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.workflow,
    pytest.mark.slow,
    pytest.mark.xdist_group("slurm"),
    pytest.mark.timeout(1500),
]

ON_CPU = ("--config", "train={'device': 'cpu'}")
# name -> target, further arguments, environment. They wait for Slurm together, to save time.
RUNS = {
    "bad partition": (
        "align",
        ["--forcerun", "align_splits", "--retries", "0"],
        {"GIBLET_SLURM_PARTITION": "nonesuch"},
    ),
    "out of memory": (
        "results/tiny/brain/ceiling.h5",
        ["--forcerun", "brain_ceiling", "--retries", "1"]
        + ["--set-resources", "brain_ceiling:mem_mb=100 if attempt == 1 else 3000"],
        {},
    ),
    "time limit": (
        "results/tiny/train/giblet/seed-2026/metrics.json",
        ["--retries", "0", "--set-resources", "train_network:runtime=1", "--config"]
        + ["train={'steps': 100000, 'eval_every': 50000, 'checkpoint_every': 50000}"],
        {},
    ),
    "damaged input": (
        "results/tiny/align/run-1/regressors.h5",
        ["--forcerun", "align_regressors", "--retries", "0"],
        {},
    ),
    "array": (
        "brain",
        ["--forcerun", "brain_run", "--groups", "train_codec=none"]
        + ["--slurm-array-jobs", "brain_run", "--slurm-keep-successful-logs"],
        {},
    ),
    "gpus": (
        "results/tiny/train/giblet/seed-2026/metrics.json",
        ["--forcerun", "train_network", *ON_CPU],
        {"GIBLET_SLURM_GPUS": "1"},
    ),
    "gres": (
        "results/tiny/train/giblet/seed-2026/metrics.json",
        ["--forcerun", "train_network", *ON_CPU],
        {"GIBLET_SLURM_GPUS": "1", "GIBLET_SLURM_GPU_REQUEST": "gres"},
    ),
}


@pytest.fixture(scope="module")
def ends(trained, tmp_path_factory):
    """Name of a run -> its checkout, exit code and what it printed."""
    checkouts = {
        name: trained.copy(tmp_path_factory.mktemp(name.replace(" ", "-")) / "giblet")
        for name in RUNS
    }
    features = checkouts["damaged input"].folder / "results/tiny/features/run-1/audio.h5"
    features.write_bytes(features.read_bytes()[:1000])
    processes = {
        name: start(checkouts[name], target, *arguments, **variables)
        for name, (target, arguments, variables) in RUNS.items()
    }
    return {name: (checkouts[name], *finish(process)) for name, process in processes.items()}


def test_every_job_of_the_whole_run_was_a_slurm_job(trained):
    said = run("squeue", "--noheader", "--states=all", "--format=%k").splitlines()
    for comment in (
        "rule_films_simulate_film",
        "rule_planted_",
        "rule_runs_",
        "rule_scans_brain_run",
        "rule_study_align_s",
        "rule_brain_space",
        "rule_train_network",
        "rule_train_baseline",
    ):
        assert any(line.startswith(comment) for line in said), (comment, said)
    logs = list((trained.folder / "logs/slurm").rglob("*.log"))
    assert len(logs) >= 8


def test_a_partition_that_is_not_there_is_named(ends):
    _, code, output = ends["bad partition"]
    assert code == 1
    assert "invalid partition specified: nonesuch" in output
    assert "Traceback" not in output


def test_a_job_out_of_memory_is_run_again_with_more(ends):
    checkout, code, output = ends["out of memory"]
    first, second = slurm_ids(output)
    assert code == 0, output[-3000:]
    assert described(first)["JobState"] in ("OUT_OF_MEMORY", "FAILED")
    assert described(second)["JobState"] == "COMPLETED"
    (log,) = (checkout.folder / "logs/slurm").rglob(f"{first}.log")
    assert "exceeded memory limit" in log.read_text()
    assert str(log) in output


def test_a_job_over_its_time_is_said_to_be(ends):
    _, code, output = ends["time limit"]
    assert code == 1
    assert "SLURM status is: 'TIMEOUT'" in output or "SLURM status is: 'FAILED'" in output


def test_what_a_failed_job_said_is_shown_and_kept(ends):
    checkout, code, output = ends["damaged input"]
    assert code == 1
    assert "StoreError: " in output
    assert "results/tiny/features/run-1/audio.h5" in output
    (job,) = slurm_ids(output)
    assert list((checkout.folder / "logs/slurm").rglob(f"{job}.log"))


def test_an_array_is_one_submission_for_all_scans(ends):
    checkout, code, output = ends["array"]
    assert code == 0, output[-3000:]
    assert "Submitted array job" in output
    assert "The individual task IDs are 1-4" in output
    assert len(list((checkout.folder / "logs/slurm/rule_brain_run").glob("*_[1-4].log"))) == 4


@pytest.mark.parametrize(("way", "key"), [("gpus", "TresPerJob"), ("gres", "TresPerNode")])
def test_a_gpu_is_asked_for_and_given(ends, way, key):
    _, code, output = ends[way]
    assert code == 0, output[-3000:]
    job = described(slurm_ids(output)[0])
    assert job[key] in ("gres:gpu:1", "gpu:1")
    assert "gres/gpu=1" in job["TRES"]
