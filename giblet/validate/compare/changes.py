"""What was changed between two runs: configuration, code and library versions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from giblet.store import reading
from giblet.validate.compare.run import Run

ABSENT = "–"
# Names the folder, so it always differs.
NAMES = ("dataset",)


@dataclass(frozen=True)
class Change:
    """A setting, rule or library that differs."""

    what: str
    one: str
    other: str


def settings_changed(one: Run, other: Run) -> list[Change] | None:
    """Configuration keys that differ; None when a run has left no record of its own."""
    if one.config is None or other.config is None:
        return None
    return list(_differences(dict(_leaves(one.config)), dict(_leaves(other.config))))


def _leaves(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        path = f"{above}/{key}" if above else str(key)
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        elif path not in NAMES:
            yield path, value


def _differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted({*here, *there}):
        if here.get(key, ABSENT) != there.get(key, ABSENT):
            yield Change(key, _shown(here, key), _shown(there, key))


def _shown(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key, ABSENT)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def code_changed(one: Run, other: Run) -> list[str]:
    """Rules that both runs have and whose code, script or modules behind it, differs."""
    here, there = _codes(one.folder), _codes(other.folder)
    return [rule for rule in sorted(here) if rule in there and here[rule] != there[rule]]


def _codes(folder: Path) -> dict[str, frozenset[str]]:
    """Code fingerprints that the jobs of each rule left beside their results."""
    found: dict[str, set[str]] = {}
    for stamp in folder.rglob(".*.params.json"):
        try:
            read = json.loads(stamp.read_text(encoding="utf-8"))
            # A digest of the other params follows the fingerprint.
            found.setdefault(read["rule"], set()).add(str(read["params"]["code"]).split()[0])
        except (OSError, ValueError, KeyError, IndexError, TypeError, RecursionError):
            continue
    return {rule: frozenset(codes) for rule, codes in found.items()}


def versions_changed(one: Run, other: Run) -> list[Change]:
    """Libraries whose versions differ between the jobs that scored the brain."""
    return list(_differences(_versions(one.folder), _versions(other.folder)))


def _versions(folder: Path) -> dict[str, str]:
    with reading(folder / "validate/fmri/voxels.h5", content=False) as file:
        found: dict[str, str] = json.loads(file.attrs.get("versions", "{}"))
    return found
