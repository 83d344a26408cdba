"""Room where the results lie, and how much of it they take."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from giblet.watching.state import DiskState


def disk(folder: Path, dataset: str | None) -> DiskState:
    """Disk of a study's results; before there are any, of the folder they will come to."""
    results = folder / "results" / (dataset or "")
    there = next(path for path in (results, *results.parents) if path.exists())
    use = shutil.disk_usage(there)
    size = _size(results) if dataset and results.exists() else 0
    return DiskState(str(results), use.free, use.total, size)


def _size(folder: Path) -> int:
    """Bytes in all files below a folder; links count as nothing."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                about = os.lstat(os.path.join(where, name))
            except OSError:  # removed by a job meanwhile
                continue
            total += 0 if os.path.islink(os.path.join(where, name)) else about.st_size
    return total
