"""A small workflow that Snakemake has really run: jobs that end well, one that fails twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RECORDED = Path(__file__).parent / "recorded"
SNAKEFILE = """
configfile: "config/config.yaml"


rule all:
    input:
        expand("results/{d}/brain/{who}_1.txt", d=config["dataset"], who=["a", "b,c=d"]),
        f"results/{config['dataset']}/train/bad.txt",


rule clean:
    input:
        "in.txt",
    output:
        f"results/{config['dataset']}/brain/{{who}}_{{run}}.txt",
    log:
        f"logs/{config['dataset']}/brain/{{who}}_{{run}}.log",
    params:
        width=config["width"],
    shell:
        "echo cleaned > '{log}'; touch '{output}'"


rule bad:
    output:
        f"results/{config['dataset']}/train/bad.txt",
    log:
        f"logs/{config['dataset']}/train/bad.log",
    retries: 1
    shell:
        "cat quoted.txt > {log}; exit 3"
"""
# A log that looks like Snakemake's own, and quotes one that does.
QUOTED = """rule clean:
    output: results/nowhere.txt
    jobid: 77
Finished jobid: 1 (Rule: clean)
Error in rule bad:
    jobid: 0
Logfile inner.log:
==================
Trying to restart job 1.
==================
StoreError: study.h5 is damaged: delete it
"""


class Toy:
    """The workflow's folder, and how to run Snakemake in it."""

    def __init__(self, folder):
        self.folder = folder

    def snakemake(self, *arguments):
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
            cwd=self.folder,
            env={k: v for k, v in os.environ.items() if not k.startswith("SNAKEMAKE_")},
            capture_output=True,
            text=True,
            timeout=300,
        )

    @property
    def logs(self):
        return sorted((self.folder / ".snakemake" / "log").glob("*.snakemake.log"))


def make(folder):
    (folder / "config").mkdir(parents=True)
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "config" / "config.yaml").write_text("dataset: toy\nwidth: 3\n")
    (folder / "in.txt").write_text("1\n")
    (folder / "quoted.txt").write_text(QUOTED)
    return Toy(folder)


@pytest.fixture
def new_toy(tmp_path):
    """The workflow before it has ever run."""
    return make(tmp_path / "toy")


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """The workflow after a run with a failure. Do not change it."""
    made = make(tmp_path_factory.mktemp("watching") / "toy")
    done = made.snakemake("--keep-going", "--show-failed-logs")
    assert done.returncode == 1, done.stderr
    return made
