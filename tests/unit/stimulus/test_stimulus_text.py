"""Text lands in the TRs it belongs to, whatever file it comes from."""

from __future__ import annotations

import datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.errors import AnnotationError
from giblet.stimulus.cell_times import clock_seconds
from giblet.stimulus.columns import name_and_unit
from giblet.stimulus.parts import split_parts
from giblet.stimulus.rows import Row
from giblet.stimulus.text import extract_text, joined, text_per_tr, trs_of
from giblet.timing import trs_overlapping

SECONDS = st.fractions(0, 100, max_denominator=60)


def per_tr(path: Path, tmp_path: Path, **changed) -> pd.DataFrame:
    """Table that `extract_text` writes, 5 TRs of 2 s unless told otherwise."""
    out = tmp_path / "out.tsv"
    extract_text(path, out, **{"tr_s": 2, "n_trs": 5, **changed})
    return pd.read_csv(out, sep="\t", keep_default_na=False)


def texts(path: Path, tmp_path: Path, **changed) -> list[str]:
    return per_tr(path, tmp_path, **changed)["text"].tolist()


def written(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def workbook(path: Path, rows: list, title: str = "Sheet", extra: dict | None = None) -> Path:
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    for name, content in (extra or {}).items():
        sheet = book.create_sheet(name)
        for row in content:
            sheet.append(row)
    book.save(path)
    return path


# Which TRs


@settings(deadline=None)
@given(SECONDS, SECONDS, st.sampled_from([Fraction(3, 2), Fraction(2), Fraction(4, 5)]))
def test_a_row_has_the_trs_whose_centres_it_covers(start, length, tr_s):
    end = start + length
    got = trs_of(start, end, tr_s)
    centres = [k for k in range(int(300 / tr_s)) if start <= (k + Fraction(1, 2)) * tr_s < end]
    if centres:
        assert list(got) == centres
        # All of them are covered by at least half, except by rows that lie within one TR.
        for k in got if length >= tr_s else []:
            overlap = min(end, (k + 1) * tr_s) - max(start, k * tr_s)
            assert overlap >= tr_s / 2
    else:
        middle = (start + end) / 2
        assert [k * tr_s <= middle < (k + 1) * tr_s for k in got] == [True]


@settings(max_examples=50, deadline=None)
@given(st.lists(SECONDS, min_size=2, max_size=12, unique=True).map(sorted))
def test_rows_that_follow_each_other_share_no_tr_unless_too_short(edges):
    tr_s = Fraction(3, 2)
    rows = [Row(a, b, f"text {a}", 1) for a, b in pairwise(edges) if b - a >= tr_s]
    held = [k for row in rows for k in trs_of(row.start_s, row.end_s, tr_s)]
    assert len(held) == len(set(held))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(SECONDS, SECONDS), max_size=10), st.fractions(-20, 20, max_denominator=8))
def test_no_text_is_lost_and_coverage_is_the_union(spans, shift):
    tr_s, n_trs = Fraction(2), 30
    rows = sorted((Row(a, a + b, f"{a}+{b}", 1) for a, b in spans), key=lambda row: row.start_s)
    got = text_per_tr(rows, n_trs, tr_s, shift)
    for row in rows:
        inside = [k for k in trs_of(row.start_s + shift, row.end_s + shift, tr_s) if 0 <= k < n_trs]
        assert all(row in got[k].rows for k in inside)
        assert sum(row in held.rows for held in got) == len(inside)
    for k, held in enumerate(got):
        pieces = sorted(
            (max(row.start_s + shift, k * tr_s), min(row.end_s + shift, (k + 1) * tr_s))
            for row in rows
            if k in trs_overlapping(row.start_s + shift, row.end_s + shift, tr_s, n_trs)
        )
        union, until = Fraction(0), k * tr_s
        for a, b in pieces:
            union += max(Fraction(0), b - max(a, until))
            until = max(until, b)
        assert held.coverage == pytest.approx(float(union / tr_s))


