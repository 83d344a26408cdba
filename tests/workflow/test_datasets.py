"""Every shipped data set, and every kind of study, plans from its tables alone (dry runs)."""

import pandas as pd
import pytest
import yaml

from tests.support.checkout import ROOT, Checkout, planned_jobs

pytestmark = pytest.mark.workflow

DATASETS = sorted(path.name for path in (ROOT / "config" / "datasets").glob("*.yaml"))
N_SUBJECTS = 17


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose tables name files that exist and are empty."""
    checkout = Checkout.make(tmp_path / "giblet")
    for table in (checkout.folder / "config" / "datasets").glob("*.tsv"):
        rows = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
        for column in {"movie", "text", "bold"} & set(rows.columns):
            for name in rows[column]:
                path = checkout.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    return checkout


def plan(planner, checkout, dataset, settings=None):
    (checkout.folder / "more.yaml").write_text(yaml.safe_dump(settings or {}))
    files = [f"config/datasets/{dataset}", "more.yaml"]
    code, output = planner(checkout.folder, "-n", "--configfile", *files)
    assert code == 0, output[-3000:]
    return planned_jobs(output)


@pytest.mark.parametrize("dataset", DATASETS)
def test_shipped_data_set_plans_to_its_report(planner, checkout, dataset):
    assert plan(planner, checkout, dataset)["validate_report"] == 1


def test_full_size_network_goes_after_a_data_set(planner, checkout):
    files = ["config/datasets/sherlock.yaml", "config/model/full.yaml"]
    code, output = planner(checkout.folder, "-n", "--configfile", *files)
    assert code == 0, output[-3000:]
    assert "results/sherlock/train/full/seed-2026/model.safetensors" in output


def test_default_study_plans_without_any_option(planner, checkout):
    code, output = planner(checkout.folder, "-n")
    assert code == 0, output[-3000:]
    assert planned_jobs(output)["simulate_film"] == 2


def test_real_study_simulates_nothing(planner, checkout):
    jobs = plan(planner, checkout, "sherlock.yaml")
    assert not [name for name in jobs if name.startswith("simulate")]
    assert jobs["brain_run"] == 2 * N_SUBJECTS
    assert jobs["stimulus_video"] == jobs["features_audio"] == 2


@pytest.mark.parametrize(
    ("settings", "present", "absent"),
    [
        ({"brain": {"kind": "parcels"}}, "brain_space", "validate_fmri_maps"),
        ({"features": {"video": {"backbone": "torchvision:resnet18"}}}, "features_video", None),
        (
            {"features": {"text": {"model": "sentence-transformers/all-mpnet-base-v2"}}},
            "align",
            None,
        ),
        ({"brain": {"mask": "data/sherlock/part1.mp4"}}, "brain_space", None),
        ({"validate": {"video": {"n_examples": 5}}}, "validate_video_figures", None),
    ],
)
def test_kinds_of_studies(planner, checkout, settings, present, absent):
    jobs = plan(planner, checkout, "sherlock.yaml", settings)
    assert any(name.startswith(present) for name in jobs)
    assert absent not in jobs


def test_whole_runs_can_be_split(planner, checkout):
    table = checkout.folder / "config" / "datasets" / "sherlock_runs.tsv"
    rows = pd.read_csv(table, sep="\t", dtype=str)
    rows["split"] = ["train", "test"]
    rows.to_csv(table, sep="\t", index=False)
    jobs = plan(planner, checkout, "sherlock.yaml", {"align": {"scheme": "runs"}})
    assert jobs["validate_audio_figures"] == 1


@pytest.mark.parametrize(
    "target",
    [
        "stimulus",
        "features",
        "brain",
        "align",
        "train",
        "baseline",
        "validate_audio",
        "validate_video",
        "validate_text",
        "validate_fmri",
        "validate",
        "train_codec",
    ],
)
def test_targets_are_there_by_name(planner, checkout, target):
    code, output = planner(checkout.folder, "-n", target)
    assert code == 0, output[-3000:]
    assert planned_jobs(output)[target] == 1
