"""Times that do not fit the run or each other: read in their unit, or said."""

import datetime

import pytest

from giblet.errors import AnnotationError
from tests.support.bad_inputs import Kind
from tests.support.timed_text import texts, workbook, written

KIND = Kind(
    "Times that do not fit",
    "A column is read in the unit that its header states. Without one, times that are impossible "
    "in the run are read in the unit in which they fit, with a warning; rows outside the run are "
    "counted; what can be read in two ways is refused with its row.",
)
# Three rows in a run of 10 s, as texts of its TRs of 1 s.
THREE = ["one", "one", "", "", "two", "two", "two", "", "three", ""]


def rows(folder, header, *lines, name="a.csv", separator=";", **settings):
    content = "\n".join([header, *lines]).replace(";", separator)
    return texts(written(folder / name, content + "\n"), **settings)


def three(folder, header, times, **settings):
    """Three rows with the times given, each a text of the cells."""
    lines = [f"{cells};{text}" for cells, text in zip(times, ("one", "two", "three"), strict=True)]
    return rows(folder, f"{header};text", *lines, **settings)


# Units in headers


@KIND.read("a duration in milliseconds beside an onset in seconds")
def _(folder):
    for header in ("onset;duration_ms", "onset (s);duration (ms)", "Onset [sec];durationMs"):
        assert three(folder, header, ("0;2000", "4;3000", "8;1000")) == THREE


@KIND.read("headers that state the unit, in all the ways programs write it")
def _(folder):
    for header in (
        "start_ms;end_ms",
        "start (ms);end (ms)",
        "start_time (ms);End Time [msec]",
        "Begin Time - msec;End Time - msec",
        "onset in ms;offset in milliseconds",
        "startMs;endMs",
        "Start, ms;Stop/ms",
    ):
        assert three(folder, header, ("0;2000", "4000;7000", "8e3;9000")) == THREE
    minutes = [f"{a}/60;{b}/60".replace("/60", "") for a, b in ((0, 2), (4, 7), (8, 9))]
    assert three(folder, "start (min);end (min)", minutes, n_trs=10, tr_s=60) == THREE
    assert three(folder, "start (us);dur_us", ("0;2e6", "4e6;3e6", "8e6;1e6")) == THREE
    clock = ("0:00:00;00:02", "0:00:04.000;0:00:07", "00:00:08;0:00:09,000")
    assert three(folder, "Begin Time - hh:mm:ss.ms;End Time - hh:mm:ss.ms", clock) == THREE


@KIND.read("a column of TRs by its header")
def _(folder):
    assert three(folder, "Start (TRs);End (TRs)", ("1;2", "5;7", "9;9")) == THREE


@KIND.read("a unit behind each number")
def _(folder):
    for times in (
        ("0 s;2 s", "4.0s;7 sec", "8000 ms;9 seconds"),
        ("0s;2s", "0m4s;0h0m7s", "8s;9.0s"),
    ):
        assert three(folder, "start;end", times) == THREE


@KIND.refused(
    "times in frames", "…a.csv: the column 'start_frame' counts frames, of which no table …"
)
def _(folder):
    three(folder, "start_frame;end_frame", ("0;50", "100;175", "200;225"))


@KIND.warned(
    "ends in frames beside starts in seconds",
    "… 'end_frame' counts frames, of which … it is passed over …",
)
def _(folder):
    found = three(folder, "start;end_frame", ("0;50", "4;175", "8;225"))
    assert found == ["one"] * 4 + ["two"] * 4 + ["three"] + [""]


# Units in numbers


@KIND.warned(
    "milliseconds in a plain table (Whisper's tsv)",
    "…a.tsv: the column 'start' and its end reach 10000 s in a run of 10 s: they are read as "
    "milliseconds (up to 10 s); name the unit in the header…",
)
def _(folder):
    lines = [f"{k * 2500};{k * 2500 + 2500};Sentence {k}." for k in range(4)]
    found = rows(folder, "start;end;text", *lines, name="a.tsv", separator="\t")
    assert found == [f"Sentence {min(3, int((k + 0.5) / 2.5))}." for k in range(10)]


@KIND.warned(
    "microseconds and nanoseconds in a plain table", "…: they are read as nanoseconds (up to …"
)
def _(folder):
    for scale in (10**6, 10**9):
        times = [f"{a * scale};{b * scale}" for a, b in ((0, 2), (4, 7), (8, 9))]
        assert three(folder, "start;end", times) == THREE


@KIND.warned(
    "durations in milliseconds in a BIDS events file",
    "…_events.tsv: the column 'duration' has 500 on the median, in a run of 10 s with a row every "
    "2 s: it is read as milliseconds; name the unit in the header…",
)
def _(folder):
    lines = ("0;500;face", "2;500;house", "4;500;cat")
    header = "onset;duration;trial_type"
    found = rows(folder, header, *lines, name="x_events.tsv", separator="\t")
    assert found == ["face", "", "house", "", "cat", "", "", "", "", ""]