def rows_of(*spans: tuple[float, float, str]) -> list[Row]:
    return [Row(Fraction(a), Fraction(b), text, 1) for a, b, text in spans]


def test_overlapping_texts_are_joined_in_order_without_repeats():
    rows = rows_of((0, 4, "He runs."), (1, 5, "She speaks."), (1, 3, "He runs."))
    assert joined(rows) == "He runs. She speaks."
    assert joined(rows_of((0, 1, "the"), (1, 2, "cat"), (2, 3, "the"))) == "the cat the"
    assert joined(rows_of((0, 2, "the"), (1, 2, "the"))) == "the"


# Tables


def test_csv_with_gaps_overlaps_and_empty_cells(tmp_path):
    path = written(
        tmp_path / "a.csv",
        "Start , End,Text ,note\n"
        '0,2,one,x\n2,2.5,,empty\n4,8,two,\n5,7,"three, four",\n\n9.5,9.6,five,\n',
    )
    table = per_tr(path, tmp_path)
    columns = ["tr", "start_s", "end_s", "text", "n_rows", "coverage", "speech"]
    assert table.columns.tolist() == columns
    assert table["tr"].tolist() == [0, 1, 2, 3, 4]
    assert table["start_s"].tolist() == [0, 2, 4, 6, 8]
    assert table["text"].tolist() == ["one", "", "two three, four", "two", "five"]
    assert table["n_rows"].tolist() == [1, 0, 2, 1, 1]
    assert table["coverage"].tolist() == [1, 0, 1, 1, 0.05]


def test_onset_moves_text_but_not_the_grid(tmp_path):
    path = written(tmp_path / "a.tsv", "start_s\tend_s\ttext\n0\t2\tone\n2\t6\ttwo\n")
    assert texts(path, tmp_path, movie_onset_s=4) == ["", "", "one", "two", "two"]
    assert texts(path, tmp_path, movie_onset_s=-2) == ["two", "two", "", "", ""]


def test_bids_events_count_from_the_first_volume(tmp_path):
    content = "onset\tduration\ttrial_type\n2.0\t4.0\tface\n6\t0\tcat\n8\tn/a\tn/a\n"
    path = written(tmp_path / "sub-01_task-film_events.tsv", content)
    assert texts(path, tmp_path, movie_onset_s=2) == ["", "face", "face", "cat", ""]
    assert texts(path, tmp_path, movie_onset_s=2, clock="film") == ["", "", "face", "face", "cat"]


def test_columns_by_name_whatever_case_and_spaces(tmp_path):
    path = written(
        tmp_path / "a.csv", "start,end,text,Speaker  Name \n0,4,ignored,Ann\n4,10,ignored,Bob\n"
    )
    assert texts(path, tmp_path, text_column=" speaker name") == ["Ann"] * 2 + ["Bob"] * 3


@pytest.mark.parametrize(
    ("unit", "cells"),
    [
        ("seconds", [("0", "4"), ("4.0", "8,5")]),
        ("milliseconds", [("0", "4000"), ("4e3", "8500")]),
        ("clock", [("0:00:00", "00:04"), ("0:00:04.000", "0:00:08,5")]),
        ("trs", [("1", "2"), ("3", "4")]),
    ],
)
def test_units_of_time(tmp_path, unit, cells):
    lines = [f"{a};{b};text {n}" for n, (a, b) in enumerate(cells)]
    path = written(tmp_path / "a.csv", "\n".join(["start;end;text", *lines]))
    assert texts(path, tmp_path, unit=unit) == ["text 0"] * 2 + ["text 1"] * 2 + [""]


def test_a_column_of_another_unit_is_passed_over(tmp_path):
    path = written(
        tmp_path / "a.csv", "onset_ms,Start (TRs),start,end_ms,end,text\n0,1,2,4000,6,one\n"
    )
    assert texts(path, tmp_path) == ["", "one", "one", "", ""]
    assert texts(path, tmp_path, unit="milliseconds") == ["one", "one", "", "", ""]
    with_all_units = texts(path, tmp_path, unit="trs", end_column="Start (TRs)")
    assert with_all_units == ["one", "", "", "", ""]


