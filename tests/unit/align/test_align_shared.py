"""Films of a study compared by file, pictures and sound, and split alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from giblet.align.alike import Common
from giblet.align.layout import CODES
from giblet.align.shared import common_seconds
from giblet.errors import AlignError
from giblet.notices import InputWarning
from tests.support.moving_films import Film, scenes, slides, write_frames
from tests.support.split_inputs import splits_of

TR_S, GAP = 1.5, CODES["gap"]


def film_splits(codes: np.ndarray, onset_s: float) -> dict[int, set[int]]:
    """Splits that each tenth of a second of film is in."""
    found: dict[int, set[int]] = {}
    for tr in np.flatnonzero(codes != GAP):
        for tenth in range(
            round((tr * TR_S - onset_s) * 10), round(((tr + 1) * TR_S - onset_s) * 10)
        ):
            found.setdefault(tenth, set()).add(int(codes[tr]))
    return found


@pytest.mark.parametrize("onset_s", [0.2, 12.0, 13.37])
@pytest.mark.parametrize("name", ["film", None])
def test_one_film_at_two_onsets_is_split_alike(tmp_path: Path, onset_s: float, name: str) -> None:
    film = scenes(1)
    films = [
        write_frames(tmp_path / "a.h5", film, 120, name=name),
        write_frames(tmp_path / "b.h5", film, 120, onset_s=onset_s, name=name),
    ]
    with pytest.warns(InputWarning, match="run-2 shows from .* what run-1 shows from"):
        codes = splits_of(tmp_path, films)
    one, two = film_splits(codes["run-1"], 0), film_splits(codes["run-2"], onset_s)
    both = set(one) & set(two)
    assert all(one[tenth] == two[tenth] for tenth in both)
    # Not by leaving everything out: most of what is used in one run is used in the other.
    assert len(both) > 0.7 * len(one)
    assert {CODES["train"], CODES["val"]} <= set(codes["run-2"])


def test_a_re_encoded_film_with_bars_is_split_alike(tmp_path: Path) -> None:
    film = scenes(2)
    films = [
        write_frames(tmp_path / "a.h5", film, 120, name="one"),
        write_frames(tmp_path / "b.h5", film, 120, onset_s=6, bars=3, noise=5, name="two"),
    ]
    with pytest.warns(InputWarning, match=r"what run-1 shows .*\(the same pictures\)"):
        codes = splits_of(tmp_path, films)
    assert (codes["run-2"][4:-1] == codes["run-1"][:-5])[codes["run-2"][4:-1] != GAP].all()


def test_other_films_keep_their_splits_without_a_word(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    films = [write_frames(tmp_path / f"{k}.h5", scenes(k), 120) for k in (3, 4)]
    codes = splits_of(tmp_path, films)
    assert (codes["run-1"] == CODES["test"]).sum() == (codes["run-2"] == CODES["test"]).sum() == 18
    assert not [one for one in recwarn if "shows" in str(one.message)]


def looped(film: Film, period_s: float) -> Film:
    return lambda moments, height, width: film(moments % period_s, height, width)


def test_a_clip_shown_twice_in_a_run_is_split_alike(tmp_path: Path) -> None:
    films = [write_frames(tmp_path / "a.h5", looped(scenes(5), 90.0), 120)]
    with pytest.warns(InputWarning, match="run-1 shows from .* what it showed itself from"):
        (codes,) = splits_of(tmp_path, films, gap_s=6, delays_trs=[1]).values()
    first, again = codes[:59], codes[60:119]
    assert (first == again)[(first != GAP) & (again != GAP)].all()
    assert set(first) == {*CODES.values()}


def test_whole_runs_lose_what_a_test_run_shows(tmp_path: Path) -> None:
    opening = scenes(6)

    def episode(seed: int) -> Film:
        rest = scenes(seed)

        def draw(moments: np.ndarray, height: int, width: int) -> np.ndarray:
            early = moments < 30
            shown = rest(moments, height, width)
            shown[early] = opening(moments[early], height, width)
            return shown

        return draw

    films = [write_frames(tmp_path / f"{k}.h5", episode(k), 120) for k in (7, 8, 9)]
    changed = {"scheme": "leave_one_run_out", "held_out": "run-1"}
    with pytest.warns(InputWarning, match="run-3 shows from .* what run-1 shows from"):
        codes = splits_of(tmp_path, films, **changed)
    assert (codes["run-1"] == CODES["test"]).all()
    for run in ("run-2", "run-3"):
        # The opening, and what answers to it.
        assert (codes[run][:40] == GAP).all()
        assert (codes[run][42:80] == CODES["train"]).all()


def test_a_copy_under_another_name_is_held_out_with_its_film(tmp_path: Path) -> None:
    films = [
        write_frames(tmp_path / "a.h5", scenes(1), 120),
        write_frames(tmp_path / "b.h5", scenes(2), 120),
        write_frames(tmp_path / "c.h5", scenes(1), 120, onset_s=3),
    ]
    with pytest.warns(InputWarning, match="run-3 shows"):
        codes = splits_of(tmp_path, films, scheme="leave_one_run_out", held_out="run-1")
    assert (codes["run-1"] == CODES["test"]).all()
    assert set(codes["run-3"]) == {CODES["test"], GAP}
    assert CODES["train"] in codes["run-2"]


def test_whole_runs_of_one_film_in_two_splits_are_refused(tmp_path: Path) -> None:
    films = [write_frames(tmp_path / f"{k}.h5", scenes(1), 120, onset_s=3 * k) for k in range(2)]
    with pytest.raises(
        AlignError,
        match=r"run-1 shows from 0\.\d to .* what run-2 shows from .* in another split: put both",
    ):
        splits_of(tmp_path, films, scheme="runs", run_splits=["train", "test"])


def test_films_of_one_file_are_compared_by_their_onsets(tmp_path: Path) -> None:
    # Few pictures, which are not known by what they show.
    film = slides([0, 1] * 40, 1.0)
    onsets = {"a": (0, "x"), "b": (12, "x"), "c": (12, "y")}
    films = [
        write_frames(tmp_path / f"{run}.h5", film, 40, onset_s=onset_s, name=name)
        for run, (onset_s, name) in onsets.items()
    ]
    stimuli = [(path, None, None) for path in films]
    (found,) = common_seconds([*onsets], stimuli, dict.fromkeys(onsets, 40), {}, TR_S)
    assert found == Common("a", "b", 0.0, 48.0, 12.0, 0.0, "the same film file")


def test_a_film_that_shows_nothing_is_no_film_shown_again(tmp_path: Path) -> None:
    grey = slides([], 1.0)
    films = [write_frames(tmp_path / f"{k}.h5", grey, 120, name="grey") for k in range(2)]
    codes = splits_of(tmp_path, films, scheme="leave_one_run_out")
    assert (codes["run-2"] == CODES["test"]).all()
    assert CODES["train"] in codes["run-1"]
