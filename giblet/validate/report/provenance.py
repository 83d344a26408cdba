"""Where the results come from: versions, code fingerprints, the configuration, how to repeat."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from giblet.store import library_versions, reading
from giblet.validate.report.files import Files

# Beside those that every file records.
ALSO_VERSIONED = (
    *("snakemake", "himalaya", "scipy", "scikit-learn", "scikit-image", "pandas", "pystoi"),
    *("soxr", "matplotlib"),
)
HASHED_UP_TO = 64 * 1024 * 1024
ROOT = Path(__file__).resolve().parents[3]
SPLIT_NAMES = ("train", "val", "test", "gap")


@dataclass(frozen=True)
class Source:
    """A file behind the page."""

    name: str
    size: str
    sha256: str
    code: str


def sources(files: Files) -> list[Source]:
    """Tables and caches the page was made from, with their hash and their code's fingerprint."""
    out = []
    for name in files:
        path = files.get(name)
        if path is not None and path.suffix in (".h5", ".csv", ".tsv", ".json"):
            out.append(Source(name, _size(path), _sha256(path), _code(path)))
    return out


def _size(path: Path) -> str:
    size = float(path.stat().st_size)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _sha256(path: Path) -> str:
    """First 16 digits; "" for a file too large to hash in passing."""
    if path.stat().st_size > HASHED_UP_TO:
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _code(path: Path) -> str:
    if path.suffix != ".h5":
        return ""
    with reading(path, content=False) as file:
        return str(file.attrs.get("code", ""))


def versions() -> dict[str, str]:
    """Python and the libraries that can change a result, as they are while the page is made."""
    found = {"python": platform.python_version(), **library_versions()}
    for name in ALSO_VERSIONED:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def other_versions(files: Files) -> list[str]:
    """Where a file was made with another version of a library than the page, in words."""
    now = library_versions()
    found: dict[str, list[str]] = {}
    for name, path in files.matching("*.h5").items():
        with reading(path, content=False) as file:
            made_with = json.loads(file.attrs.get("versions", "{}"))
        for library, version in made_with.items():
            if now.get(library, version) != version:
                found.setdefault(f"{library} {version}", []).append(name)
    return [f"{what}: {', '.join(names)}" for what, names in sorted(found.items())]


def checkout(folder: str | Path = ROOT) -> str:
    """Commit of the checkout that makes the page, "" where it is no checkout of git.

    With ``-dirty`` after it when files were changed since.
    """
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def report_code() -> str:
    """Fingerprint of the code of the job that is writing the page."""
    return str(json.loads(os.environ.get("GIBLET_PROVENANCE", "{}")).get("code", ""))


def as_yaml(config: Mapping[str, Any]) -> str:
    """The whole configuration as a file that can be run again."""
    text: str = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=88)
    return text


def split_counts(splits: pd.DataFrame) -> pd.DataFrame:
    """TRs per run and split.

    Returns
    -------
    DataFrame with one row per run and the columns train, val, test, gap and total.
    """
    counts = splits.groupby(["run", "split"], sort=False).size().unstack(fill_value=0)
    for name in SPLIT_NAMES:
        if name not in counts:
            counts[name] = 0
    counts = counts[list(SPLIT_NAMES)]
    counts["total"] = counts.sum(axis=1)
    return counts
