"""Splits: contiguous, with gaps, alike for all subjects, and refused when impossible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from giblet.align.splits import (
    CODES,
    as_table,
    gap_in_trs,
    plan_splits,
    read_splits,
    summary,
    write_splits,
)
from giblet.errors import AlignError
from giblet.notices import InputWarning
from tests.support.stage_files import make_stages, split_table

DEMO: dict[str, Any] = {
    "scheme": "blocks",
    "held_out": None,
    "test_fraction": 0.2,
    "val_fraction": 0.0667,
    "n_blocks": 1,
    "val_every_runs": 2,
}


def film(*lengths: int) -> dict[str, np.ndarray]:
    return {f"run-{k + 1}": np.ones(length, bool) for k, length in enumerate(lengths)}


def plan(lengths: tuple[int, ...] = (300, 300), gap_trs: int = 20, **changed: Any) -> dict:
    shown = film(*lengths)
    return plan_splits(shown, dict.fromkeys(shown, ""), gap_trs=gap_trs, **{**DEMO, **changed})


def test_the_demo_trains_on_63_percent_and_tests_at_both_ends() -> None:
    codes = plan()
    every = np.concatenate(list(codes.values()))
    assert (every == CODES["train"]).sum() == 380
    assert (every == CODES["val"]).sum() == 40
    assert np.flatnonzero(codes["run-1"] == CODES["test"]).tolist() == list(range(240, 300))
    assert np.flatnonzero(codes["run-2"] == CODES["test"]).tolist() == list(range(60))


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(60, 400), min_size=1, max_size=4),
    n_blocks=st.integers(1, 3),
    val_every_runs=st.integers(1, 3),
    test_fraction=st.floats(0.05, 0.3),
    val_fraction=st.floats(0.02, 0.2),
    gap_trs=st.integers(0, 25),
    dark=st.tuples(st.integers(0, 8), st.integers(0, 8)),
)
def test_blocks_are_contiguous_apart_and_never_without_film(
    lengths: list[int],
    n_blocks: int,
    val_every_runs: int,
    test_fraction: float,
    val_fraction: float,
    gap_trs: int,
    dark: tuple[int, int],
) -> None:
    shown = film(*lengths)
    for valid in shown.values():
        valid[: dark[0]] = False
        valid[len(valid) - dark[1] :] = False
    usable = [int(valid.sum()) for valid in shown.values()]
    needed = [val_fraction * val_every_runs * n + test_fraction * n + 2 * n_blocks for n in usable]
    gaps = 2 * n_blocks * gap_trs
    assume(all(n > share + gaps + 2 for n, share in zip(usable, needed, strict=True)))
    codes = plan_splits(
        shown,
        dict.fromkeys(shown, ""),
        scheme="blocks",
        test_fraction=test_fraction,
        val_fraction=val_fraction,
        n_blocks=n_blocks,
        val_every_runs=val_every_runs,
        gap_trs=gap_trs,
    )
    for run, code in codes.items():
        assert len(code) == len(shown[run])
        assert (code[~shown[run]] == CODES["gap"]).all()
        used = np.flatnonzero(code != CODES["gap"])
        steps = np.flatnonzero(code[used][1:] != code[used][:-1])
        assert ((used[steps + 1] - used[steps] - 1) >= gap_trs).all()
        tests = code == CODES["test"]
        assert np.diff(np.concatenate([[0], tests, [0]])).clip(0).sum() == n_blocks
        assert abs(tests.sum() - test_fraction * shown[run].sum()) <= n_blocks


def test_whole_runs_follow_the_runs_table() -> None:
    shown = film(50, 40, 30)
    codes = plan_splits(
        shown,
        {"run-1": "train", "run-2": "test", "run-3": "val"},
        gap_trs=20,
        **{**DEMO, "scheme": "runs"},
    )
    assert (codes["run-1"] == CODES["train"]).all()
    assert (codes["run-2"] == CODES["test"]).all()
    assert (codes["run-3"] == CODES["val"]).all()


def test_without_a_val_run_the_end_of_the_training_run_validates() -> None:
    shown = film(100, 40)
    splits = {"run-1": "train", "run-2": "test"}
    settings_ = {**DEMO, "scheme": "runs", "val_fraction": 0.1}
    codes = plan_splits(shown, splits, gap_trs=20, **settings_)
    expected = [CODES["train"]] * 70 + [CODES["gap"]] * 20 + [CODES["val"]] * 10
    assert codes["run-1"].tolist() == expected


@pytest.mark.parametrize("held_out", [None, "run-1", "run-2", "run-3"])
def test_one_run_is_left_out_and_all_others_train(held_out: str | None) -> None:
    changed = {"scheme": "leave_one_run_out", "held_out": held_out, "val_fraction": 0.1}
    codes = plan((100, 80, 100), **changed)
    for run, code in codes.items():
        if run == (held_out or "run-3"):
            assert (code == CODES["test"]).all()
        else:
            assert set(code) == {CODES["train"], CODES["gap"], CODES["val"]}
            assert (code[-8:] == CODES["val"]).all()


def test_black_trs_inside_a_run_are_used_for_nothing() -> None:
    shown = film(300, 300)
    shown["run-1"][100:110] = False
    codes = plan_splits(shown, dict.fromkeys(shown, ""), gap_trs=20, **DEMO)
    assert (codes["run-1"][100:110] == CODES["gap"]).all()
    assert (codes["run-1"][110:120] == CODES["train"]).all()


@pytest.mark.parametrize("n", [270, 300, 320])
def test_what_trains_is_not_tested_when_it_is_shown_again(n: int) -> None:
    shown = film(300, 300, n)
    again = {"run-3": "run-1"}
    codes = plan_splits(shown, dict.fromkeys(shown, ""), gap_trs=20, **DEMO, repeats=again)
    both = min(n, 300)
    assert list(codes) == ["run-1", "run-2", "run-3"]
    assert (codes["run-3"][:both] == codes["run-1"][:both]).all()
    assert (codes["run-3"][both:] == CODES["gap"]).all()
    alone = plan()
    assert all((codes[run] == alone[run]).all() for run in alone)


@pytest.mark.parametrize("held_out", ["run-1", "run-3", None])
def test_a_film_is_left_out_with_its_repeats(held_out: str | None) -> None:
    shown = film(100, 100, 100)
    settings_ = {**DEMO, "scheme": "leave_one_run_out", "held_out": held_out}
    codes = plan_splits(shown, {}, gap_trs=20, **settings_, repeats={"run-3": "run-1"})
    for run in ("run-1", "run-3"):
        assert (codes[run] == CODES["test"]).all()
    assert (codes["run-2"] != CODES["test"]).all()


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("runs", r"run-2 shows what run-1 showed, but .* 'test' for it and 'train' for run-1"),
        ("leave_one_run_out", "only run-1, run-2, which show the same: list another run"),
    ],
)
def test_splits_that_would_test_what_trains_are_refused(scheme: str, message: str) -> None:
    splits = {"run-1": "train", "run-2": "test"}
    settings_ = {**DEMO, "scheme": scheme, "repeats": {"run-2": "run-1"}}
    with pytest.raises(AlignError, match=message):
        plan_splits(film(100, 100), splits, gap_trs=20, **settings_)


def run_write(folder: Path, **changed: Any) -> dict[str, np.ndarray]:
    stages = make_stages(folder, (100, 100), **changed.pop("stages", {}))
    arguments = {
        **stages.stimulus(),
        "run_splits": ["", ""],
        "repeats": {},
        "max_missing_trs": 2,
        "gap_s": 12,
        "delays_trs": [1, 2, 3],
        **DEMO,
        **changed,
    }
    write_splits(folder / "splits.tsv", **arguments)
    return read_splits(folder / "splits.tsv")


def test_one_subjects_shorter_scan_cuts_the_run_for_all(tmp_path: Path) -> None:
    codes = run_write(tmp_path, stages={"n_volumes": {("sub-02", "run-1"): 98}})
    assert len(codes["run-1"]) == 98
    assert len(codes["run-2"]) == 100


def test_the_split_does_not_depend_on_who_was_scanned(tmp_path: Path) -> None:
    many = run_write(tmp_path / "many", stages={"subjects": ("sub-01", "sub-02", "sub-03")})
    one = run_write(tmp_path / "one", stages={"subjects": ("sub-09",), "seed": 5})
    assert all((many[run] == one[run]).all() for run in many)


def test_film_that_starts_late_and_ends_early_leaves_its_edges_unused(tmp_path: Path) -> None:
    codes = run_write(tmp_path, stages={"onset_trs": 6, "tail_trs": 4})
    for code in codes.values():
        assert (code[:6] == CODES["gap"]).all()
        assert (code[-4:] == CODES["gap"]).all()
        assert code[6] != CODES["gap"]
        assert code[-5] != CODES["gap"]


def test_the_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    codes = plan()
    as_table(codes).to_csv(tmp_path / "splits.tsv", sep="\t", index=False)
    back = read_splits(tmp_path / "splits.tsv")
    assert list(back) == list(codes)
    assert all((back[run] == codes[run]).all() for run in codes)


def test_the_log_names_the_blocks() -> None:
    text = summary(plan())
    assert "run-1: val 0-39, gap 40-59, train 60-219, gap 220-239, test 240-299" in text
    assert "train 63.3%" in text


# Bad inputs; docs/align.md lists these messages.


def test_run_too_short_for_its_blocks() -> None:
    with pytest.raises(AlignError, match=r"run-1 has 34 TRs with film; 2 gaps of 20 TRs and 9"):
        plan((34,))


def test_gap_shorter_than_the_delays() -> None:
    with pytest.raises(AlignError, match=r"gap_s is 3 s = 2 TRs, .*reaches back 6 TRs.*9\.0 or"):
        gap_in_trs(3, "1.5", [1, 6])


def test_gap_shorter_than_the_response_is_warned_about(recwarn: pytest.WarningsRecorder) -> None:
    with pytest.warns(InputWarning, match="align/gap_s is 12 s, shorter than the 30 s"):
        assert gap_in_trs(12, "1.5", [1, 6]) == 8
    assert gap_in_trs(30, "1.5", [1, 6]) == 20
    assert not recwarn.list


def test_whole_runs_without_a_split() -> None:
    with pytest.raises(AlignError, match=r"run-2 has split '' in the runs table"):
        plan_splits(
            film(50, 50),
            {"run-1": "train", "run-2": ""},
            gap_trs=5,
            **{**DEMO, "scheme": "runs"},
        )


def test_whole_runs_without_a_test_run() -> None:
    with pytest.raises(AlignError, match=r"no run has split 'test'.*run-1 train, run-2 val"):
        plan_splits(
            film(50, 50),
            {"run-1": "train", "run-2": "val"},
            gap_trs=5,
            **{**DEMO, "scheme": "runs"},
        )


def test_a_run_that_is_not_there_cannot_be_held_out() -> None:
    with pytest.raises(AlignError, match=r"held_out is 'run-9', the runs table has run-1, run-2"):
        plan((50, 50), 5, scheme="leave_one_run_out", held_out="run-9")


def test_a_single_run_cannot_be_left_out() -> None:
    with pytest.raises(AlignError, match=r"'leave_one_run_out', but the study has only run-1"):
        plan((100,), 5, scheme="leave_one_run_out")


def test_film_that_never_shows() -> None:
    shown = film(100)
    shown["run-1"][:] = False
    with pytest.raises(AlignError, match=r"run-1: the film shows nothing in any of its 100 TRs"):
        plan_splits(shown, {"run-1": ""}, gap_trs=5, **DEMO)


def test_edited_split_table(tmp_path: Path) -> None:
    wrong = split_table(tmp_path / "a.tsv", {"run-1": ["train", "tset"]})
    with pytest.raises(AlignError, match=r"a\.tsv: split 'tset': known are train, val, test, gap"):
        read_splits(wrong)
    path = split_table(tmp_path / "b.tsv", {"run-1": ["train", "test", "gap"]})
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[2], lines[3]]) + "\n")
    with pytest.raises(AlignError, match=r"TRs of run-1 are not 0 to 1 in order"):
        read_splits(path)
