"""How often a study without any signal makes giblet claim a finding.

Runs the tiny study with the null preset once per seed, in a private copy of the checkout, and
counts the reports whose first words are not "Nothing was found", and the studies in which any
voxel is called significant at q < 0.05.

    python benchmarks/null_seeds.py --seeds 20

A study asks four questions of the network and of ridge; at most 3 of 20 may find anything.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "rules", "workflow", "giblet", "config", "profiles", "environment.yml")
ALLOWED_SHARE = 0.15


def run_study(folder: Path, seed: int, cores: int) -> None:
    """Run one null study to its report."""
    studies = [f"config/datasets/{name}.yaml" for name in ("tiny", "null")]
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--quiet", "all"]
    command += ["--configfile", *studies, "--config", f"seed={seed}", f"dataset=null-{seed}"]
    done = subprocess.run(
        command, cwd=folder, env=_environment(folder), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-4000:])


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(folder)}


def findings(folder: Path, seed: int) -> tuple[bool, int]:
    """Whether the report claims a finding, and how many voxels are called significant."""
    validate = folder / "results" / f"null-{seed}" / "validate"
    claimed = "Nothing was found" not in (validate / "report" / "index.html").read_text()
    table = pd.read_csv(validate / "fmri" / "metrics.csv")
    rows = table[(table["metric"] == "n_false_discoveries") & table["subject"].isna()]
    return claimed, int(rows["value"].sum())


def main() -> None:
    """Run the seeds and print the count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--cores", type=int, default=2)
    chosen = parser.parse_args()
    claims = voxels = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "giblet"
        folder.mkdir()
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            copy(ROOT / part, folder / part)
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            run_study(folder, seed, chosen.cores)
            claimed, found = findings(folder, seed)
            claims += claimed
            voxels += found > 0
            print(
                f"seed {seed}: claims a finding: {claimed}; significant voxels: {found}", flush=True
            )
            shutil.rmtree(folder / "results" / f"null-{seed}")
    print(f"{claims} of {chosen.seeds} studies claim a finding; {voxels} have a significant voxel")
    sys.exit(claims > ALLOWED_SHARE * chosen.seeds)


if __name__ == "__main__":
    main()
