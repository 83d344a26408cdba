"""What made a result, kept beside it.

Snakemake keeps its own record of params in ``.snakemake/``, which does not travel with copied
results; without it results look fresh whatever made them. So every job leaves a small hidden
JSON file beside its first output, and the workflow compares it with the configuration before
it trusts results that Snakemake has no record of.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def stamp_path(first_output: str | Path) -> Path:
    """Where the stamp of a job is kept: beside the first of its outputs."""
    path = Path(first_output)
    return path.with_name(f".{path.name}.params.json")


def plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Params as they look after a trip through JSON, for comparison."""
    loaded: dict[str, Any] = json.loads(json.dumps(dict(params), sort_keys=True, default=str))
    return loaded


def write_stamp(
    first_output: str | Path, rule: str, params: Mapping[str, Any], notices: Sequence[str] = ()
) -> None:
    """Record which rule and params made a job's outputs; call it when they are complete.

    Parameters
    ----------
    notices : what the job had to say of its inputs (see :mod:`giblet.notices`)
    """
    path = stamp_path(first_output)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    record = {"rule": rule, "params": plain(params), "notices": list(notices)}
    partial.write_text(json.dumps(record, indent=1))
    partial.replace(path)


def notices_of(first_outputs: Iterable[str | Path]) -> list[str]:
    """What the jobs that made some results had to say of their inputs, each once, in order."""
    found: dict[str, None] = {}
    for output in first_outputs:
        try:
            recorded = json.loads(stamp_path(output).read_text())
            found.update(dict.fromkeys(map(str, recorded.get("notices", ()))))
        except (OSError, ValueError, AttributeError, TypeError):
            continue
    return list(found)


def difference(first_output: str | Path, params: Mapping[str, Any]) -> str | None:
    """Say how the params that made a result differ from those it would be made with now.

    Returns
    -------
    str or None
        None when they agree; otherwise a phrase that names the first difference.
    """
    try:
        recorded = json.loads(stamp_path(first_output).read_text())["params"]
    except (OSError, ValueError, KeyError, TypeError):
        return "there is no record of what made it"
    now = plain(params)
    for key in sorted({*recorded, *now}, key=lambda name: (name == "code", name)):
        if recorded.get(key) != now.get(key):
            if key == "code":
                return "it was made by another version of giblet's code"
            return f"it was made with {key} = {recorded.get(key)!r}, now it is {now.get(key)!r}"
    return None
