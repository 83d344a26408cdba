"""profiles/slurm names every rule that makes something, and nothing else; no Slurm is needed."""

import re
import subprocess
import sys

import pytest
from snakemake.profiles import ProfileConfigFileParser

from tests.support.checkout import ROOT, TINY, Checkout, environment

RULE = re.compile(r"^(?:rule|use rule \w+ as) (\w+)(?::| with:)$", re.MULTILINE)


def profile(name, monkeypatch, **variables):
    """Options that a profile stands for, as text."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with (ROOT / "profiles" / name / "config.yaml").open() as stream:
        return ProfileConfigFileParser().parse(stream)


def rules_with_scripts():
    """Names of the rules that run something, as opposed to the targets."""
    names = set()
    for path in (ROOT / "rules").glob("*.smk"):
        parts = RULE.split(path.read_text())
        for name, body in zip(parts[1::2], parts[2::2]):
            inherits = f"as {name} with:" in path.read_text()
            if inherits or "    script:" in body or "    shell:" in body:
                names.add(name)
    return names


def named(options, key):
    """Rules that an option names."""
    return {entry.split(":" if key == "set-resources" else "=")[0] for entry in options[key]}


def test_every_rule_has_memory_and_time_and_every_name_is_a_rule(monkeypatch):
    options, rules = profile("slurm", monkeypatch), rules_with_scripts()
    assert len(rules) > 40
    assert named(options, "set-resources") == rules
    for resource in ("mem_mb", "runtime"):
        given = {e.split(":")[0] for e in options["set-resources"] if f":{resource}=" in e}
        assert given == rules, resource
    for key in ("groups", "set-threads"):
        assert named(options, key) <= rules, key


def test_every_group_has_a_size(monkeypatch):
    options = profile("slurm", monkeypatch)
    groups = {entry.split("=")[1] for entry in options["groups"]}
    assert groups == {entry.split("=")[0] for entry in options["group-components"]}


def test_the_plugin_is_pinned_to_the_version_the_profile_was_tried_with():
    said = re.search(
        r"plugin-slurm (\d+\.\d+\.\d+)", (ROOT / "profiles/slurm/config.yaml").read_text()
    )
    assert f"snakemake-executor-plugin-slurm=={said[1]}" in (ROOT / "requirements.lock").read_text()


@pytest.mark.parametrize("asked", [["--profile", "x"], ["--profile=x"], None])
def test_the_default_profile_says_nothing_that_the_cluster_profile_says(asked, monkeypatch):
    # Snakemake lets the former win.
    monkeypatch.setattr(sys, "argv", ["snakemake", *(asked or [])])
    if asked is None:
        monkeypatch.setenv("SNAKEMAKE_PROFILE", "profiles/slurm")
    assert not set(profile("default", monkeypatch)) & set(profile("slurm", monkeypatch))


def test_a_laptop_without_options_has_cores(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["snakemake", "train"])
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    assert profile("default", monkeypatch)["cores"] == "2"


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A checkout in which nothing was run."""
    return Checkout.make(tmp_path_factory.mktemp("empty") / "giblet")


def planned(checkout, rule, **variables):
    """Resources and threads that a dry run gives a rule."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "train", "--profile", "profiles/slurm", *TINY],
        cwd=checkout.folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    block = re.search(rf"rule {rule}:\n(?:    .*\n?)+", done.stdout + done.stderr)[0]
    found = dict(pair.split("=", 1) for pair in re.findall(r"\w+=[^,\n]+", block))
    return {**found, "threads": re.search(r"threads: (\d+)", block)[1]}


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("variables", "expected", "absent"),
    [
        ({}, {"mem_mb": "24000", "runtime": "1440", "threads": "8"}, {"gpu", "gres", "mpi"}),
        (
            {"GIBLET_SLURM_PARTITION": "cpu", "GIBLET_SLURM_ACCOUNT": "lab"},
            {"slurm_partition": "cpu", "slurm_account": "lab"},
            {"gpu"},
        ),
        (
            {"GIBLET_SLURM_GPUS": "2", "GIBLET_SLURM_GPU_PARTITION": "gpu"},
            {"gpu": "2", "slurm_partition": "gpu", "slurm_extra": "--signal=USR1@300"},
            {"gres", "mpi", "tasks"},
        ),
        (
            {
                "GIBLET_SLURM_GPUS": "2",
                "GIBLET_SLURM_NODES": "2",
                "GIBLET_SLURM_GPU_REQUEST": "gres:a100",
                "GIBLET_SLURM_EXTRA": "--qos=long",
                "GIBLET_SLURM_CORES": "4",
            },
            {
                "gres": "gpu:a100:2",
                "mpi": "srun",
                "nodes": "2",
                "tasks": "4",
                "tasks_per_gpu": "0",
                "slurm_extra": "--signal=USR1@300 --qos=long",
                "threads": "4",
            },
            {"gpu", "slurm_partition"},
        ),
        (
            {
                "GIBLET_SLURM_GPUS": "1",
                "GIBLET_SLURM_GPU_REQUEST": "gpus:h100",
                "GIBLET_SLURM_MAX_MINUTES": "600",
            },
            {"gpu": "1", "gpu_model": "h100", "runtime": "600"},
            {"gres", "mpi"},
        ),
    ],
)  # fmt: skip
def test_site_values_reach_the_training(empty, variables, expected, absent):
    found = planned(empty, "train_network", **variables)
    assert {name: found.get(name) for name in expected} == expected
    assert not absent & set(found)