@KIND.warned(
    "many rows at once, as durations in another unit give", "… and is taken for seconds; if it …"
)
def _(folder):
    lines = [f"{k};40;row {k}" for k in range(50)]
    rows(folder, "onset;duration;text", *lines, n_trs=100)


@KIND.warned(
    "minutes in a plain table", "…: all 6 rows lie in the first 9.5 s of the run of 600 s; if …"
)
def _(folder):
    lines = [f"{k * 1.5 + 0.5};{k * 1.5 + 2};row {k}" for k in range(6)]
    rows(folder, "start;end;text", *lines, n_trs=600)


@KIND.warned(
    "minutes and seconds that Excel took for hours and minutes",
    "…: they are read as minutes and seconds that Excel took for hours and minutes (up to 540 s)…",
)
def _(folder):
    times = [
        [datetime.time(a, 0), datetime.time(b, 0), text]
        for a, b, text in ((0, 2, "one"), (4, 7, "two"), (8, 9, "three"))
    ]
    path = workbook(folder / "a.xlsx", [["start", "end", "text"], *times])
    assert texts(path, tr_s=60, unit="clock") == THREE


@KIND.read("the annotation of a whole film in a run that shows its beginning")
def _(folder):
    lines = [f"{k * 300};{k * 300 + 300};scene {k}" for k in range(12)]
    found = rows(folder, "start;end;text", *lines, n_trs=600, text_shared=True)
    assert found == ["scene 0"] * 300 + ["scene 1"] * 300


# Rows outside the run


@KIND.warned(
    "rows after the end of the run",
    "…a.csv: 3 of 5 rows lie outside the run of 10 s (3 after it) and are left out: 4-6: correct …",
)
def _(folder):
    lines = [f"{k * 5};{k * 5 + 4};row {k}" for k in range(5)]
    assert rows(folder, "start;end;text", *lines)[:4] == ["row 0"] * 4


@KIND.warned(
    "rows before the film, or −1 for none", "…: 1 of 3 rows lie outside … (1 before it) … out: 3"
)
def _(folder):
    assert rows(folder, "start;end;text", "0;2;one", "-1;-1;two", "8;9;three")[0] == "one"


@KIND.read("rows before a film that was running already, or in its last TR in part")
def _(folder):
    lines = ("0;2;one", "5;8;two", "14.1;14.4;three")
    assert rows(folder, "start;end;text", *lines, movie_onset_s=-4) == ["", *["two"] * 3, *[""] * 6]


@KIND.warned(
    "a row that lasts far longer than the run", "…: 1 of 4 rows last longer than the run of 10 s: 3"
)
def _(folder):
    lines = ("0;1;a", "2;99999;b", "4;5;c", "6;7;d")
    rows(folder, "start;end;text", *lines)


@KIND.refused(
    "an end in hours that no film has", "… row 3: 'end' is 1e+09 s; no time of a film is beyond …"
)
def _(folder):
    rows(folder, "start;end;text", "0;1;a", "2;999999999;b", "4;5;c", "6;7;d")


@KIND.refused(
    "one row of 10^12 s", "…dur12.tsv row 2: 'duration' is 1e+12 s; no time of a film is …"
)
def _(folder):
    rows(folder, "onset;duration;text", "0;1e12;a", name="dur12.tsv", separator="\t")


@KIND.refused(
    "a power of ten that would never end", "… row 3: 'onset' is '1e999999999', which is beyond …"
)
def _(folder):
    for cell in ("0.1e999980", "1.3e990", "9" * 5000, "1" + "0" * 30):
        with pytest.raises(AnnotationError, match=r"row 2: 'onset' is .*, which is beyond what is"):
            rows(folder, "onset;duration;text", f"{cell};1;a")
    rows(folder, "onset;duration;text", "0;1;a", "1e999999999;1;b")


@KIND.refused(
    "TRs from 0 where they count from 1", "… row 2: 'start' is TR 0, but TRs count from 1 …"
)
def _(folder):
    rows(folder, "start;end;text", "0;1;a", "2;3;b", unit="trs")


# Numbers and times that can be read in two ways


@KIND.read("decimal commas, and separators of thousands that cannot be anything else")
def _(folder):
    assert three(folder, "start;end", ("0,0;2,0", "4,000;7,000", "8,0;9,0")) == THREE
    for cells in (
        ("0;2,000.0", "4,000;7,000", "8,000;9,000"),
        ("0;2 000", "4 000;7'000", "8000;9000"),
    ):
        assert three(folder, "start_ms;end_ms", cells) == THREE


@KIND.refused(
    "a comma that can be decimal or of thousands",
    "… row 3: 'start' is '1,200', which can be 1200 or 1.2",
)
def _(folder):
    three(folder, "start;end", ("0;1", "1,200;1300", "1400;1500"))


