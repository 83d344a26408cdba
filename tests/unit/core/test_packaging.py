"""The lock, the conda environment and the package's own list say the same."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]


def pins():
    lines = (ROOT / "requirements.lock").read_text().split()
    return dict(line.lower().split("==") for line in lines)


def normal(name):
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", name).group()).lower()


def test_lock_holds_exact_versions_and_no_addresses():
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line


def test_conda_environment_has_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (packages,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert dict(entry.lower().split("==") for entry in packages) == pins()


def test_everything_the_package_asks_for_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    locked = {normal(name) for name in pins()}
    assert {normal(name) for name in wanted} <= locked
