"""TRs in which every subject of a run was measured."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.errors import AlignError
from giblet.store import dataset, measured_volumes, reading
from giblet.timing import Exact


def measured_by_all(
    runs: Sequence[str],
    scans: Mapping[tuple[str, str], str | Path],
    lengths: Mapping[str, int],
    tr_s: Exact,
) -> dict[str, NDArray[np.bool_]]:
    """Whether all subjects of a run were measured in its TRs, arrays of shape (n_trs,).

    One split serves all subjects, so a volume that one of them lacks is left out for all.

    Raises
    ------
    AlignError
        If less than half of a scan was measured, or two scans are one.
    """
    found = {run: np.ones(lengths[run], bool) for run in runs}
    known: dict[str, str] = {}
    for (subject, run), path in scans.items():
        with reading(path, stage="brain", tr_s=tr_s, run=run, subject=subject) as file:
            measured = measured_volumes(file)[: lengths[run]]
            _refuse_twin(known, f"{subject} {run}", path, file)
        missing = int((~measured).sum())
        if not missing:
            continue
        if missing > len(measured) / 2:
            raise AlignError(
                f"{path}: {missing} of the {len(measured)} TRs of {subject} {run} are no "
                "measurement: take the scan out of the scans table, or cut the run short with "
                "n_trs in the runs table and n_volumes in the scans table"
            )
        notices.warn(
            f"{path}: {missing} of the {len(measured)} TRs of {subject} {run} are no measurement: "
            "they are used for nothing, in no subject. To use them in the others, take this scan "
            "out of the scans table"
        )
        found[run] &= measured
    return found


def _refuse_twin(known: dict[str, str], name: str, path: str | Path, file: h5py.File) -> None:
    """Refuse a scan whose values are those of another one."""
    bold = dataset(file, "bold", shape=(None, None))
    middle = len(bold) // 2
    # Noise makes even a few volumes unlike all others.
    rows = bold[middle : middle + 4]
    if not np.any(rows[:1] != rows[1:]):
        return
    digest = hashlib.sha256(str(bold.shape).encode() + rows.tobytes()).hexdigest()
    if digest in known:
        raise AlignError(
            f"{path}: the scan of {name} is that of {known[digest]}, value by value: name each "
            "one's own file in column bold of the scans table"
        )
    known[digest] = name
