"""Paths in tables and settings, and what is said of them."""

import csv
import os
import subprocess
import sys
import unicodedata

import h5py
import numpy as np

from giblet import config, paths
from giblet.brain.parcels import open_parcels
from giblet.brain.series import series_files
from giblet.errors import ConfigError
from giblet.stimulus.media import open_film
from giblet.tables import load_study
from tests.support.bad_inputs import Kind
from tests.support.counting_films import counting_film

KIND = Kind(
    "Paths",
    "Each path works as it is written, or the row and column (or the setting) in which it stands "
    "is named before anything runs. A file that is only held by another program is kept.",
)
USED = [
    "a%03d.mp4",
    "-a.mp4",
    "ü é (1).mp4",
    "it's.mp4",
    'a"b.mp4',
    "$A.mp4",
    "[a]*.mp4",
    "a{}.mp4",
]


def study(folder, movie, column="movie"):
    """A cell of the runs table after reading, the working directory being `folder`."""
    row = {"run": "run-1", "movie": "film.mp4", "n_trs": "10", column: movie}
    with (folder / "runs.csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([row, row.values()])
    simulate = {"film": {"make": False}, "bold": {"make": True, "n_subjects": 1}}
    before = os.getcwd()
    os.chdir(folder)
    try:
        runs, _ = load_study({"simulate": simulate, "dataset": "x", "runs": "runs.csv"})
    finally:
        os.chdir(before)
    return runs.loc[0, column]


@KIND.read("quotes, per cent, dollar, brackets, a leading hyphen, letters with accents")
def _(folder):
    for name in USED:
        (folder / name).write_bytes(b"x")
        assert study(folder, name) == name


@KIND.read("`./` in front, and doubled slashes")
def _(folder):
    (folder / "films").mkdir()
    (folder / "films" / "a.mp4").write_bytes(b"x")
    assert study(folder, "./films//a.mp4") == "films/a.mp4"


@KIND.read("letters with accents that the disk composes in another way (macOS)")
def _(folder):
    there = unicodedata.normalize("NFD", "é/Précis.mp4")
    (folder / there).parent.mkdir()
    (folder / there).write_bytes(b"x")
    assert study(folder, unicodedata.normalize("NFC", there)) == there


@KIND.read("a file that is reached by a link, and one that is not there yet")
def _(folder):
    (folder / "real.mp4").write_bytes(b"x")
    (folder / "a.mp4").symlink_to("real.mp4")
    assert study(folder, "a.mp4") == "a.mp4"
    assert study(folder, "made-later.mp4") == "made-later.mp4"


@KIND.read("a film whose name begins like an address (`scene:1.mp4`, `concat:a.mp4`)")
def _(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        counting_film(folder / "a.mp4", 1)
        for name in ("scene:1.mp4", "concat:a.mp4"):
            os.replace("a.mp4", name)
            with open_film(name) as film:
                assert film.video is not None
            os.replace(name, "a.mp4")
    finally:
        os.chdir(before)


@KIND.read("a pattern of scans in a folder with brackets")
def _(folder):
    (folder / "old [1]").mkdir()
    (folder / "old [1]" / "vol_1.nii").write_bytes(b"x")
    assert series_files(folder / "old [1]" / "vol_*.nii") == [str(folder / "old [1]/vol_1.nii")]


@KIND.refused(
    "braces that Snakemake takes for a wildcard",
    "runs.csv row 2: movie is 'a{b}.mp4', in which Snakemake fills in {b}: rename the file or "
    "folder, or link it under a name without such brackets",
)
def _(folder):
    (folder / "a{b}.mp4").write_bytes(b"x")
    study(folder, "a{b}.mp4")


@KIND.refused(
    "angle brackets that Snakemake takes for a variable",
    "runs.csv row 2: movie is 'a <logs>.mp4', in which Snakemake fills in <logs>: rename …",
)
def _(folder):
    study(folder, "a <logs>.mp4")


@KIND.refused("an address", "runs.csv row 2: movie is 'https://…', an address: download it and …")
def _(folder):
    study(folder, "https://example.org/film.mp4")


@KIND.refused(
    "`~` for the home folder",
    "runs.csv row 2: movie is '~', but ~ and variables are not filled in: write '…'",
)
def _(folder):
    os.mkdir(folder / "home")
    before = os.environ.get("HOME")
    os.environ["HOME"] = str(folder / "home")
    try:
        study(folder, "~")
    finally:
        os.environ["HOME"] = before or ""


@KIND.refused(
    "backslashes between folders",
    r"runs.csv row 2: movie is 'films\\a.mp4', but folders are separated by /: write 'films/a.mp4'",
)
def _(folder):
    (folder / "films").mkdir()
    (folder / "films" / "a.mp4").write_bytes(b"x")
    study(folder, "films\\a.mp4")


@KIND.refused(
    "a path of Windows", r"runs.csv row 2: movie is 'C:\\films\\a.mp4', a path of Windows: write …"
)
def _(folder):
    study(folder, "C:\\films\\a.mp4")


@KIND.refused(
    "quotation marks around a path",
    "runs.csv row 2: movie is \"'a.mp4'\", with quotation marks as part of the name: write 'a.mp4'",
)
def _(folder):
    (folder / "a.mp4").write_bytes(b"x")
    study(folder, "'a.mp4'")


@KIND.refused(
    "a name whose capitals differ",
    "runs.csv row 2: movie is 'Film.MP4', which is not there, but 'film.mp4' is; they differ in …",
)
def _(folder):
    (folder / "film.mp4").write_bytes(b"x")
    study(folder, "Film.MP4")


@KIND.refused(
    "a file whose name ends in a space",
    "runs.csv row 2: movie is 'a.mp4', which is not there, but 'a.mp4 ' is; they differ in …",
)
def _(folder):
    (folder / "a.mp4 ").write_bytes(b"x")
    study(folder, "a.mp4")


@KIND.refused(
    "a link to a file that is gone",
    "runs.csv row 2: movie is 'a.mp4', a link to 'gone.mp4', which is not there: link it anew",
)
def _(folder):
    (folder / "a.mp4").symlink_to("gone.mp4")
    study(folder, "a.mp4")


@KIND.refused("a folder for a film", "runs.csv row 2: movie is 'films', a folder: name a file in …")
def _(folder):
    (folder / "films").mkdir()
    study(folder, "films")


@KIND.refused(
    "a name longer than disks allow",
    "runs.csv row 2: movie is '…', which has 304 bytes, 304 between two slashes; at most 4095 and "
    "255 can be a path: correct it",
)
def _(folder):
    study(folder, "a" * 300 + ".mp4")


@KIND.refused(
    "a line break in a path",
    "runs.csv row 2: text is 'a\\nb.srt', which holds a line break, a tab or another character …",
)
def _(folder):
    paths.checked("a\nb.srt", "runs.csv row 2: text", ConfigError)


@KIND.refused(
    "a scan of a folder whose name has braces",
    "scans/: finds 'scans/{1}.nii', in which Snakemake fills in {1}: rename …",
)
def _(folder):
    paths.without_wildcards(["scans/a.nii", "scans/{1}.nii"], "scans/:", ConfigError)


@KIND.refused(
    "a checkout in a folder with braces",
    "giblet lies in '/data/{1F2C}/giblet', and Snakemake takes the braces for a place to …",
)
def _(folder):
    paths.check_checkout("/data/{1F2C}/giblet")


@KIND.refused(
    "a study's name with a line break", "config key 'dataset': 'tiny\\n' does not match …"
)
def _(folder):
    config.complete({"dataset": "tiny\n"})


@KIND.refused(
    "a setting that a file gives twice",
    "…mine.yaml line 4: config key 'align/gap_s' is given a second time, first in line 2: leave …",
)
def _(folder):
    (folder / "mine.yaml").write_text("align:\n  gap_s: 30\n  n_blocks: 4\n  gap_s: 20\n")
    config.refuse_repeated_keys([folder / "mine.yaml"])


@KIND.refused("a setting with braces", "config key 'brain/mask' is 'masks/{a}.nii', in which …")
def _(folder):
    config.complete({"dataset": "x", "brain": {"mask": "masks/{a}.nii"}})


@KIND.refused("a setting that is no finite number", "config key 'align/gap_s' is nan, expected a …")
def _(folder):
    config.complete({"dataset": "x", "align": {"gap_s": float("nan")}})


@KIND.refused(
    "parcels that another program has open to write",
    "…: another program has this HDF5 file open (…): close it there (…) and run again; the file …",
)
def _(folder):
    with h5py.File(folder / "bold.h5", "w") as file:
        file["bold"] = np.zeros((9, 2))
    held = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", held, str(folder / "bold.h5")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout.readline()
        try:
            open_parcels(folder / "bold.h5")
        finally:
            holder.kill()
