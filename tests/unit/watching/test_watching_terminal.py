"""What is shown on a terminal of any width, and the keys of the JSON as the page lists them."""

import io
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from giblet.watching import state
from giblet.watching.terminal import MAX_FINISHED, MAX_JOBS, show, size, span

ROOT = Path(__file__).resolve().parents[3]
LOG = "logs/a-study-with-a-long-name/train/ablation_modality_dropout/a-variant_seed-2026.log"
JOB = state.JobState(
    state="running", rule="train_network", stage="train", wildcards={"train_seed": "2026"},
    seconds=187, attempt=1, message="", logs=[LOG], slurm_id="4711", slurm_state="RUNNING",
    slurm_reason=None, slurm_nodes="gpu07", slurm_log="/scratch/ada/slurm_logs/4711.log",
)  # fmt: skip
TRAINING = state.TrainingState(
    name="giblet_seed-2026", state="training", silent_s=None, step=1200, steps=40000, loss=0.812,
    val_loss=0.84, best_loss=0.838, best_step=1100, floor=1.0, trs_per_s=310.4, eta_s=7500,
    loading_share=0.02, started=0.0, updated=900.0, host="gpu07", pid=42, slurm_job_id="4711",
    device="cuda:0", world_size=4, gpu_memory_gb=21.34, gpu_utilisation=93, message=None,
    file="giblet_seed-2026.progress.json",
)  # fmt: skip
STATUS = state.Status(
    state="failed", time=1000.0, folder="/home/ada/study", dataset="demo",
    chosen="config/config.yaml, as in the last run here", options=[],
    run=state.RunState("going", "snakemake", "login1", 100.0, 5, 48, "a.log", None),
    stages=[
        state.StageState("brain", total=8, done=8),
        state.StageState("train", total=6, done=2, left=4, running=1, failed=1, stale=2),
    ],
    jobs=[JOB, replace(JOB, state="failed", message="StoreError: study.h5 is damaged", attempt=2)],
    stale=[
        state.StaleRule("align_study", "align", 1, "Params have changed", False),
        state.StaleRule("train_summary", "train", 2, "Input files updated", True),
    ],
    gone=[state.GoneRule("train_network", "train", ["results/demo/train/model.safetensors"])],
    training=[TRAINING],
    disk=state.DiskState("/home/ada/study/results/demo", int(1.2e12), int(4e12), int(3.8e10)),
    checkpoint=state.CheckpointState("/home/ada/study/results/demo/step-1.safetensors", 938.0, 9),
    tensorboard=state.TensorBoard("results/demo/train", "tensorboard --logdir results/demo/train"),
)  # fmt: skip


def shown(status, width, terminal=False):
    output = io.StringIO()
    show(status, Console(file=output, width=width, force_terminal=terminal, legacy_windows=False))
    return output.getvalue()


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_everything_is_there_at_any_width(width):
    text = shown(STATUS, width)
    assert max(map(len, text.splitlines())) <= width
    unfolded = re.sub(r"\s", "", text)
    for part in (
        "demo: something failed", "5 of 48 steps done", "running  train_network train_seed=2026",
        "3:07 min", "4711  RUNNING gpu07", LOG, "/scratch/ada/slurm_logs/4711.log",
        "StoreError: study.h5 is damaged", "attempt 2", "step 1200 of 40000", "2:05 h left",
        "0.812 of 1 (nothing learnt)", "validation 0.840", "best 0.838 at step 1100", "310 TRs/s",
        "cuda:0 x 4", "21.3 GB of GPU memory", "GPU 93 % busy", "2 % of the time loading",
        "1.2 TB of 4 TB free", "results take 38 GB", "1:02 min ago, results/demo/step-1",
        "tensorboard --logdir results/demo/train", "align_study  Params have changed",
        "and 1 rules that follow", "giblet logs",
    ):  # fmt: skip
        assert part.replace(" ", "") in unfolded, part


