"""Workbooks: what Excel shows is what is read."""

import csv
import datetime
import re
import zipfile

import numpy as np
from openpyxl.chart import BarChart
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH

from giblet.brain.atlas import region_names
from giblet.brain.confounds import load_confounds
from giblet.brain.parcels import open_parcels
from giblet.stimulus.text import extract_text
from giblet.tables import load_runs, load_scans
from tests.support.bad_inputs import Kind
from tests.support.workbooks import SHEET, book, cells, changed, number, packed, text

KIND = Kind(
    "Workbooks",
    "What Excel shows is what is read, or one line says why not, with the name of the cell.",
)
HEADER = ["start", "end", "text"]
ROWS = [HEADER, *([k, k + 1, f"word{k}"] for k in range(6))]
BOOK, STYLES = "xl/workbook.xml", "xl/styles.xml"
WORDS = [f"word{k}" for k in range(6)]


def texts(path, n_trs=6, **settings):
    """The text of each TR of 1 s."""
    extract_text(path, path.parent / "text.tsv", tr_s=1, n_trs=n_trs, **settings)
    with (path.parent / "text.tsv").open(encoding="utf-8", newline="") as handle:
        return [row["text"] for row in csv.DictReader(handle, delimiter="\t")]


def header():
    return "".join(text(f"{letter}1", name) for letter, name in zip("ABC", HEADER))


# What a file says of itself.


@KIND.read("a sheet that states a smaller or larger area than it fills, or none")
def _(folder):
    for area in ("A1", "A1:C3", "A1:XFD1048576", "nonsense"):
        path = book(folder / "a.xlsx", ROWS)
        stated = f'<dimension ref="{area}"/>'
        changed(path, lambda xml, stated=stated: re.sub("<dimension [^>]*/>", stated, xml))
        assert texts(path) == WORDS
    changed(path, lambda xml: re.sub("<dimension [^>]*/>", "", xml))
    assert texts(path) == WORDS


@KIND.read("rows and cells without their numbers (written by scripts)")
def _(folder):
    path = book(folder / "a.xlsx", ROWS)
    changed(path, lambda xml: re.sub(' r="[A-Z]*[0-9]+"', "", xml))
    assert texts(path) == WORDS


@KIND.read("parts named with backslashes, or in other letters than they are referred to by")
def _(folder):
    path = book(folder / "a.xlsx", ROWS)
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts = {
        name.replace("/", "\\").replace("sheet1", "Sheet1"): data for name, data in parts.items()
    }
    assert texts(packed(path, parts)) == WORDS


@KIND.read("a workbook of the strict kind of Office Open XML")
def _(folder):
    path = book(folder / "a.xlsx", ROWS)
    strict = "http://purl.oclc.org/ooxml/officeDocument/relationships"
    old = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    for part in (SHEET, BOOK, "xl/_rels/workbook.xml.rels"):
        changed(
            path,
            lambda xml: xml.replace(old, strict).replace(
                main, "http://purl.oclc.org/ooxml/spreadsheetml/main"
            ),
            part,
        )
    assert texts(path) == WORDS


@KIND.read(
    "a workbook with a damaged style sheet, filters and validations, which Excel passes over"
)
def _(folder):
    path = book(folder / "a.xlsx", ROWS)
    changed(
        path, lambda xml: xml.replace("<fills", "<fills><fill/><odd a='b'/></fills><fills"), STYLES
    )
    changed(
        path,
        lambda xml: xml.replace(
            "</sheetData>",
            "</sheetData><autoFilter ref='A1:C7'><filterColumn "
            "colId='x'><customFilters><customFilter val='*'/></customFilters></filterColumn>"
            "</autoFilter>",
        ),
    )
    assert texts(path) == WORDS


@KIND.read("a workbook named .csv")
def _(folder):
    book(folder / "a.xlsx", ROWS).rename(folder / "a.csv")
    assert texts(folder / "a.csv") == WORDS


@KIND.read("empty cells with a format, as far as the sheet goes")
def _(folder):
    path = book(folder / "a.xlsx", ROWS)
    far = '<row r="1048576"><c r="XFD1048576" s="0"/></row></sheetData>'
    changed(path, lambda xml: xml.replace("</sheetData>", far))
    changed(path, lambda xml: xml.replace("</row>", '<c r="XFD1" s="0"/></row>', 1))
    assert texts(path) == WORDS


# Formulas and errors.