def test_trs_may_count_from_zero(tmp_path):
    path = written(tmp_path / "a.csv", "start,end,text\n0,1,one\n2,2,two\n")
    got = texts(path, tmp_path, unit="trs", first_tr=0, movie_onset_s=6)
    assert got == ["one", "one", "two", "", ""]


def test_excel_times_sheets_and_numbers(tmp_path):
    rows = [
        ["Start Time ", "End Time", "Description "],
        [datetime.time(0, 0, 0), datetime.time(0, 0, 4), "one"],
        [datetime.timedelta(seconds=4), "0:00:08", 2],
    ]
    path = workbook(tmp_path / "a.xlsx", [["nothing"]], extra={"Film": rows})
    assert texts(path, tmp_path, sheet="Film", unit="clock") == ["one", "one", "2", "2", ""]


def test_a_row_without_an_end_lasts_until_the_next(tmp_path):
    path = written(tmp_path / "a.csv", "onset,text\n0,one\n4,two\n6,\n8,three\n")
    assert texts(path, tmp_path) == ["one", "one", "two", "", "three"]


def test_short_gaps_can_be_filled(tmp_path):
    content = "start,end,text\n0,1,one\n0,2,two\n5,6,three\n8.5,10,four\n"
    path = written(tmp_path / "a.csv", content)
    assert texts(path, tmp_path) == ["one two", "", "three", "", "four"]
    assert texts(path, tmp_path, gap_s=2.5) == ["one two", "", "three", "three", "four"]
    assert texts(path, tmp_path, gap_s=3) == ["one two", "two", "three", "three", "four"]


def test_rows_without_a_start_are_counted_and_left_out(tmp_path):
    path = written(tmp_path / "a.csv", "start,end,text\n0,4,one\n,6,two\nn/a,,\n")
    with pytest.warns(UserWarning, match=r"a\.csv: 1 row\(s\) with a text but no start .*: 3"):
        assert texts(path, tmp_path) == ["one", "one", "", "", ""]


def test_a_lone_quotation_mark_does_not_swallow_the_table(tmp_path):
    path = written(
        tmp_path / "a.tsv", 'start\tend\ttext\n0\t4\t"Go!\n4\t8\tHe "runs"\n8\t10\tend\n'
    )
    assert texts(path, tmp_path) == ['"Go!', '"Go!', 'He "runs"', 'He "runs"', "end"]


def test_no_text_is_an_empty_column(tmp_path):
    table = per_tr("", tmp_path)
    assert table["text"].tolist() == [""] * 5
    assert table["coverage"].tolist() == [0.0] * 5


def test_the_film_is_not_opened_when_the_length_is_given(tmp_path):
    path = written(tmp_path / "a.csv", "start,end,text\n0,4,one\n")
    assert len(per_tr(path, tmp_path, movie=tmp_path / "missing.mp4")) == 5


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Start Time (s) ", ("start time", "seconds")),
        ("Start Time (TRs, 1.5s)", ("start time", "trs")),
        ("onset_ms", ("onset", "milliseconds")),
        ("end_s", ("end", "seconds")),
        ("Scene Details - A Level ", ("scene details a level", None)),
        ("tr", ("tr", None)),
        ("Onset [hh:mm:ss]", ("onset", "clock")),
    ],
)
def test_headers_state_name_and_unit(header, expected):
    assert name_and_unit(header) == expected


@settings(deadline=None)
@given(st.integers(0, 10**8))
def test_clock_times_are_read_exactly(milliseconds):
    rest, ms = divmod(milliseconds, 1000)
    hours, minutes, secs = rest // 3600, rest // 60 % 60, rest % 60
    assert clock_seconds(f"{hours}:{minutes:02}:{secs:02},{ms:03}") == Fraction(milliseconds, 1000)
    assert clock_seconds(f"{hours}:{minutes + 60}:{secs:02}") is None