def test_table_counts_and_loses_its_bar_where_it_is_narrow():
    wide = shown(STATUS, 120)
    row = next(line for line in wide.splitlines() if line.startswith("train "))
    assert row.split() == ["train", "#####...........", "2", "4", "1", "1", "2"]
    header = next(line for line in wide.splitlines() if line.startswith("stage"))
    # Nothing is queued: no column for it.
    assert header.split() == ["stage", "done", "left", "running", "failed", "stale"]
    assert "#" not in shown(STATUS, 60)


def test_colour_on_a_terminal_alone():
    assert "\x1b[" not in shown(STATUS, 80)
    assert "\x1b[" in shown(STATUS, 80, terminal=True)


def test_silent_training_is_not_shown_as_running():
    silent = replace(TRAINING, state="silent", silent_s=400, eta_s=7500)
    text = shown(replace(STATUS, training=[silent]), 100)
    assert "silent for 6:40 min" in text
    assert "left" not in text.partition("silent for")[2].splitlines()[0]


def test_unknown_numbers_leave_no_holes():
    empty = replace(
        TRAINING,
        **dict.fromkeys(
            [
                part.name
                for part in fields(state.TrainingState)
                if part.name not in ("name", "state", "file")
            ]
        ),
    )
    text = shown(replace(STATUS, training=[empty], run=None, disk=None, checkpoint=None), 100)
    assert "None" not in text


def test_marks_of_rich_in_names_are_shown_as_they_are():
    odd = replace(JOB, rule="train", wildcards={"run": "[red]1[/red]"}, logs=["logs/[bold]a.log"])
    text = shown(replace(STATUS, jobs=[odd]), 100)
    assert "run=[red]1[/red]" in text
    assert "logs/[bold]a.log" in text


def test_failed_jobs_stay_when_there_are_too_many():
    jobs = [replace(JOB, wildcards={"n": str(n)}, logs=[]) for n in range(40)]
    jobs.append(replace(JOB, state="failed", rule="the_one"))
    text = shown(replace(STATUS, jobs=jobs), 100)
    assert "the_one" in text
    assert f"... and {41 - MAX_JOBS} more" in text


def test_finished_trainings_are_summed_up():
    done = [replace(TRAINING, name=f"seed-{n}", state="finished") for n in range(10)]
    text = shown(replace(STATUS, training=[TRAINING, *done]), 100)
    assert f"... and {10 - MAX_FINISHED} finished" in text


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59.9, "59 s"), (187, "3:07 min"), (7500, "2:05 h"), (273600, "3 d 4 h")],
)
def test_span(seconds, expected):
    assert span(seconds) == expected


@given(st.integers(0, 10**15))
def test_size_is_right_to_three_digits(n_bytes):
    number, unit = size(n_bytes).split()
    found = float(number) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    assert found == pytest.approx(n_bytes, rel=5.1e-3)


OBJECTS = {
    "status": state.Status,
    "run": state.RunState,
    "stages": state.StageState,
    "jobs": state.JobState,
    "stale": state.StaleRule,
    "gone": state.GoneRule,
    "training": state.TrainingState,
    "disk": state.DiskState,
    "checkpoint": state.CheckpointState,
    "tensorboard": state.TensorBoard,
}


def test_json_has_the_keys_of_the_page():
    page = (ROOT / "docs" / "watching.md").read_text().partition("## For programs")[2]
    rows = dict(re.findall(r"^\| (\w+) \| (.*) \|$", page, re.MULTILINE))
    del rows["object"]
    assert set(rows) == set(OBJECTS)
    for name, kind in OBJECTS.items():
        keys = {part.name for part in fields(kind)}
        listed = re.findall(r"`(\w+)`", re.sub(r" \([^)]*\)", "", rows[name]).partition(":")[0])
        assert set(listed) == keys, name
        assert len(listed) == len(keys), name
