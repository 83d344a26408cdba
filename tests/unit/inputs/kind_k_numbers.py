"""Numbers that no study has: refused in bounded time, with what is allowed."""

import pytest

from giblet import config, tables
from giblet.errors import ConfigError, TableError
from giblet.stimulus.text import extract_text
from tests.support.bad_inputs import Kind

KIND = Kind(
    "Numbers that no study has",
    "A number is read in bounded time: below 10^12, with at most 100 digits. A repetition time "
    "lies from 0.01 s to 60 s, a film starts within a day of the first volume, and no row or cue "
    "lies beyond 10^6 s.",
)
SCHEMA = {"properties": {"tr_s": {"type": ["string", "number"], "default": "1.5"}}}
NOT_TRS = (0, "0", "-1.5", -1.5, "0/3", 1e-9, "61", float("inf"), "1e999999999", "9" * 5000)
NOT_NUMBERS = ("nan", "inf", "-inf", "1/0", "fast", "1,5", "", float("nan"), "1e" + "9" * 20)


def planned(tr_s):
    """The repetition time as the rules get it."""
    return config.complete({"tr_s": tr_s}, SCHEMA)["tr_s"]


@KIND.read("a repetition time as a ratio, a decimal or a number")
def _(folder):
    assert [planned(tr_s) for tr_s in ("3/2", 1.5, " 1.50 ", "0.1", 20)] == [
        *("1.5", "1.5", "1.5", "0.1", "20")
    ]


@KIND.refused(
    "a repetition time of 0, below 0 or longer than a minute",
    "config key 'tr_s' is 0: the repetition time of the scans in seconds lies from 0.01 to 60",
)
def _(folder):
    for tr_s in NOT_TRS[1:]:
        with pytest.raises(ConfigError, match=r"tr_s' is .*(lies from|beyond what is read|no)"):
            planned(tr_s)
    planned(0)


@KIND.refused(
    "a repetition time in milliseconds",
    "config key 'tr_s' is 1500: the repetition time … from 0.01 to 60; 1500 ms are 1.5 s",
)
def _(folder):
    planned(1500)


@KIND.refused("a repetition time that is no number", "config key 'tr_s' is 'nan', not a number")
def _(folder):
    for tr_s in NOT_NUMBERS[1:]:
        with pytest.raises(ConfigError, match=r"tr_s'"):
            planned(tr_s)
    planned("nan")


@KIND.refused(
    "a number whose power of ten would take for ever to write out",
    "config key 'tr_s' is '1e999999999', which is beyond what is read as a number (below 1e+12",
)
def _(folder):
    planned("1e999999999")


@KIND.refused("a stage that is handed a repetition time of 0", "tr_s is 0: the repetition time …")
def _(folder):
    path = folder / "a.csv"
    path.write_text("start,end,text\n0,1,one\n")
    extract_text(path, folder / "text.tsv", tr_s=0, n_trs=5)


def runs(folder, column, value):
    """A runs table with one value that is to be looked at."""
    path = folder / "runs.tsv"
    path.write_text(f"run\tmovie\t{column}\nr1\tf.mp4\t{value}\n")
    return tables.load_runs(path)


@KIND.refused(
    "an onset of a film that is no number", "…runs.tsv row 2: movie_onset_s is 'nan', expected"
)
def _(folder):
    for onset in ("inf", "1e999999999", "-1e99999999", "1/0", "1,500", "soon", "9" * 5000):
        with pytest.raises(TableError, match=r"runs\.tsv row 2: movie_onset_s is "):
            runs(folder, "movie_onset_s", onset)
    runs(folder, "movie_onset_s", "nan")


@KIND.refused(
    "an onset of a film in milliseconds, days away from the run",
    "…runs.tsv row 2: movie_onset_s is '200000': a film starts within a day (86400 s)",
)
def _(folder):
    runs(folder, "movie_onset_s", "200000")


@KIND.refused(
    "a number of TRs of thousands of digits", "…row 2: n_trs is '999…, expected a whole number"
)
def _(folder):
    runs(folder, "n_trs", "9" * 5000)
