"""What made a result, kept beside it.

Snakemake keeps its own record of params in ``.snakemake/``, which does not travel with copied
results; without it results look fresh whatever made them. So every job leaves a small hidden
JSON file beside its first output, and the workflow compares it with the configuration before
it trusts results that Snakemake has no record of. It also holds a digest of each output, so
that a later job can say that a table or a sound was edited by hand in between.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from giblet import seals

PIECE_BYTES = 1 << 20


def stamp_path(first_output: str | Path) -> Path:
    """Where the stamp of a job is kept: beside the first of its outputs."""
    path = Path(first_output)
    return path.with_name(f".{path.name}.params.json")


def plain(params: Mapping[str, Any]) -> dict[str, Any]:
    """Params as they look after a trip through JSON, for comparison."""
    loaded: dict[str, Any] = json.loads(json.dumps(dict(params), sort_keys=True, default=str))
    return loaded


def write_stamp(
    first_output: str | Path,
    rule: str,
    params: Mapping[str, Any],
    notices: Sequence[str] = (),
    outputs: Iterable[str | Path] = (),
) -> None:
    """Record which rule and params made a job's outputs; call it when they are complete.

    Parameters
    ----------
    notices : what the job had to say of its inputs (see :mod:`giblet.notices`)
    outputs : all files that the job wrote
    """
    path = stamp_path(first_output)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    record = {
        "rule": rule,
        "params": plain(params),
        "notices": list(notices),
        "outputs": {
            os.path.relpath(output, path.parent): content_of(output)
            for output in outputs
            if Path(output).is_file()
        },
    }
    partial.write_text(json.dumps(record, indent=1))
    partial.replace(path)


def content_of(path: str | Path) -> str:
    """Digest of a file's bytes; of a cache the one that it carries."""
    if Path(path).suffix == ".h5":
        return seals.content_of(path)
    number = 0
    with Path(path).open("rb") as handle:
        while piece := handle.read(PIECE_BYTES):
            number = zlib.crc32(piece, number)
    return f"{number:08x}"


def edited(inputs: Iterable[str | Path]) -> list[str]:
    """What is to be said of inputs that an earlier job wrote and that are no longer as it did."""
    folders: dict[Path, dict[str, tuple[str, str]]] = {}
    found = []
    for path in dict.fromkeys(map(Path, inputs)):
        if path.parent not in folders:
            folders[path.parent] = _recorded(path.parent)
        rule, digest = folders[path.parent].get(path.name, ("", ""))
        if digest and _differs(path, digest):
            found.append(
                f"{path}: is not what rule {rule} wrote: it was changed by hand or copied from "
                "elsewhere since, and is used as it is; if that is not meant, delete it and run "
                "snakemake again"
            )
    return found


def _differs(path: Path, digest: str) -> bool:
    try:
        return content_of(path) != digest
    except OSError:
        # Whoever reads it says why it cannot be read.
        return False


def _recorded(folder: Path) -> dict[str, tuple[str, str]]:
    """Rule and digest of the files of a folder, by their names, as their jobs stamped them."""
    found: dict[str, tuple[str, str]] = {}
    for stamp in sorted(folder.glob(".*.params.json")):
        try:
            record = json.loads(stamp.read_text())
            for name, digest in record.get("outputs", {}).items():
                found[str(name)] = (str(record.get("rule")), str(digest))
        except (OSError, ValueError, AttributeError, TypeError, RecursionError):
            continue
    return found


def notices_of(first_outputs: Iterable[str | Path]) -> list[str]:
    """What the jobs that made some results had to say of their inputs, each once, in order."""
    found: dict[str, None] = {}
    for output in first_outputs:
        try:
            recorded = json.loads(stamp_path(output).read_text())
            found.update(dict.fromkeys(map(str, recorded.get("notices", ()))))
        except (OSError, ValueError, AttributeError, TypeError, RecursionError):
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
        recorded = dict(json.loads(stamp_path(first_output).read_text())["params"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "there is no record of what made it"
    now = plain(params)
    for key in sorted({*recorded, *now}, key=lambda name: (name == "code", name)):
        if recorded.get(key) != now.get(key):
            if key == "code":
                return "it was made by another version of giblet's code"
            return f"it was made with {key} = {recorded.get(key)!r}, now it is {now.get(key)!r}"
    return None
