"""The split of a small study, from the frames of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from giblet.align.splits import read_splits, write_splits
from tests.support.stage_files import bold_file


def splits_of(
    folder: Path,
    frames: Sequence[Path] = (),
    audio: Sequence[Path] = (),
    *,
    n_trs: int = 120,
    **changed: Any,
) -> dict[str, np.ndarray]:
    """Split codes of runs with these files, each scanned in one subject.

    Parameters
    ----------
    changed : arguments of :func:`giblet.align.splits.write_splits` other than usual
    """
    runs = [f"run-{k + 1}" for k in range(len(frames or audio))]
    rng = np.random.default_rng(0)
    usual: dict[str, Any] = {
        "runs": runs,
        "frames": frames,
        "audio": audio,
        "text": [],
        "run_splits": [""] * len(runs),
        "repeats": {},
        "tr_s": "1.5",
        "max_missing_trs": 2,
        "scheme": "blocks",
        "held_out": None,
        "test_fraction": 0.15,
        "val_fraction": 0.05,
        "n_blocks": 1,
        "val_every_runs": 1,
        "gap_s": 30,
        "delays_trs": [1],
    }
    if "scans" not in changed:
        usual["scans"] = {
            ("sub-1", run): bold_file(folder / f"{run}.h5", rng.normal(size=(n_trs, 3)))
            for run in runs
        }
    write_splits(folder / "splits.tsv", **{**usual, **changed})
    return read_splits(folder / "splits.tsv")
