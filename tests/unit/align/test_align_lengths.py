"""Truncation to what stimulus and scans have in common, and its refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from giblet.align.lengths import named_scans, run_lengths
from giblet.errors import AlignError, StoreError
from tests.support.stage_files import StageFiles, make_stages, text_file


def lengths(made: StageFiles, max_missing_trs: int = 2) -> dict[str, int]:
    stimuli = list(zip(made.frames, made.audio, made.text, strict=True))
    found, _ = run_lengths(
        made.runs, stimuli, made.scans, tr_s=made.tr_s, max_missing_trs=max_missing_trs
    )
    return found


def test_a_run_is_as_long_as_its_shortest_part(tmp_path: Path) -> None:
    made = make_stages(
        tmp_path, (60, 61), n_volumes={("sub-01", "run-1"): 61, ("sub-02", "run-2"): 59}
    )
    assert lengths(made) == {"run-1": 60, "run-2": 59}


def test_scan_of_another_length(tmp_path: Path) -> None:
    made = make_stages(tmp_path, (60, 60), n_volumes={("sub-02", "run-2"): 57})
    with pytest.raises(
        AlignError,
        match=r"features of run-2 have 60 TRs, BOLD sub-02 run-2 has 57 .*"
        r"set n_trs of run-2 to 57 in the runs table .*max_missing_trs allows 2",
    ):
        lengths(made)
    assert lengths(made, max_missing_trs=3)["run-2"] == 57


def test_run_that_nobody_watched(tmp_path: Path) -> None:
    made = make_stages(tmp_path, (60, 60), without=[("sub-01", "run-2"), ("sub-02", "run-2")])
    with pytest.raises(AlignError, match=r"run-2: no subject has a scan of it"):
        lengths(made)


def test_subject_without_one_run_is_fine(tmp_path: Path) -> None:
    made = make_stages(tmp_path, (60, 60), without=[("sub-02", "run-2")])
    assert lengths(made) == {"run-1": 60, "run-2": 60}


def test_features_of_another_length_than_the_frames(tmp_path: Path) -> None:
    made = make_stages(tmp_path, (60,))
    text_file(made.text[0], np.random.default_rng(0), np.ones(59, bool))
    with pytest.raises(AlignError, match=r"run-1: .*text\.h5 has 59 TRs, .*frames\.h5 has 60"):
        lengths(made)


def test_files_of_another_tr(tmp_path: Path) -> None:
    made = make_stages(tmp_path, (60,), tr_s="2.0")
    made.tr_s = "1.5"
    with pytest.raises(StoreError, match=r"made for a TR of 2\.0 s, the study has 1\.5 s"):
        lengths(made)


def test_names_of_scans_are_taken_apart() -> None:
    assert named_scans(["s1/r1", "s2/r1"], ["a", "b"]) == {("s1", "r1"): "a", ("s2", "r1"): "b"}
