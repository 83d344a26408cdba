"""The same film twice: split alike, so that nothing that trains is tested."""

import numpy as np
import pandas as pd

from giblet import tables
from giblet.align.layout import CODES
from giblet.store import writing
from giblet.timing import n_items, tr_ranges
from tests.support.bad_inputs import Kind
from tests.support.moving_films import checkerboard, scenes, slides, write_frames
from tests.support.split_inputs import splits_of

KIND = Kind(
    "Repeats and leaks",
    "No second of film is in two splits, nor within the gap of another split's, whatever runs "
    "show of each other: films are compared by their file, their pictures and their sound.",
)
GAP = CODES["gap"]


def alike(codes, later_trs, first="run-1", second="run-2"):
    """Whether TRs that show the same are in one split, and most of them are used."""
    one, two = codes[first], np.roll(codes[second], -later_trs)
    n = len(one) - abs(later_trs) - 1
    used = (one[:n] != GAP) & (two[:n] != GAP)
    return bool((one[:n] == two[:n])[used].all() and used.sum() > 0.5 * n)


def runs_table(*rows):
    """A runs table as rules see it."""
    names = ["movie", "movie_onset_s", "text", "text_part"]
    table = pd.DataFrame([dict(zip(names, map(str, row), strict=True)) for row in rows])
    table.insert(0, "run", [f"run-{k + 1}" for k in range(len(rows))])
    return table


@KIND.warned(
    "one film in two runs, 12 s later in the second",
    "run-2 shows from 12.0 to 180.0 s what run-1 shows from 0.0 to 168.0 s (the same film file): "
    "… of its 120 TRs are split as those are and … are used for nothing, so that no second of film "
    "is in two splits; if these are different films, or start elsewhere, correct movie and "
    "movie_onset_s in the runs table",
)
def _(folder):
    films = [
        write_frames(folder / f"{k}.h5", scenes(1), 120, onset_s=12 * k, name="film")
        for k in range(2)
    ]
    codes = splits_of(folder, films)
    assert alike(codes, 8)


@KIND.warned(
    "one film in two runs, 0.2 s later in the second",
    "run-2 shows from 0.4 to 180.0 s what run-1 shows from 0.2 to 179.8 s (the same film file): …",
)
def _(folder):
    films = [
        write_frames(folder / f"{k}.h5", scenes(1), 120, onset_s=0.2 * k, name="film")
        for k in range(2)
    ]
    codes = splits_of(folder, films)
    assert alike(codes, 0)


@KIND.warned(
    "a film that was encoded again, with black bars, under another name",
    "run-2 shows from … s what run-1 shows from … s (the same pictures): …",
)
def _(folder):
    films = [
        write_frames(folder / "a.h5", scenes(2), 120, name="one"),
        write_frames(folder / "b.h5", scenes(2), 120, onset_s=3, bars=3, noise=5, name="two"),
    ]
    assert alike(splits_of(folder, films), 2)


@KIND.warned(
    "a clip inside another film",
    "run-2 shows from … s what run-1 shows from … s (the same pictures): …",
)
def _(folder):
    other, clip = scenes(3), scenes(4)

    def mixed(moments, height, width):
        inside = (moments >= 60) & (moments < 90)
        shown = other(moments, height, width)
        shown[inside] = clip(moments[inside] + 30, height, width)
        return shown

    films = [
        write_frames(folder / "a.h5", clip, 120, name="one"),
        write_frames(folder / "b.h5", mixed, 120, name="two"),
    ]
    codes = splits_of(folder, films, gap_s=9)
    # What run-1 shows from 90 to 120 s trains there.
    assert set(codes["run-1"][60:80]) == {CODES["train"]}
    assert set(codes["run-2"][42:58]) <= {CODES["train"], GAP}


@KIND.warned(
    "a clip that is shown twice in one run",
    "run-1 shows from … s what it showed itself from … s (the same pictures): …",
)
def _(folder):
    film = scenes(5)
    twice = write_frames(folder / "a.h5", lambda t, h, w: film(t % 90, h, w), 120, name="one")
    codes = splits_of(folder, [twice], gap_s=6)["run-1"]
    first, again = codes[:59], codes[60:119]
    assert (first == again)[(first != GAP) & (again != GAP)].all()
    assert {CODES["train"], CODES["test"]} <= set(first)


@KIND.warned(
    "one sound in two runs of a study without pictures",
    "run-2 shows from … s what run-1 shows from … s (the same sound): …",
)
def _(folder):
    rng = np.random.default_rng(0)
    notes = [np.repeat(rng.normal(-4, 2, (1, 32)), int(n), 0) for n in rng.integers(5, 20, 600)]
    mel, paths = np.concatenate(notes), []
    for k in range(2):
        later = np.concatenate([np.full((450 * k, 32), -11.5), mel])[: n_items(120, "1.5", "37.5")]
        paths.append(folder / f"{k}.audio.h5")
        with writing(paths[-1], stage="features", tr_s="1.5") as file:
            file["log_mel"] = (later + rng.normal(0, 0.2, later.shape)).astype(np.float16)
            file["index"] = tr_ranges(120, "1.5", "37.5")
            file.attrs["sample_rate_hz"], file.attrs["hop_length"] = 12000, 320
    assert alike(splits_of(folder, audio=paths), 8)


@KIND.refused(
    "one film in two whole runs of different splits",
    "run-1 shows from 0.0 to … s what run-2 shows from 3.0 to 180.0 s (the same film file), which "
    "is in another split: put both runs into one split in the runs table, take one out, or set "
    "align/scheme to blocks",
)
def _(folder):
    films = [
        write_frames(folder / f"{k}.h5", scenes(1), 120, onset_s=3 * k, name="film")
        for k in range(2)
    ]
    splits_of(folder, films, scheme="runs", run_splits=["train", "test"])


@KIND.read("a copy of a film under another name: a run that repeats the other")
def _(folder):
    for name, content in (("a.mp4", b"film" * 1000), ("b.mp4", b"film" * 1000), ("c.mp4", b"FILM")):
        (folder / name).write_bytes(content)
    rows = [(folder / f"{name}.mp4", "0", "", "") for name in "abc"]
    assert tables.shown_again(runs_table(*rows)) == {"run-2": "run-1"}


@KIND.read("one film, its path and its onset written in two ways")
def _(folder):
    rows = [("films/a.mp4", "0", "", ""), ("./films/../films/a.mp4", "0.0", "", "")]
    assert tables.shown_again(runs_table(*rows)) == {"run-2": "run-1"}


@KIND.read("two films of the same length that share nothing")
def _(folder):
    films = [write_frames(folder / f"{k}.h5", scenes(k), 120) for k in (6, 7)]
    codes = splits_of(folder, films)
    assert [int((codes[run] == CODES["test"]).sum()) for run in codes] == [18, 18]


@KIND.read("checkerboards and a few pictures in random order, which repeat by design")
def _(folder):
    order = np.random.default_rng(0).integers(0, 8, 100)
    shown = [checkerboard(), slides(list(order), 1.0, 1.0)]
    films = [write_frames(folder / f"{k}.h5", film, 120, per_tr=2) for k, film in enumerate(shown)]
    codes = splits_of(folder, films)
    assert [int((codes[run] == CODES["test"]).sum()) for run in codes] == [18, 18]
