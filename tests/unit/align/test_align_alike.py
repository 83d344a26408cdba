"""No second of film is in two splits, whatever runs show of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from giblet.align.alike import Common, Plan, completed, linked, told
from giblet.align.layout import CODES
from giblet.align.splits import plan_splits
from giblet.errors import AlignError
from giblet.notices import InputWarning

GAP = CODES["gap"]
TR_S = 1.5
# Film is numbered in pieces of a fifth of a TR.
PER_TR = 5
BLOCKS = {"scheme": "blocks", "test_fraction": 0.2, "val_fraction": 0.1}
BLOCKS |= {"n_blocks": 1, "val_every_runs": 1}


@dataclass
class Study:
    """Number of the piece of film that each run shows at each moment, and what is shared."""

    pieces: dict[str, np.ndarray]
    common: list[Common]

    @property
    def film(self) -> dict[str, np.ndarray]:
        return {run: np.ones(len(p) // PER_TR, bool) for run, p in self.pieces.items()}


@st.composite
def studies(draw: st.DrawFn) -> Study:
    """Runs of new film and of excerpts of what was shown before, the run itself included."""
    pieces: dict[str, np.ndarray] = {}
    common: list[Common] = []
    piece_s, fresh = TR_S / PER_TR, 0
    for number in range(draw(st.integers(1, 4))):
        run, parts, length = f"run-{number + 1}", [], 0
        for _ in range(draw(st.integers(1, 3))):
            before = {**pieces, **({run: np.concatenate(parts)} if parts else {})}
            before = {name: shown for name, shown in before.items() if len(shown) >= 50}
            if before and draw(st.booleans()):
                source = draw(st.sampled_from(sorted(before)))
                start = draw(st.integers(0, len(before[source]) - 30))
                size = draw(st.integers(20, len(before[source]) - start))
                part = before[source][start : start + size]
                seconds = (start * piece_s, (start + size) * piece_s)
                common.append(Common(source, run, *seconds, (length - start) * piece_s))
            else:
                # Not whole TRs; what does not fill a last TR is cut.
                size = draw(st.integers(40, 120)) * PER_TR + draw(st.integers(0, PER_TR - 1))
                part = np.arange(fresh, fresh + size)
                fresh += size
            parts.append(part)
            length += len(part)
        pieces[run] = np.concatenate(parts)
    return Study(pieces, common)


def splits_of_pieces(study: Study, codes: dict[str, np.ndarray]) -> dict[int, set[int]]:
    """Splits that each piece of film is in, over all runs."""
    found: dict[int, set[int]] = {}
    for run, code in codes.items():
        for tr, one in enumerate(code):
            if one != GAP:
                for piece in study.pieces[run][tr * PER_TR : (tr + 1) * PER_TR]:
                    found.setdefault(int(piece), set()).add(int(one))
    return found


def assert_law(study: Study, codes: dict[str, np.ndarray], gap_trs: int) -> None:
    """No piece of film in two splits, nor within the gap of another split's."""
    found = splits_of_pieces(study, codes)
    assert all(len(splits) == 1 for splits in found.values())
    for run, code in codes.items():
        for tr in np.flatnonzero(code != GAP):
            near = slice(max(0, tr - gap_trs) * PER_TR, (tr + gap_trs + 1) * PER_TR)
            pieces = study.pieces[run][near][: (len(code) - max(0, tr - gap_trs)) * PER_TR]
            others = set().union(*(found.get(int(piece), set()) for piece in pieces))
            assert others == {int(code[tr])}


def planned(study: Study, gap_trs: int, **changed: object) -> dict[str, np.ndarray]:
    settings_ = {**BLOCKS, **changed}
    return plan_splits(
        study.film,
        settings_.pop("run_splits", dict.fromkeys(study.pieces, "")),
        gap_trs=gap_trs,
        common=study.common,
        tr_s=TR_S,
        **settings_,
    )


@pytest.mark.filterwarnings("ignore::giblet.notices.InputWarning")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(study=studies(), gap_trs=st.integers(0, 12), n_blocks=st.integers(1, 2))
def test_no_second_of_film_is_in_two_splits(study: Study, gap_trs: int, n_blocks: int) -> None:
    refusal = ""
    try:
        assert_law(study, planned(study, gap_trs, n_blocks=n_blocks), gap_trs)
    except AlignError as error:
        refusal = str(error)
    # Only when nothing is left for a split, or a run has no room.
    assert not refusal or "shown twice" in refusal or "TRs with film" in refusal


@pytest.mark.filterwarnings("ignore::giblet.notices.InputWarning")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(study=studies(), gap_trs=st.integers(0, 12), data=st.data())
def test_nor_when_whole_runs_are_split(study: Study, gap_trs: int, data: st.DataObject) -> None:
    names = list(study.pieces)
    one = data.draw(st.sampled_from(["leave_one_run_out", "runs"]))
    changed: dict[str, object] = {"scheme": one}
    if one == "runs":
        drawn = [data.draw(st.sampled_from(["train", "val", "test"])) for _ in names]
        changed["run_splits"] = dict(zip(names, drawn))
    else:
        changed["held_out"] = data.draw(st.sampled_from(names))
    try:
        codes = planned(study, gap_trs, **changed)
    except AlignError:
        return
    assert_law(study, codes, gap_trs)
    if one == "runs":
        carved = "val" not in drawn
        for run, split in changed["run_splits"].items():
            allowed = {GAP, CODES[split], *([CODES["val"]] if carved and split == "train" else [])}
            assert set(codes[run]) <= allowed


def test_stretches_that_follow_from_others_are_known() -> None:
    found = completed([Common("a", "b", 10, 40, 5), Common("b", "c", 20, 60, -8)])
    assert Common("a", "c", 15, 40, -3) in found
    assert len(found) == 3
    assert len(completed(found)) == 3


def test_a_run_that_shows_part_of_a_longer_one_takes_its_splits() -> None:
    common = [Common("run-1", "run-2", 100 * TR_S, 200 * TR_S, -100 * TR_S)]
    shown = {"run-1": np.ones(300, bool), "run-2": np.ones(100, bool)}
    with pytest.warns(InputWarning, match=r"run-2 shows from 0\.0 to 150\.0 s what run-1 shows"):
        codes = plan_splits(
            shown, {}, gap_trs=20, common=common, tr_s=TR_S, **{**BLOCKS, "val_every_runs": 2}
        )
    assert (codes["run-2"] == codes["run-1"][100:200]).all()


def test_what_is_shared_by_many_is_said_once_a_run() -> None:
    runs = [f"run-{k}" for k in range(5)]
    common = [Common(a, b, 0, 30, 0) for a in runs for b in runs if a < b]
    assert told(common, "run-4", runs) == (
        "run-4 shows from 0.0 to 30.0 s what run-0 shows from 0.0 to 30.0 s (the same pictures)"
    )


def test_links_are_exact_where_the_lag_is() -> None:
    lengths = {"a": 10, "b": 10}
    links = linked([Common("a", "b", 0, 10 * TR_S, 2 * TR_S)], lengths, TR_S)
    assert links["a"] == {tr: {("b", tr + 2)} for tr in range(8)}
    links = linked([Common("a", "b", 0, 10 * TR_S, 0.2)], lengths, TR_S)
    assert links["a"][3] == {("b", 3), ("b", 4)}
    plan = Plan(links, 0)
    plan.add("a", np.full(10, CODES["train"], np.int8), np.ones(10, bool))
    assert list(plan.earlier("b", 10)) == list(range(10))