@KIND.read("formulas with their values, numbers and texts, the empty one too")
def _(folder):
    path = cells(
        folder / "a.xlsx",
        header(),
        number("A2", 0, "1-1")
        + number("B2", 2, "A2+2")
        + '<c r="C2" t="str"><f>UPPER("a")</f><v>A</v></c>',
        number("A3", 2) + number("B3", 3) + '<c r="C3" t="str"><f>IF(1,"")</f><v></v></c>',
    )
    assert texts(path, 4) == ["A", "A", "", ""]


NEVER = "cell … holds a formula whose value was never calculated: open the workbook in Excel"


@KIND.refused(
    "a formula without a value (written by a program) among the starts", f"…a.xlsx {NEVER}"
)
def _(folder):
    texts(book(folder / "a.xlsx", [HEADER, ["=0", 1, "one"], ["=B2+4", 6, "two"]]))


@KIND.refused("… among the ends", f"…a.xlsx {NEVER}")
def _(folder):
    texts(book(folder / "a.xlsx", [HEADER, [0, "=A2+1", "one"], [5, "=A3+1", "two"]]))


@KIND.refused("… among the texts", f"…a.xlsx {NEVER}")
def _(folder):
    texts(book(folder / "a.xlsx", [HEADER, [0, 1, '=UPPER("one")'], [5, 6, "two"]]))


@KIND.refused(
    "formulas with the 0 of a program that leaves calculating to Excel", f"…a.xlsx {NEVER}"
)
def _(folder):
    path = cells(
        folder / "a.xlsx",
        header(),
        number("A2", 0) + number("B2", 0, "A2+1") + text("C2", "one"),
    )
    with zipfile.ZipFile(path) as made:
        assert b'fullCalcOnLoad="1"' in made.read(BOOK)
    texts(path)


@KIND.read("formulas without values and errors in a column that is not used")
def _(folder):
    path = cells(
        folder / "a.xlsx",
        header() + text("D1", "check"),
        number("A2", 0) + number("B2", 1) + text("C2", "one") + '<c r="D2"><f>B2-A2</f></c>',
        number("A3", 1) + number("B3", 2) + text("C3", "two") + '<c r="D3" t="e"><v>#N/A</v></c>',
    )
    assert texts(path, 2) == ["one", "two"]


@KIND.refused(
    "an error in place of a text", "…a.xlsx cell C2: holds the error #REF!: correct the cell"
)
def _(folder):
    texts(
        cells(
            folder / "a.xlsx",
            header(),
            number("A2", 0) + number("B2", 1) + '<c r="C2" t="e"><v>#REF!</v></c>',
        )
    )


@KIND.refused(
    "an error among confounds", "…c.xlsx cell A3: holds the error #DIV/0!: correct the cell"
)
def _(folder):
    rows = [text("A1", "csf"), number("A2", 1), '<c r="A3" t="e"><v>#DIV/0!</v></c>']
    confounds(cells(folder / "c.xlsx", *rows), ["csf"], 2)


# Which sheet, and where on it.


@KIND.read("a chart sheet before the table")
def _(folder):
    def add_chart(made):
        made.create_chartsheet("Chart", 0).add_chart(BarChart())

    assert texts(book(folder / "a.xlsx", ROWS, change=add_chart)) == WORDS


@KIND.read("empty, hidden and chatty sheets before the table")
def _(folder):
    def add(made):
        made.create_sheet("Empty", 0)
        made.create_sheet("Notes", 0).append(["Annotated by two people, see the paper."])
        hidden = made.create_sheet("Old", 0)
        hidden.append(HEADER)
        hidden.append([0, 9, "old"])
        hidden.append([1, 9, "old"])
        hidden.sheet_state = "hidden"

    assert texts(book(folder / "a.xlsx", ROWS, change=add)) == WORDS


@KIND.read("a sheet that explains the columns before the runs table")
def _(folder):
    def add(made):
        for row in (["column", "meaning"], ["run", "its name"], ["movie", "its film"]):
            made["Sheet"].append(row)
        runs = made.create_sheet("Runs")
        for row in (["run", "movie"], ["run-1", "a.mp4"], ["run-2", "b.mp4"]):
            runs.append(row)

    table = load_runs(book(folder / "runs.xlsx", [], change=add))
    assert table["movie"].tolist() == ["a.mp4", "b.mp4"]


