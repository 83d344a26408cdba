"""Rows that cannot be used: said, not passed over."""

from tests.support.bad_inputs import Kind
from tests.support.timed_text import texts, written

KIND = Kind(
    "Rows left out",
    "No row is left out without a warning that counts the rows and names them. A table out of "
    "order is sorted; parts are made only where the runs table asks for them, or where times "
    "restart for good, which is said.",
)


def table(folder, rows):
    lines = [f"{start},{start + length},{text}" for start, length, text in rows]
    return written(folder / "a.csv", "\n".join(["start,end,text", *lines]) + "\n")


def part(name, step, n=40):
    return [(k * step, step, f"{name}{k}") for k in range(n)]


@KIND.warned(
    "a row with a text but no start",
    "…: 1 row(s) with a text but no start are left out: 3",
)
def _(folder):
    path = written(folder / "a.csv", "start,end,text\n0,1,one\n,,two\n2,3,three\n")
    assert texts(path)[:3] == ["one", "", "three"]


@KIND.read("rows a little out of order, the first one too")
def _(folder):
    path = table(folder, [(2, 1, "one"), (1.5, 0.5, "two"), (4, 1, "three"), (6, 1, "four")])
    assert texts(path)[1:7] == ["two", "one", "", "three", "", "four"]


@KIND.read("a lone row that steps back, in the middle")
def _(folder):
    path = table(folder, [(0, 1, "a"), (2, 1, "b"), (1, 1, "c"), (3, 1, "d"), (5, 1, "e")])
    assert texts(path)[:6] == ["a", "c", "b", "d", "", "e"]


@KIND.warned(
    "signs before the dialogue (srt)",
    "…a.srt line 6: starts 152 s before an earlier one; all 4 lines are taken for one run's, in …",
)
def _(folder):
    srt = ""
    for minute, second, what in ((2, 38, "Title"), (0, 6, "one"), (0, 10, "two"), (0, 14, "three")):
        srt += f"1\n00:0{minute}:{second},000 --> 00:0{minute}:{second + 1},500\n{what}\n\n"
    found = texts(written(folder / "a.srt", srt), n_trs=170)
    assert [text for text in dict.fromkeys(found) if text] == ["one", "two", "three", "Title"]


@KIND.warned(
    "a table from the last row to the first",
    "… row 21: starts 38 s before an earlier one; all 20 rows are taken for …",
)
def _(folder):
    rows = part("row", 2, 20)
    assert texts(table(folder, rows[::-1]), 40) == [f"row{k // 2}" for k in range(40)]


@KIND.warned(
    "a table that lists one speaker after the other", "… all 40 rows are taken for one run's, in …"
)
def _(folder):
    rows = part("row", 2, 40)
    assert texts(table(folder, rows[::2] + rows[1::2]), 80) == [f"row{k // 2}" for k in range(80)]


@KIND.warned(
    "times that restart for good, where the runs table names no part",
    "…: 2 parts (part 1 rows 2-41 from 0 s to 78 s, part 2 rows 42-81 from 0 s to 117 s); part 1 "
    "is used and 40 rows are left out, as times start again…",
)
def _(folder):
    path = table(folder, part("a", 2) + part("b", 3))
    assert texts(path, 80) == [f"a{k // 2}" for k in range(80)]


@KIND.read("parts that the runs table asks for")
def _(folder):
    path = table(folder, part("a", 2) + part("b", 3))
    assert texts(path, 80, text_parts=2) == [f"a{k // 2}" for k in range(80)]
    assert texts(path, 120, text_part=2) == [f"b{k // 3}" for k in range(120)]


@KIND.read("short parts that the runs table asks for")
def _(folder):
    path = table(folder, [(0, 2, "a"), (40, 2, "b"), (0, 3, "c")])
    assert texts(path, 5, text_part=2) == ["c", "c", "c", "", ""]


@KIND.read("a −1 or a late first row in a table of two parts")
def _(folder):
    one, two = part("a", 2), part("b", 3)
    late = [one[1], one[0], *one[2:]]
    assert texts(table(folder, late + two), 120, text_part=2) == [f"b{k // 3}" for k in range(120)]
    odd = [*two[:9], (-1, 0, "none"), *two[9:]]
    found = texts(table(folder, one + odd), 120, text_part=2, text_shared=True)
    assert found == [f"b{k // 3}" for k in range(120)]


@KIND.warned(
    "more parts than the runs table names", "…: 3 parts (…); part 1 is used and 80 rows are left …"
)
def _(folder):
    path = table(folder, part("a", 2) + part("b", 3) + part("c", 4))
    assert texts(path, 80, text_parts=2)[0] == "a0"