@KIND.refused(
    "a point among decimal commas", "… row 3: 'start' is '1.200' among numbers with decimal commas…"
)
def _(folder):
    three(folder, "start;end", ("0,5;1,5", "1.200;1300,5", "1400;1500"))


@KIND.read("clock times in other forms")
def _(folder):
    for times in (
        ("12:00:00 AM;12:00:02 AM", "0:00:04;0:07", "00:00:08.0;00:09,00"),
        ("0h0m0s;2s", "4s;0m7s", "0:8;0:9"),
    ):
        assert three(folder, "start;end", times, unit="clock") == THREE


@KIND.read("times of more than a day in Excel, as spans or as dates of 1900")
def _(folder):
    day = 86400
    for make in (
        lambda s: datetime.timedelta(seconds=s),
        lambda s: datetime.datetime(1899, 12, 31) + datetime.timedelta(seconds=s),
    ):
        times = [
            [make(day + a), make(day + b), text]
            for a, b, text in ((0, 2, "one"), (4, 7, "two"), (8, 9, "three"))
        ]
        path = workbook(folder / "a.xlsx", [["start", "end", "text"], *times])
        assert texts(path, unit="clock", movie_onset_s=-day) == THREE


@KIND.refused(
    "a date where a time belongs", "… row 2: 'start' is the date 2024-05-01 10:00:00, not a time …"
)
def _(folder):
    cells = [datetime.datetime(2024, 5, 1, 10), datetime.datetime(2024, 5, 1, 11), "a"]
    path = workbook(folder / "a.xlsx", [["start", "end", "text"], cells])
    texts(path, unit="clock")


@KIND.refused(
    "clock times that end in frames", "… '00:00:01:12', not a … (its last number counts frames…"
)
def _(folder):
    three(folder, "start;end", ("00:00:01:12;00:00:02:00", "0:04;0:07", "0:08;0:09"), unit="clock")


# Ends and durations


@KIND.refused(
    "an end column that holds durations",
    "… row 3: ends at 3 s, before it starts at 4 s: so do 2 of 3 rows; correct them…",
)
def _(folder):
    three(folder, "start;end", ("0;2", "4;3", "8;1"))


@KIND.refused(
    "a row of a negative duration", "… row 3: ends at 3 s, before it starts at 4 s: correct the row"
)
def _(folder):
    three(folder, "onset;duration", ("0;2", "4;-1", "8;1"))


@KIND.warned(
    "ends and durations that contradict each other",
    "…: 'end' and 'duration' contradict … 3 rows (2…",
)
def _(folder):
    assert three(folder, "start;end;duration", ("0;2;9", "4;7;9", "8;9;9")) == THREE


@KIND.read("durations of 0 and n/a, as BIDS has them")
def _(folder):
    lines = ("0;0;one", "4;n/a;two", "7;0;three")
    found = rows(folder, "onset;duration;text", *lines)
    assert found == ["one", "", "", "", "two", "two", "two", "three", "", ""]


@KIND.refused(
    "seconds since 1970", "… row 2: 'timestamp' is 1.7e+09 s; no time of a film is beyond …"
)
def _(folder):
    rows(folder, "timestamp;text", "1700000000;a", "1700000003;b", "1700000006;c")


@KIND.read("an end without a unit beside a start in milliseconds")
def _(folder):
    assert three(folder, "start_ms;end", ("0;2000", "4000;7000", "8000;9000")) == THREE


@KIND.warned(
    "a duration without a unit beside an onset in milliseconds",
    "…: the column 'duration' states no unit and is read in milliseconds, as 'onset_ms'; name …",
)
def _(folder):
    assert three(folder, "onset_ms;duration", ("0;2000", "4000;3000", "8000;1000")) == THREE


@KIND.warned(
    "ends in milliseconds beside starts in seconds",
    "…: the column 'end' has 6998.5 on the median after the start, in a run of 10 s with a row …",
)
def _(folder):
    rows(folder, "start;end;text", "0;2000;a", "1.5;7000;b", "8;9000;c")


@KIND.warned(
    "numbers of TRs in a plain table", "…: its rows end at 40, which is the number of TRs …"
)
def _(folder):
    lines = [f"{k};{k + 1};row {k}" for k in range(40)]
    rows(folder, "start;end;text", *lines, n_trs=40, tr_s=2)


@KIND.refused(
    "TRs of another length than the study's", "…: the column 'Start (TRs, 1.5s)' counts TRs …"
)
def _(folder):
    rows(folder, "Start (TRs, 1.5s);text", "1;a", "4;b", tr_s=2)


@KIND.read("titles above the header")
def _(folder):
    lines = ("start;end;text", "0;2;one", "4;7;two", "8;9;three")
    assert rows(folder, "My film;;", ";;", *lines) == THREE
