"""Laws of the reader of tables: any form of a table, any spelling of numbers, no foreign errors."""

import csv
import datetime
import io
import math
import re
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from giblet import cells, delimited, encodings, notices
from giblet.cells import Purpose, numbers, read_sheet
from giblet.errors import GibletError, TableError
from giblet.sheets import Sheet
from tests.support.workbooks import SHEET, book, changed

PURPOSE = Purpose(TableError, named_in="correct its name", holds="columns")
LAX = {"deadline": None, "suppress_health_check": list(HealthCheck)}
# Letters of names and texts: separators, quotes, comments, other scripts, no control characters.
LETTERS = "abcXYZ019 ,;\t'\"#=éß漢🎬._-"
NAMES = st.text("abcdefghijk", min_size=1, max_size=6)


def table_of(texts):
    """Tables with a header of several names, and rows that are not empty."""
    return st.integers(2, 5).flatmap(
        lambda width: st.tuples(
            st.lists(NAMES, min_size=width, max_size=width, unique=True),
            st.lists(
                st.lists(texts, min_size=width, max_size=width).filter(
                    lambda row: row[0].strip() and not row[0].startswith("#")
                ),
                min_size=2,
                max_size=6,
            ),
        )
    )


def plain(sheet):
    return [[cells.as_text(cell) for cell in row] for _, row in sheet.rows]


def read(path, **named):
    with notices.collected(shown=False):
        return read_sheet(path, PURPOSE, **named)


@settings(max_examples=150, **LAX)
@given(
    table=table_of(st.text(LETTERS, max_size=8)),
    separator=st.sampled_from("\t;,"),
    end=st.sampled_from(["\n", "\r\n", "\r", "\r\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    suffix=st.sampled_from([".csv", ".tsv", ".txt"]),
)
def test_quoted_texts_are_read_alike_in_every_form(
    tmp_path, table, separator, end, encoding, suffix
):
    header, rows = table
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerows([header, *rows])
    path = tmp_path / f"table{suffix}"
    path.write_bytes(out.getvalue().encode(encoding))
    sheet = read(path)
    assert sheet.header == header
    assert plain(sheet) == [[cell.strip() for cell in row] for row in rows]
    assert [number for number, _ in sheet.rows] == list(range(2, 2 + len(rows)))


@settings(max_examples=100, **LAX)
@given(
    values=st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=3, max_size=6),
    separator=st.sampled_from("\t;,"),
    header_end=st.integers(0, 2),
    row_end=st.integers(0, 2),
    index=st.booleans(),
)
def test_numbers_belong_to_their_names_whatever_separators_end_the_lines(
    tmp_path, values, separator, header_end, row_end, index
):
    first = [""] if index else []
    lines = [separator.join([*first, "aa", "bb", "cc"]) + separator * header_end]
    for k, row in enumerate(values):
        cell = [str(k)] if index else []
        lines.append(separator.join([*cell, *map(repr, row)]) + separator * row_end)
    path = tmp_path / "table.tsv"
    path.write_text("\n".join(lines))
    sheet = read(path)
    for k, name in enumerate(("aa", "bb", "cc")):
        found = numbers(sheet, sheet.position(name, PURPOSE), PURPOSE)
        np.testing.assert_array_equal(found, [row[k] for row in values])


MISSING = ["", "n/a", "N/A", "NA", "NaN", "nan", "null", "None", "#N/A", ".", "<NA>", "-1.#IND"]


@settings(max_examples=150, **LAX)
@given(
    values=st.lists(
        st.one_of(st.sampled_from(MISSING), st.decimals(-99999, 99999, places=2)),
        min_size=2,
        max_size=8,
    ),
    comma=st.booleans(),
    padded=st.booleans(),
)
@example(values=["", *map(float, (1, 2))], comma=True, padded=False)
def test_numbers_are_read_in_every_spelling(values, comma, padded):
    texts = [
        str(value).replace(".", ",") if comma and not isinstance(value, str) else str(value)
        for value in values
    ]
    if padded:
        texts = [f" {text}  " for text in texts]
    sheet = Sheet(["a"], [(k, [text]) for k, text in enumerate(texts, 2)])
    expected = [math.nan if isinstance(value, str) else float(value) for value in values]
    np.testing.assert_array_equal(numbers(sheet, 0, PURPOSE), expected)


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.floats(-1e9, 1e9, width=32),
    st.text("abc é漢🎬\n'=x_D0", max_size=6).filter(lambda text: not text.startswith("=")),
    st.datetimes(min_value=datetime.datetime(1950, 1, 1), max_value=datetime.datetime(2100, 1, 1)),
    st.times(),
    st.timedeltas(min_value=datetime.timedelta(0), max_value=datetime.timedelta(days=9)),
)