# Parts


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.integers(0, 3600), min_size=4, max_size=12, unique=True).map(sorted),
        min_size=1,
        max_size=4,
    )
)
def test_times_that_start_again_make_parts(starts):
    # What a table of parts looks like: each begins before the last one's end minus 30 s.
    starts = [[t + 100 * (t > min(part)) for t in part] for part in starts]
    rows = [Row(Fraction(t), None, "x", 1) for part in starts for t in part]
    parts = split_parts(rows, 30, len(starts))
    joins = [a[-1] - b[0] >= 30 for a, b in pairwise(starts)]
    if all(joins):
        assert [[int(row.start_s) for row in part] for part in parts] == starts
    assert [row for part in parts for row in part] == rows


def test_small_disorder_is_no_new_part():
    rows = [Row(Fraction(t), None, str(t), 1) for t in (5, 20, 15, 40, 35)]
    assert len(split_parts(rows, 30)) == 1
    assert len(split_parts([*rows, Row(Fraction(5), None, "again", 1)], 30)) == 1
    assert len(split_parts([*rows, Row(Fraction(5), None, "again", 1)], 30, 2)) == 2
    assert len(split_parts([*rows, Row(Fraction(0), None, "again", 1)], None, 2)) == 1


def test_parts_are_never_laid_over_each_other(tmp_path):
    path = written(
        tmp_path / "a.csv", "start,end,text\n0,4,a1\n4,40,a2\n0,2,b1\n2,40,b2\n0,40,c1\n"
    )
    assert texts(path, tmp_path, text_parts=3) == ["a1", "a1", "a2", "a2", "a2"]
    assert texts(path, tmp_path, text_part=2) == ["b1", "b2", "b2", "b2", "b2"]
    assert texts(path, tmp_path, text_part=3) == ["c1"] * 5


def test_parts_by_a_column(tmp_path):
    path = written(
        tmp_path / "a.csv", "start,end,text,Run\n0,6,a1,seven\n0,10,b1,eight\n6,10,a2,seven\n"
    )
    got = texts(path, tmp_path, text_part=1, part_column="run")
    assert got == ["a1", "a1", "a1", "a2", "a2"]
    assert texts(path, tmp_path, text_part=2, part_column="run") == ["b1"] * 5


# Encodings


FRENCH = "start,end,text\n0,4,Un homme s’arrête près de la fenêtre\n4,8,Où est-elle ? Ça va\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marked_encodings(tmp_path, encoding):
    path = written(tmp_path / "a.csv", FRENCH, encoding)
    assert texts(path, tmp_path)[2] == "Où est-elle ? Ça va"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Un homme s’arrête près de la fenêtre. Où est-elle ?"),
        ("cp1252", "Der Mann öffnet die Tür und läuft über die Straße."),
        ("cp1251", "Мужчина открывает дверь и бежит через улицу. Позже он слышит странные звуки."),
        ("shift_jis", "男はドアを開けて通りを走る。その後、彼は奇妙な音を聞く。"),
    ],
)
def test_other_encodings_are_recognised(tmp_path, encoding, text):
    path = written(tmp_path / "a.csv", f"start,end,text\n0,10,{text}\n", encoding)
    with pytest.warns(UserWarning, match=r"a\.csv: is not UTF-8; read as"):
        assert texts(path, tmp_path)[0] == text


def test_the_encoding_can_be_named(tmp_path):
    path = written(tmp_path / "a.csv", FRENCH, "mac_roman")
    assert texts(path, tmp_path, encoding="mac_roman")[2] == "Où est-elle ? Ça va"


# Subtitles


SRT = """1
00:00:00,500 --> 00:00:03,000
<i>- Hello</i> &amp; welcome
{\\an8}friends

2
00:00:03,000 --> 00:00:04,000
3
00:00:06,000 --> 00:00:10,000 X1:0
I <3 you
"""

