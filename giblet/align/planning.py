"""The plan of a split: blocks inside runs, or whole runs, and no film on two sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.align.alike import Common, Links, Plan, completed, linked, told
from giblet.align.layout import CODES, NAMES, TooShort, lay_out
from giblet.errors import AlignError
from giblet.timing import Exact

SCHEMES = ("blocks", "runs", "leave_one_run_out")


def plan_splits(
    film: Mapping[str, NDArray[np.bool_]],
    run_splits: Mapping[str, str],
    *,
    scheme: str,
    held_out: str | None = None,
    test_fraction: float,
    val_fraction: float,
    n_blocks: int,
    val_every_runs: int,
    gap_trs: int,
    repeats: Mapping[str, str] | None = None,
    common: Sequence[Common] = (),
    tr_s: Exact = 1,
) -> dict[str, NDArray[np.int8]]:
    """Split code of every TR of every run (see `CODES`).

    Scheme ``blocks`` cuts each run into, in even runs, ``[val] train test [train test ...]``
    with `n_blocks` test blocks, and in odd runs the reverse: test blocks come late in one
    run and early in the next, so that time within a run cannot explain a result. Scheme
    ``runs`` takes whole runs from `run_splits`; when none is ``val``, the end of each
    training run validates. Scheme ``leave_one_run_out`` tests on `held_out` (None: the last
    run) and trains on all others, the end of each of which validates. TRs without film are gap.

    A run that shows what an earlier one showed is split as that one is, TR by TR: a film that
    trains must not test when it is shown again. The same holds for the seconds that runs have
    in `common`; what is new in such a run is laid out by itself, and stays `gap_trs` away from
    what is in another split there (:class:`giblet.align.alike.Plan`). Where whole runs are
    split, the seconds that a test run shares with others are left out of those.

    Parameters
    ----------
    film : dict run -> array of shape (n_trs,), bool
        Whether the film shows something during the whole TR.
    repeats : dict run -> the earlier run that showed the same
    common : what runs share otherwise, see :func:`giblet.align.shared.common_seconds`
    """
    repeats = repeats or {}
    if scheme not in SCHEMES:
        raise AlignError(f"align/scheme is {scheme!r}: use one of {', '.join(SCHEMES)}")
    lengths = {run: len(valid) for run, valid in film.items()}
    links = linked(completed(common), lengths, tr_s)
    if scheme == "runs":
        _check_run_splits(run_splits, repeats)
    if scheme == "leave_one_run_out":
        run_splits = without(list(film), held_out, {**mostly_shown(links, film), **repeats})
        scheme = "runs"
    by_run = run_splits if scheme == "runs" else None
    plan = Plan(links, gap_trs)
    order = _order(film, repeats, by_run)
    places = {run: place for place, run in enumerate(run for run in film if run not in repeats)}
    for run in order:
        if by_run is not None:
            pieces, fractions = _whole_run(run, by_run, val_fraction)
        else:
            pieces, fractions = _blocks(
                places[run], len(order), test_fraction, val_fraction, n_blocks, val_every_runs
            )
        _add(plan, run, film[run], pieces, fractions, whole=by_run is not None)
        if links.get(run):
            _tell(plan, run, film[run], common, order, whole=by_run is not None)
    for run, first in repeats.items():
        plan.repeat(run, first, film[run])
    _check_study(plan.codes, bool(common))
    return {run: plan.codes[run] for run in film}


def _order(
    film: Mapping[str, object], repeats: Mapping[str, str], run_splits: Mapping[str, str] | None
) -> list[str]:
    """Runs that show something new; test runs first, which keep what others share with them."""
    order = [run for run in film if run not in repeats]
    if run_splits is None:
        return order
    return sorted(order, key=lambda run: ("test", "val", "train").index(run_splits[run]))


def _whole_run(
    run: str, run_splits: Mapping[str, str], val_fraction: float
) -> tuple[list[str], dict[str, float]]:
    """Pieces and fractions of a run that the runs table gives to one split."""
    carve = run_splits[run] == "train" and "val" not in run_splits.values()
    pieces = [run_splits[run], *(["val"] if carve else [])]
    return pieces, {"val": val_fraction, run_splits[run]: 1.0}


def _blocks(
    place: int,
    n_runs: int,
    test_fraction: float,
    val_fraction: float,
    n_blocks: int,
    val_every_runs: int,
) -> tuple[list[str], dict[str, float]]:
    """Pieces and fractions of the run at a place in the study."""
    has_val = val_fraction > 0 and place % val_every_runs == 0
    pieces = ["train", "test"] * n_blocks
    pieces = [*(["val"] if has_val else []), *pieces]
    pieces = pieces[::-1] if place % 2 else pieces
    stands_for = min(val_every_runs, n_runs - place)
    return pieces, {"val": val_fraction * stands_for, "test": test_fraction / n_blocks}


def _add(
    plan: Plan,
    run: str,
    valid: NDArray[np.bool_],
    pieces: Sequence[str],
    fractions: Mapping[str, float],
    *,
    whole: bool,
) -> None:
    """Lay a run out where it shows something new, and take it into the plan."""
    again = np.zeros(len(valid), bool)
    again[list(plan.earlier(run, len(valid)))] = True
    new = valid & ~again
    filler = "train" if "train" in pieces else pieces[0]
    try:
        planned = lay_out(run, new if again.any() else valid, pieces, fractions, plan.gap_trs)
    except TooShort:
        if not again.any():
            raise
        planned = np.where(new, CODES[filler], CODES["gap"]).astype(np.int8)
    except AlignError:
        # Nothing new at all is no fault of a run that shows a film again.
        if not (again & valid).any():
            raise
        planned = np.full(len(valid), CODES["gap"], np.int8)
    allowed = [CODES[name] for name in pieces] if whole else list(NAMES)
    plan.add(run, planned, valid, allowed)


def _tell(
    plan: Plan,
    run: str,
    valid: NDArray[np.bool_],
    common: Sequence[Common],
    order: Sequence[str],
    *,
    whole: bool,
) -> None:
    """Say what a run shows again and what became of it; refuse whole runs that lose most.

    Raises
    ------
    AlignError
        If more than half of a run of another split is left out.
    """
    before = plan.earlier(run, len(valid))
    if not before:
        return
    codes = plan.codes[run]
    shared = np.zeros(len(valid), bool)
    shared[list(before)] = True
    n_left_out = int((shared & valid & (codes == CODES["gap"])).sum())
    what = told(common, run, order)
    if whole and n_left_out > valid.sum() / 2:
        raise AlignError(
            f"{what}, which is in another split: put both runs into one split in the runs table, "
            "take one out, or set align/scheme to blocks"
        )
    notices.warn(
        f"{what}: {int((shared & (codes != CODES['gap'])).sum())} of its {len(valid)} TRs are "
        f"split as those are and {n_left_out} are used for nothing, so that no second of film is "
        "in two splits; if these are different films, or start elsewhere, correct movie and "
        "movie_onset_s in the runs table"
    )


def mostly_shown(links: Links, film: Mapping[str, NDArray[np.bool_]]) -> dict[str, str]:
    """Runs that show, for more than half of their film, what one earlier run shows, and which."""
    again: dict[str, str] = {}
    runs = list(film)
    for place, run in enumerate(runs):
        for other in runs[:place]:
            n = sum(any(name == other for name, _ in to) for to in links.get(run, {}).values())
            if n > film[run].sum() / 2:
                again[run] = again.get(other, other)
                break
    return again


def without(
    runs: Sequence[str], held_out: str | None, repeats: Mapping[str, str]
) -> dict[str, str]:
    """Split of each run when one is held out (None: the last), and all that show the same."""
    if held_out is not None and held_out not in runs:
        raise AlignError(
            f"align/held_out is {held_out!r}, the runs table has {', '.join(runs)}: name one of "
            "them, or leave it empty for the last"
        )
    shown = {run: repeats.get(run, run) for run in runs}
    if len(set(shown.values())) < 2:
        raise AlignError(
            f"align/scheme is 'leave_one_run_out', but the study has only {', '.join(runs)}"
            f"{', which show the same' if len(runs) > 1 else ''}: list another run in the runs "
            "table, or set align/scheme to blocks"
        )
    tested = shown[held_out or runs[-1]]
    return {run: "test" if shown[run] == tested else "train" for run in runs}


def _check_run_splits(run_splits: Mapping[str, str], repeats: Mapping[str, str]) -> None:
    for run, split in run_splits.items():
        if split not in ("train", "val", "test"):
            raise AlignError(
                f"align/scheme is 'runs', but {run} has split {split!r} in the runs table: "
                "write train, val or test there, or set align/scheme to blocks"
            )
    for run, first in repeats.items():
        if run_splits[run] != run_splits[first]:
            raise AlignError(
                f"{run} shows what {first} showed, but the runs table has split "
                f"{run_splits[run]!r} for it and {run_splits[first]!r} for {first}: give both the "
                "same, or what trains is tested"
            )
    for needed in ("train", "test"):
        if needed not in run_splits.values():
            raise AlignError(
                f"align/scheme is 'runs', but no run has split {needed!r}: the runs table says "
                f"{', '.join(f'{r} {s}' for r, s in run_splits.items())}"
            )


def _check_study(codes: Mapping[str, NDArray[np.int8]], shared: bool = False) -> None:
    every = np.concatenate(list(codes.values()))
    for name in ("train", "val", "test"):
        if not (every == CODES[name]).any():
            if shared:
                raise AlignError(
                    f"no TR of {', '.join(codes)} is {name}: so much of their film is shown twice "
                    "(see the warnings) that none is left; add a run with another film, lower "
                    "align/gap_s, or set align/scheme to blocks"
                )
            raise AlignError(
                f"no TR of {', '.join(codes)} is {name}: raise align/{name}_fraction or name "
                f"a {name} run in the runs table"
                if name != "train"
                else f"no TR of {', '.join(codes)} is train: lower align/test_fraction"
            )
    share = float((every == CODES["train"]).mean())
    if share < 0.4:
        notices.warn(f"only {share:.0%} of all TRs train; shorten align/gap_s or the blocks")