@settings(max_examples=40, **LAX)
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5),
    dimension=st.sampled_from(["A1", "B2:C3", "A1:XFD1048576", None]),
)
def test_workbooks_are_read_as_openpyxl_reads_them(tmp_path, rows, dimension):
    """But for the area a sheet states, escapes, and digits that Excel does not show."""
    import openpyxl

    rows = [["key", *row] for row in rows]
    path = book(tmp_path / "a.xlsx", [["key", "one", "two", "three"], *rows])
    expected = [list(row) for row in openpyxl.load_workbook(path).active.values][1:]
    stated = "" if dimension is None else f'<dimension ref="{dimension}"/>'
    changed(path, lambda xml: re.sub("<dimension [^>]*/>", stated, xml))
    found = [row for _, row in read(path).rows]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        for cell, other in zip(ours, theirs + [None] * 4):
            if isinstance(other, float):
                assert cell == pytest.approx(other, rel=1e-14)
            elif isinstance(other, str) and not other.strip():
                assert cell is None
            else:
                assert (cell, type(cell)) == (other, type(other))


@pytest.fixture(scope="module")
def good_book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    return book(folder / "a.xlsx", [["start", "text"], [0, "one"], [1.5, "two"]], ["A4:B5"])


# A place in a file, as a share of its length.
PLACES = st.floats(0, 1, exclude_max=True)


@settings(max_examples=100, **LAX)
@given(
    changes=st.lists(st.tuples(PLACES, st.integers(0, 255)), min_size=1, max_size=4),
    length=st.one_of(st.just(1.0), PLACES),
)
def test_damaged_archives_are_read_or_refused(tmp_path, good_book, changes, length):
    raw = bytearray(good_book.read_bytes())
    for place, value in changes:
        raw[int(place * len(raw))] = value
    path = tmp_path / "a.xlsx"
    path.write_bytes(raw[: 4 + int(length * len(raw))])
    refused_or_read(path)


@settings(max_examples=100, **LAX)
@given(
    part=st.sampled_from([SHEET, "xl/workbook.xml", "xl/styles.xml", "xl/_rels/workbook.xml.rels"]),
    place=PLACES,
    new=st.sampled_from(["", "<", ">", "&", '"', "0", "9" * 30, "-", "é", "x", "1e999"]),
    size=st.integers(0, 12),
)
def test_workbooks_with_damaged_parts_are_read_or_refused(
    tmp_path, good_book, part, place, new, size
):
    path = shutil.copy(good_book, tmp_path / "a.xlsx")

    def damaged(xml):
        at = int(place * len(xml))
        return xml[:at] + new + xml[at + size :]

    refused_or_read(changed(path, damaged, part))


@settings(max_examples=150, **LAX)
@given(
    raw=st.one_of(
        st.binary(max_size=60),
        st.text("ab1,;\t\n\r\"'#. é\x00", max_size=60).map(str.encode),
        st.text("ab1,;\t\n\r\"'#. é", max_size=60).map(lambda text: text.encode("utf-16")),
    ),
    suffix=st.sampled_from([".csv", ".tsv", ".txt", ".xlsx"]),
)
def test_anything_is_read_or_refused(tmp_path, raw, suffix):
    path = tmp_path / f"table{suffix}"
    path.write_bytes(raw)
    refused_or_read(path)


def refused_or_read(path):
    """Read all cells of a table; a refusal names the file, in one line."""
    refusal = ""
    try:
        sheet = read(path)
        plain(sheet)
        for column in range(len(sheet.header)):
            numbers(sheet, column, PURPOSE)
    except GibletError as error:
        refusal = str(error)
    assert not refusal or refusal.startswith(str(path))
    assert "\n" not in refusal


@settings(max_examples=100, **LAX)
@given(st.lists(st.text(LETTERS.replace("\t", ""), max_size=6), min_size=2, max_size=5))
def test_line_ends_make_no_difference(lines):
    text = "\n".join(lines)
    for end in ("\r\n", "\r", "\r\r\n"):
        assert delimited.one_line_end(end.join(lines)) == text


def test_huge_tables_are_refused_by_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(encodings, "MOST_BYTES", 1000)
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * 1000)
    with pytest.raises(TableError, match="is larger than"):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("start\tend\ttext\tby\n0\t1\tone, two\t\n1\t2\tthree, four\tA\n2\t3\tfive, six\t\n", "\t"),
        ("a;b\n0,5;1,5\n1,5;2,5\n", ";"),
        ("a;b;c\n0,5;1;x\n", ";"),
        ("Motion, of a study\na;b\n0,5;1,5\n1,5;2,5\n", ";"),
        ("id,tags\n1,a;b\n2,c;d\n", ","),
        ("start,end,text\n0,4,one, two\n", ","),
        ("name\tlist\none\ta;b;c\ntwo\ta;b;c\n", "\t"),
        ('start,text\n0,"a\tb"\n1,"c\td"\n', ","),
        ("a  b\n1   2\n", " "),
        ("only\none\n", "\t"),
    ],
)
def test_what_separates_cells(text, separator):
    assert delimited.separator_of(text) == separator