VTT = """WEBVTT - made up

NOTE a comment
over two lines

STYLE
::cue { color: white }

intro
00:00.500 --> 00:03.000 align:start position:0%
<v Ann>- Hello</v> &amp; <c.loud>welcome</c>
friends

00:00:06.000 --> 00:00:10.000
I <3 you
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("name", "content"), [("a.srt", SRT), ("a.vtt", VTT)])
def test_subtitles(tmp_path, name, content, encoding):
    path = written(tmp_path / name, content.replace("\n", "\r\n"), encoding)
    hello, heart = "- Hello & welcome friends", "I <3 you"
    assert texts(path, tmp_path) == [hello, "", "", heart, heart]


def test_subtitle_files_may_hold_parts(tmp_path):
    cues = [(0, 4, "a1"), (60, 62, "a2"), (0, 6, "b1")]
    content = "\n\n".join(
        f"{n}\n00:{a // 60:02}:{a % 60:02},000 --> 00:{b // 60:02}:{b % 60:02},000\n{text}"
        for n, (a, b, text) in enumerate(cues, 1)
    )
    path = written(tmp_path / "a.srt", content)
    assert texts(path, tmp_path, text_parts=2) == ["a1", "a1", "", "", ""]
    assert texts(path, tmp_path, text_part=2) == ["b1", "b1", "b1", "", ""]


HEAD = "start,end,{}\n0,2,{}\n2,3,{}\n4,8,{}\n"


@pytest.mark.parametrize(
    ("columns", "cells", "expected"),
    [
        # A column says who speaks, or whether anyone does.
        ("text,Speaking", ("a,Ann", "b,", "c,None"), [1, 0, 0, 0]),
        ("text,spoken", ("a,no", "b,yes", "c,1"), [0, 0.5, 1, 1]),
        ("text,Name - Speaking ", ("a,Ann", "b,Bob", "c,"), [1, 0.5, 0, 0]),
        # A transcript is what is said, wherever it has text.
        ("transcript", ("a", "b", "c"), [1, 0.5, 1, 1]),
        ("words", ("a", "b", ""), [1, 0.5, 0, 0]),
        # Of a description it is not known.
        ("description", ("a", "b", "c"), [""] * 4),
        ("text", ("a", "b", "c"), [""] * 4),
    ],
)
def test_where_something_is_said(tmp_path, columns, cells, expected):
    path = written(tmp_path / "a.csv", HEAD.format(columns, *cells))
    found = per_tr(path, tmp_path, tr_s="2", n_trs=4)["speech"]
    assert [value if value == "" else float(value) for value in found] == expected


def test_the_column_of_speech_can_be_named(tmp_path):
    path = written(tmp_path / "a.csv", HEAD.format("text,Voice", "a,x", "b,", "c,"))
    found = per_tr(path, tmp_path, tr_s="2", n_trs=4, speech_column="voice")["speech"]
    assert found.tolist() == [1, 0, 0, 0]
    with pytest.raises(AnnotationError, match=r"no column 'voices'.*text/speech_column"):
        per_tr(path, tmp_path, tr_s="2", n_trs=4, speech_column="voices")


def test_subtitles_are_speech_but_for_sounds_and_music(tmp_path):
    cues = ["Hello.", "[door slams]", "(sighs) No!", "♪ la la ♪", "♪"]
    blocks = [
        f"{k + 1}\n00:00:0{k},000 --> 00:00:0{k + 1},000\n{cue}\n" for k, cue in enumerate(cues)
    ]
    path = written(tmp_path / "a.srt", "\n".join(blocks))
    assert per_tr(path, tmp_path, tr_s="1", n_trs=6)["speech"].tolist() == [1, 0, 1, 0, 0, 0]


def test_a_run_without_text_does_not_tell_where_speech_is(tmp_path):
    extract_text("", tmp_path / "text.tsv", tr_s="2", n_trs=3)
    assert pd.read_csv(tmp_path / "text.tsv", sep="\t")["speech"].isna().all()
