"""The Sherlock annotation table, whose authors noted the TRs of every row."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from giblet.stimulus.annotation import read_annotation, rows_of_part
from giblet.stimulus.rows import Row
from giblet.stimulus.text import extract_text, trs_of
from tests.support.real import real_file

TR_S = "1.5"
PART_TRS = {1: 946, 2: 1030}
TEXT = "Scene Details - A Level"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Rows with the columns start, end (s), first, last (the table's TRs, from 0), part, text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = pd.read_excel(real_file("sherlock_segments.xlsx"))
    raw.columns = [name.strip() for name in raw.columns]
    out = pd.DataFrame({"start": raw["Start Time (s)"], "end": raw["End Time (s)"]})
    out["part"] = 1 + (np.arange(len(raw)) >= 482)
    before = np.where(out["part"] == 2, PART_TRS[1], 0)
    out["first"] = raw["Start Time (TRs, 1.5s)"] - 1 - before
    out["last"] = raw["End Time (TRs, 1.5s)"] - 1 - before
    out["text"] = [" ".join(text.split()) for text in raw[TEXT]]
    return out


# In seconds, 5 of the rows that have TRs end before the next one starts: 4 times 1 s, once 3 s.
GAP_S = 3


@cache
def annotation(path: Path) -> list[Row]:
    named = dict.fromkeys(("start", "end", "duration", "text", "part"))
    return read_annotation(path, named, "seconds", 1, TR_S, None, None)


def held(table: pd.DataFrame, part: int, gap_s: int) -> pd.DataFrame:
    """First and last TR that giblet gives the rows of one part, in the order of the table."""
    path = real_file("sherlock_segments.xlsx")
    rows = rows_of_part(path, annotation(path), part, 30, gap_s, TR_S)
    trs = [trs_of(row.start_s, row.end_s, TR_S) for row in sorted(rows, key=lambda r: r.number)]
    assert len(trs) == (table["part"] == part).sum()
    return pd.DataFrame({"first": [t[0] for t in trs], "last": [t[-1] for t in trs]})


@pytest.mark.parametrize(("gap_s", "exact"), [(0, 993), (1, 997), (GAP_S, 998)])
def test_trs_of_rows_agree_with_the_tables_own(table, gap_s, exact):
    got = pd.concat([held(table, part, gap_s) for part in PART_TRS], ignore_index=True)
    noted = table["first"].notna()
    assert noted.sum() == 998
    first = (got["first"] - table["first"])[noted]
    last = (got["last"] - table["last"])[noted]
    assert not first.any()
    assert (last == 0).sum() == exact
    # The last TR of a row before a gap, as the table has it, is one before the next row's first.
    assert sorted(last[last != 0]) == {0: [-2, -1, -1, -1, -1], 1: [-2], GAP_S: []}[gap_s]
    # The two rows without TRs lie after the end of the first scan.
    assert got["first"][~noted].tolist() == [946, 947]


@pytest.mark.parametrize("part", [1, 2])
@pytest.mark.parametrize("gap_s", [0, GAP_S])
def test_the_two_parts_are_two_runs(tmp_path, table, part, gap_s):
    path = real_file("sherlock_segments.xlsx")
    out = tmp_path / "text.tsv"
    extract_text(path, out, tr_s=TR_S, n_trs=PART_TRS[part], text_part=part, gap_s=gap_s)
    got = pd.read_csv(out, sep="\t", keep_default_na=False)
    rows = table[(table["part"] == part) & table["first"].notna()]
    # The part's annotation is exactly as long as its scan.
    assert len(got) == PART_TRS[part] == rows["last"].max() + 1
    expected = [
        " ".join(dict.fromkeys(rows[(rows["first"] <= tr) & (tr <= rows["last"])]["text"]))
        for tr in range(len(got))
    ]
    differ = (got["text"] != expected).sum()
    assert differ == (0 if gap_s else {1: 4, 2: 2}[part])
    # In the gaps there is no text, rather than another one.
    assert (got["text"] == "").sum() == differ
    # No text of one part stands in the other, apart from the cartoon that opens both.
    other = set(table[table["part"] != part]["text"]) - set(rows["text"])
    assert not any(text in other for text in got["text"])


def test_another_column_of_the_table(tmp_path):
    path = real_file("sherlock_segments.xlsx")
    out = tmp_path / "text.tsv"
    extract_text(path, out, tr_s=TR_S, n_trs=946, text_column="words on screen")
    got = pd.read_csv(out, sep="\t", keep_default_na=False)
    assert 0 < (got["text"] != "").sum() < 200


def test_real_events_as_annotations(tmp_path):
    path = real_file("haxby/run-01_events.tsv")
    events = pd.read_csv(path, sep="\t")
    out = tmp_path / "text.tsv"
    extract_text(path, out, tr_s="2.5", n_trs=121)
    got = pd.read_csv(out, sep="\t", keep_default_na=False)["text"]
    for event in events.itertuples(index=False):
        first = int(np.ceil(event.onset / 2.5 - 0.5))
        last = int(np.ceil((event.onset + event.duration) / 2.5 - 0.5)) - 1
        assert set(got[first : last + 1]) == {event.trial_type}
    assert (got != "").sum() == round(events["duration"].sum() / 2.5)


def test_the_table_says_who_speaks(tmp_path):
    raw = pd.read_excel(real_file("sherlock_segments.xlsx"))
    out = tmp_path / "text.tsv"
    extract_text(real_file("sherlock_segments.xlsx"), out, tr_s=TR_S, n_trs=946, text_part=1)
    got = pd.read_csv(out, sep="\t")["speech"]
    assert got.between(0, 1).all()
    length = (raw["End Time (s) "] - raw["Start Time (s) "])[:482]
    spoken = raw["Name - Speaking"][:482].notna()
    assert got.sum() * 1.5 == pytest.approx(length[spoken].sum(), rel=0.02)