@KIND.warned(
    "several sheets with tables, none named",
    "…a.xlsx: has 2 sheets with tables; 'Sheet' is read, 'Second' not: name the one to read in "
    "stimulus/text/sheet",
)
def _(folder):
    def add(made):
        for row in ROWS[:3]:
            made["Second"].append(row)

    path = book(
        folder / "a.xlsx", ROWS, change=lambda made: (made.create_sheet("Second"), add(made))
    )
    assert texts(path) == WORDS


@KIND.refused(
    "nothing but a chart", "…a.xlsx: has no sheet of cells to read, every sheet is a chart"
)
def _(folder):
    def only_chart(made):
        made.create_chartsheet("Chart").add_chart(BarChart())
        made.remove(made["Sheet"])

    texts(book(folder / "a.xlsx", ROWS, change=only_chart))


@KIND.refused(
    "every table on a hidden sheet", "…a.xlsx: has no sheet of cells to read, every sheet is hidden"
)
def _(folder):
    path = book(folder / "a.xlsx", ROWS)
    texts(changed(path, lambda xml: xml.replace('state="visible"', 'state="hidden"'), BOOK))


@KIND.read("titles above the header, also merged ones")
def _(folder):
    titles = [["Annotations of the film"], [], ["rater:", "2"], []]
    path = book(folder / "a.xlsx", [*titles[:2], *ROWS], merged=["A1:C1"])
    assert texts(path) == WORDS
    runs = book(
        folder / "runs.xlsx",
        [*titles, ["run", "movie", "n_trs"], ["run-1", "a.mp4", 9], ["run-2", "b.mp4", 9]],
    )
    assert load_runs(runs)["run"].tolist() == ["run-1", "run-2"]


@KIND.read("a header of two rows, the upper one merged over several columns")
def _(folder):
    path = book(
        folder / "a.xlsx",
        [["time", None, "text"], ["start", "end", None], *ROWS[1:]],
        merged=["A1:B1", "C1:C2"],
    )
    assert texts(path) == WORDS


@KIND.read("a text merged over several rows")
def _(folder):
    rows = [HEADER, [0, 1, "long"], [1, 2, None], [2, 3, None], [3, 4, "next"]]
    path = book(folder / "a.xlsx", rows, merged=["C2:C4"])
    assert texts(path, 4) == ["long", "long", "long", "next"]


@KIND.read("rows merged into one, each cell by itself")
def _(folder):
    rows = [HEADER, [0, 2, "one"], [], [2, 4, "two"]]
    path = book(folder / "a.xlsx", rows, merged=["A2:A3", "B2:B3", "C2:C3"])
    assert texts(path, 4) == ["one", "one", "two", "two"]


@KIND.read("subjects merged over the rows of their runs")
def _(folder):
    runs = load_runs(book(folder / "r.xlsx", [["run", "movie"], ["1", "a.mp4"], ["2", "b.mp4"]]))
    rows = [["subject", "run", "bold"], ["s1", 1, "a.nii"], [None, 2, "b.nii"]]
    scans = load_scans(book(folder / "s.xlsx", rows, merged=["A2:A3"]), runs)
    assert scans["subject"].tolist() == ["s1", "s1"]
    assert scans["run"].tolist() == ["1", "2"]


@KIND.warned(
    "hidden rows, or rows that a filter hides",
    "…a.xlsx: sheet 'Sheet' hides 2 row(s) (3, 4), by hand or by a filter; "
    "they are read like the others",
)
def _(folder):
    def hide(made):
        for row in (3, 4):
            made["Sheet"].row_dimensions[row].hidden = True

    assert texts(book(folder / "a.xlsx", ROWS, change=hide)) == WORDS


@KIND.refused(
    "a stray cell in the last corner of the sheet",
    "…a.xlsx cell XFD1048576: holds '1', but its column has no name in the header (row 1): name "
    "the column, or clear the cell",
)
def _(folder):
    texts(book(folder / "a.xlsx", ROWS, change=lambda made: stray(made, 1)))


def stray(made, value):
    made["Sheet"]["XFD1048576"] = value


# Cells.


@KIND.read("texts with escapes, formats within a text, inline texts, readings of characters")
def _(folder):
    path = cells(
        folder / "a.xlsx",
        header(),
        number("A2", 0) + number("B2", 1) + '<c r="C2" t="s"><v>0</v></c>',
        number("A3", 1) + number("B3", 2) + '<c r="C3" t="s"><v>1</v></c>',
        number("A4", 2) + number("B4", 3) + text("C4", "_x005F_x000D_ stays"),
        number("A5", 3) + number("B5", 4) + '<c r="C5" t="s"><v>2</v></c>',
        strings=[
            "<si><t>two_x000D_\nlines_x0000_</t></si>",
            "<si><r><rPr><b/></rPr><t>bo</t></r><r><t>ld</t></r></si>",
            '<si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></si>',
        ],
    )
    assert texts(path, 4) == ["two lines", "bold", "_x000D_ stays", "東京"]


@KIND.read("numbers as names: 1, 007 and sub-07 as Excel shows them, 3.0 as a whole number")
def _(folder):
    def formats(made):
        made.active["A3"].number_format = "000"
        made.active["A4"].number_format = '"run-"00'

    rows = [["run", "movie", "n_trs"], [1, "a.mp4", 3.0], [7, "b.mp4", "4"], [7, "c.mp4", 5]]
    table = load_runs(book(folder / "runs.xlsx", rows, change=formats))
    assert table["run"].tolist() == ["1", "007", "run-07"]
    assert table["n_trs"].tolist() == [3, 4, 5]


@KIND.read("numbers stored as text, with spaces, and true or false as speech")
def _(folder):
    rows = [[*HEADER, "speaking"], ["0", " 1 ", "one", True], ["1", "2", "two", False]]
    path = book(folder / "a.xlsx", rows)
    assert texts(path, 2) == ["one", "two"]
    lines = (folder / "text.tsv").read_text().splitlines()[1:]
    assert [float(line.split("\t")[-1]) for line in lines] == [1, 0]


@KIND.read("times of Excel, of both date systems, and durations beyond a day")
def _(folder):
    rows = [
        HEADER,
        [datetime.time(0, 0, 0), datetime.time(0, 0, 1), "one"],
        [datetime.timedelta(seconds=1), datetime.timedelta(seconds=2, days=2), "two"],
    ]
    for epoch in (WINDOWS_EPOCH, MAC_EPOCH):
        path = book(folder / "a.xlsx", rows, change=lambda made, epoch=epoch: dated(made, epoch))
        assert texts(path, 4, unit="clock") == ["one", "two", "two", "two"]


def dated(made, epoch):
    """Write the times of rows 2 and 3 anew, by another date system."""
    made.epoch = epoch


@KIND.refused(
    "a negative time, which Excel shows as ####",
    "…a.xlsx cell A2: holds a negative time, which Excel shows as ####: correct it",
)
def _(folder):
    rows = [HEADER, [-0.5, 1, "one"]]
    path = book(folder / "a.xlsx", rows, change=lambda made: as_time(made.active["A2"]))
    texts(path, unit="clock")


def as_time(cell):
    cell.number_format = "h:mm:ss"


# Other tables than annotations.


def confounds(path, columns, n):
    return load_confounds(path, columns, first_volume=0, n_volumes=n, n_in_file=n)


@KIND.read("confounds, labels of an atlas and parcels as workbooks")
def _(folder):
    rows = [["csf", "note", "fd"], [1.5, "x", None], [2, "y", 0.25], [2.5, None, 0.5]]
    found = confounds(book(folder / "c.xlsx", rows), ["csf", "fd"], 3)
    np.testing.assert_array_equal(found, [[1.5, 0.25], [2, 0.25], [2.5, 0.5]])
    labels = book(folder / "l.xlsx", [["index", "name"], [1.0, "V1"], [2, "A1"]])
    assert region_names(labels, np.array([0, 1, 2])) == {"1": "V1", "2": "A1"}
    parcels = open_parcels(book(folder / "p.xlsx", [["a", "b"], [1, 2], [3, None], [5, 6]]))
    ((_, values),) = parcels.blocks(1, 2)
    np.testing.assert_array_equal(values, [[3, np.nan], [5, 6]])


@KIND.refused(
    "a word among confounds",
    "…c.xlsx row 3: column 'csf' holds text ('high'), expected a number or n/a",
)
def _(folder):
    confounds(book(folder / "c.xlsx", [["csf"], [1], ["high"]]), ["csf"], 2)


# Damage, size, other kinds of file.


@KIND.refused(
    "a workbook cut short",
    "…a.xlsx: not a readable Excel file (…): open it and save it again as xlsx",
)
def _(folder):
    path = book(folder / "a.xlsx", ROWS)
    path.write_bytes(path.read_bytes()[:-500])
    texts(path)


@KIND.refused(
    "… with a flipped bit in a packed part",
    "…a.xlsx: not a readable Excel file (…): open it and save it",
)
def _(folder):
    path = book(folder / "a.xlsx", ROWS)
    with zipfile.ZipFile(path) as made:
        info = made.getinfo(SHEET)
    data = bytearray(path.read_bytes())
    data[info.header_offset + 30 + len(SHEET) + info.compress_size // 2] ^= 4
    path.write_bytes(data)
    texts(path)


@KIND.refused(
    "… with a part that is missing, or no XML",
    "…a.xlsx: not a readable Excel file (…): open it and save it",
)
def _(folder):
    path = book(folder / "a.xlsx", ROWS)
    texts(changed(path, lambda xml: xml.replace("</row>", "</rwo>", 1)))


@KIND.refused(
    "a workbook of a megabyte that unpacks to a gigabyte",
    "…a.xlsx: unpacks to more than 100 MB, more than a table of a study can be",
)
def _(folder):
    path = book(folder / "a.xlsx", ROWS)
    data = bytearray(path.read_bytes())
    # Where the directory at the end of the archive states the size of the sheet.
    entry = data.rindex(SHEET.encode()) - 46
    data[entry + 24 : entry + 28] = (2**30).to_bytes(4, "little")
    path.write_bytes(data)
    texts(path)


@KIND.refused(
    "entities that unfold to gigabytes",
    "…a.xlsx: not a readable Excel file (…): open it and save it again",
)
def _(folder):
    entities = '<!ENTITY a "lollollollol">' + "".join(
        f'<!ENTITY {chr(98 + k)} "{f"&{chr(97 + k)};" * 20}">' for k in range(9)
    )
    path = book(folder / "a.xlsx", ROWS)
    changed(path, lambda xml: f"<!DOCTYPE x [{entities}]>" + xml.replace("word0", "&j;"))
    texts(path)


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


@KIND.refused(
    "a workbook of the old kind", "…a.xlsx: is a workbook of the old kind (xls): save it as xlsx"
)
def _(folder):
    (folder / "a.xlsx").write_bytes(OLE + "Workbook".encode("utf-16-le"))
    texts(folder / "a.xlsx")


@KIND.refused(
    "a workbook with a password", "…a.xlsx: is protected by a password: save it without one"
)
def _(folder):
    (folder / "a.xlsx").write_bytes(OLE + "EncryptedPackage".encode("utf-16-le"))
    texts(folder / "a.xlsx")


def archive(folder, *names):
    return packed(folder / "a.xlsx", dict.fromkeys(names, b"x"))


@KIND.refused(
    "an OpenDocument file", "…a.xlsx: is an OpenDocument file (ods): save it as xlsx or CSV"
)
def _(folder):
    texts(archive(folder, "mimetype", "content.xml"))


@KIND.refused("a Numbers document", "…a.xlsx: is a Numbers document: export it as xlsx or CSV")
def _(folder):
    texts(archive(folder, "Index/Document.iwa"))


@KIND.refused("a binary workbook", "…a.xlsx: is a binary workbook (xlsb): save it as xlsx")
def _(folder):
    texts(archive(folder, "[Content_Types].xml", "xl/workbook.bin"))


@KIND.refused(
    "an archive with a table in it",
    "…a.xlsx: is a ZIP archive, not a workbook: unpack it and name the table in it",
)
def _(folder):
    texts(archive(folder, "table.csv"))


@KIND.refused(
    "a text named .xlsx",
    "…a.xlsx: not a readable Excel file (File is not a zip file): open it and save it again as "
    "xlsx, or name it .csv if it is text",
)
def _(folder):
    (folder / "a.xlsx").write_text("start,end,text\n0,1,one\n")
    texts(folder / "a.xlsx")


@KIND.refused(
    "a web page named .xlsx, as some sites export",
    "…a.xlsx: is a web page or XML, not a table: open it in Excel or LibreOffice and "
    "save it as xlsx or CSV",
)
def _(folder):
    (folder / "a.xlsx").write_text("\n<html><table><tr><td>start</td></tr></table></html>")
    texts(folder / "a.xlsx")


@KIND.refused(
    "the file that Excel keeps beside an open workbook",
    "…: is what Excel keeps beside an open workbook: name a.xlsx instead",
)
def _(folder):
    (folder / "~$a.xlsx").write_bytes(b"\x05Name " + bytes(150))
    texts(folder / "~$a.xlsx")
