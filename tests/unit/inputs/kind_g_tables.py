"""Tables of text: every form that programs write, read by one reader."""

import csv
import gzip

import numpy as np

from giblet.brain.atlas import region_names
from giblet.brain.confounds import load_confounds
from giblet.brain.parcels import open_parcels
from giblet.stimulus.text import extract_text
from giblet.tables import load_runs, load_scans
from tests.support.bad_inputs import Kind

KIND = Kind(
    "Tables of text",
    "All tables go through one reader, which goes by their content: it reads every common form "
    "alike, and refuses the others with the file, the row and the column.",
)
RUNS = "run\tmovie\tn_trs\nrun-1\tcafé.mp4\t9\nrun-2\tb.mp4\t\n"
MOTION = ["trans_x", "trans_y", "rot_z"]


def written(folder, content, name="table.tsv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def films(path):
    return load_runs(path)["movie"].tolist()


def confounds(path, columns=("*",), n=3, **where):
    return load_confounds(
        path, list(columns), **{"first_volume": 0, "n_volumes": n, "n_in_file": n, **where}
    )


def texts(path, n_trs=3, **settings):
    extract_text(path, path.parent / "text.tsv", tr_s=1, n_trs=n_trs, **settings)
    with (path.parent / "text.tsv").open(encoding="utf-8", newline="") as handle:
        return [row["text"] for row in csv.DictReader(handle, delimiter="\t")]


def motion(folder, header="trans_x\ttrans_y\trot_z", rows=None, name="motion.tsv", end="\n"):
    rows = rows or [f"{k}\t{10 + k}\t{20 + k}" for k in range(3)]
    return written(folder, end.join([header, *rows, ""]), name)


TRUE = [[0, 10, 20], [1, 11, 21], [2, 12, 22]]

# Encodings and line ends.


@KIND.read("UTF-8 with and without a mark, UTF-16 and UTF-32 with one, UTF-16 without")
def _(folder):
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"):
        path = written(folder, RUNS.encode(encoding), "runs.tsv")
        assert films(path) == ["café.mp4", "b.mp4"], encoding
    chinese = "开始,文本\n0,你好\n1,再见\n".encode("utf-16-le")
    path = written(folder, chinese, "a.csv")
    assert texts(path, 2, start_column="开始", text_column="文本") == ["你好", "再见"]


@KIND.warned(
    "Windows' code page, or that of older Macs",
    "…runs.tsv: is not UTF-8; read as cp1252, 'café' for one. If letters look wrong, save it as "
    "UTF-8",
)
def _(folder):
    assert films(written(folder, RUNS.encode("mac_roman"), "runs.csv")) == ["café.mp4", "b.mp4"]
    assert films(written(folder, RUNS.encode("cp1252"), "runs.tsv")) == ["café.mp4", "b.mp4"]


@KIND.warned(
    "a damaged byte in a text of UTF-8",
    "…a.csv row 3: 1 byte(s) are not UTF-8, unlike the rest of the file; read as \ufffd. Correct "
    "them",
)
def _(folder):
    data = "start,end,text\n0,1,Übergröße für Ärzte\n1,2,x\n".encode().replace(b",x", b",\xff")
    assert texts(written(folder, data, "a.csv"), 2) == ["Übergröße für Ärzte", "\ufffd"]


@KIND.refused(
    "NUL bytes", "…runs.tsv row 2: holds a NUL character: the file is damaged, or no text"
)
def _(folder):
    films(written(folder, RUNS.replace("café", "\0\0\0").encode(), "runs.tsv"))


@KIND.refused(
    "UTF-16 cut in the middle of a letter", "…runs.tsv: is damaged UTF-16 text (…): save it again"
)
def _(folder):
    films(written(folder, RUNS.encode("utf-16")[:-1], "runs.tsv"))


@KIND.read("any line ends: LF, CRLF, CR, CR CR LF, none at the end; a Control-Z there")
def _(folder):
    for end in ("\n", "\r\n", "\r", "\r\r\n"):
        np.testing.assert_array_equal(confounds(motion(folder, end=end)), TRUE)
    assert films(written(folder, RUNS.rstrip().encode() + b"\r\n\x1a")) == ["café.mp4", "b.mp4"]


@KIND.read("a table packed by gzip")
def _(folder):
    packed = gzip.compress(motion(folder).read_bytes())
    np.testing.assert_array_equal(confounds(written(folder, packed, "c.tsv.gz")), TRUE)


# Separators.


@KIND.read("tabs, semicolons or commas, whatever the name ends in; Excel's line sep=")
def _(folder):
    for separator in "\t;,":
        for name in ("a.tsv", "a.csv", "a.txt"):
            text = RUNS.replace("\t", separator)
            assert films(written(folder, text, name)) == ["café.mp4", "b.mp4"]
    assert films(written(folder, "sep=;\n" + RUNS.replace("\t", ";"))) == ["café.mp4", "b.mp4"]


@KIND.read("columns between spaces, where each row has as many")
def _(folder):
    rows = ["0.5  10   20", "1    11   21", "2    12   22"]
    path = motion(folder, "trans_x trans_y rot_z", rows, "c.txt")
    np.testing.assert_array_equal(confounds(path)[:, 1], [10, 11, 12])


@KIND.read("separators at the end of the rows, of the header, of both")
def _(folder):
    rows = [f"{k}\t{10 + k}\t{20 + k}" for k in range(3)]
    head = "\t".join(MOTION)
    for at_head, at_rows in (("", "\t"), ("\t", ""), ("\t", "\t"), ("", "\t\t")):
        path = motion(folder, head + at_head, [row + at_rows for row in rows])
        np.testing.assert_array_equal(confounds(path, ["trans_*", "rot_?"]), TRUE)
    text = "run,movie\nrun-1,a.mp4,,\nrun-2,b.mp4,,\n,,,\n"
    assert films(written(folder, text, "runs.csv")) == ["a.mp4", "b.mp4"]


@KIND.read("row numbers of pandas and R in a first column without a name")
def _(folder):
    rows = [f"{k},{k},{10 + k},{20 + k}" for k in range(3)]
    for first in ("", '""', "Unnamed: 0"):
        path = motion(folder, ",".join([first, *MOTION]), rows, "c.csv")
        np.testing.assert_array_equal(confounds(path, ["trans_*", "rot_?"]), TRUE)
    parcels = open_parcels(written(folder, ",a,b\n0,5,6\n1,7,8\n", "p.csv"))
    assert parcels.labels == ("a", "b")
    np.testing.assert_array_equal(next(parcels.blocks(0, 2))[1], [[5, 6], [7, 8]])
    runs = written(folder, ",run,movie\n0,run-1,a.mp4\n1,run-2,b.mp4\n", "runs.csv")
    assert films(runs) == ["a.mp4", "b.mp4"]


@KIND.read("R's row names, whose header is one name shorter than the rows, where they are words")
def _(folder):
    rows = [f'"vol{k}"\t{k}\t{10 + k}\t{20 + k}' for k in range(3)]
    path = motion(folder, "\t".join(f'"{name}"' for name in MOTION), rows)
    np.testing.assert_array_equal(confounds(path), TRUE)


@KIND.warned(
    "… where they are numbers from 1 on",
    "…motion.tsv row 1: the header names 3 columns, the rows have 4 cells; the first ones (1, 2, "
    "…) "
    "are taken for row names. If they are values, complete the header",
)
def _(folder):
    path = motion(folder, rows=[f"{k + 1}\t{k}\t{10 + k}\t{20 + k}" for k in range(3)])
    np.testing.assert_array_equal(confounds(path), TRUE)


@KIND.refused(
    "a value more than names, and no row names", "…motion.tsv row 2: has 4 cells, the header has 3"
)
def _(folder):
    confounds(motion(folder, rows=[f"{k / 7}\t{k}\t{10 + k}\t{20 + k}" for k in range(3)]))


@KIND.refused(
    "a row with a cell too many",
    "…motion.tsv row 3: has 4 cells, the header has 3: put quotes around",
)
def _(folder):
    confounds(motion(folder, rows=["0\t10\t20", "1\t11\t21\t31", "2\t12\t22"]))


@KIND.refused(
    "a row of numbers that was cut short",
    "…motion.tsv row 4: has 2 cells, the header has 3: the row was cut",
)
def _(folder):
    confounds(motion(folder, rows=["0\t10\t20", "1\t11\t21", "2\t1"]))


@KIND.read("rows of a runs table without their last, empty cells")
def _(folder):
    path = written(folder, "run\tmovie\tmovie_onset_s\tn_trs\nrun-1\ta.mp4\nrun-2\tb.mp4\t3\n")
    assert load_runs(path)["movie_onset_s"].tolist() == ["0", "3"]


@KIND.refused(
    "values below an empty name",
    "…runs.csv row 2: column 2 holds 'a.mp4', but has no name in the header",
)
def _(folder):
    films(written(folder, "run,,n_trs\nrun-1,a.mp4,9\n", "runs.csv"))


# Comments, quotes, titles, names.


@KIND.read("a # inside a value; lines that start with # are comments, whatever is in them")
def _(folder):
    text = '# "my study\nrun\tmovie\tn_trs\n#run-0\tno.mp4\t1\nrun-1\tEpisode #1.mp4\t100\n'
    table = load_runs(written(folder, text))
    assert table["movie"].tolist() == ["Episode #1.mp4"]
    assert table["n_trs"].tolist() == [100]


@KIND.read("quoted cells with separators, quotes and line breaks in them")
def _(folder):
    text = 'start,end,text\n0,1,"one, two"\n1,2,"say ""hi"""\n2,3,"three\nlines\nhere"\n'
    assert texts(written(folder, text, "a.csv")) == ["one, two", 'say "hi"', "three lines here"]
    tabs = text.replace("one, two", "one; two").replace(",", "\t")
    assert texts(written(folder, tabs, "a.tsv")) == ["one; two", 'say "hi"', "three lines here"]


@KIND.read("tables whose last column is often empty, with commas or semicolons in every sentence")
def _(folder):
    rows = "".join(f"{k}\t1\tone, two\t{'Ann' if k % 2 else ''}\n" for k in range(8))
    tabs = "onset\tduration\ttext\tspeaker\n" + rows
    assert texts(written(folder, tabs, "a.tsv"), 8) == ["one, two"] * 8
    commas = tabs.replace(",", ";").replace("\t", ",")
    assert texts(written(folder, commas, "a.csv"), 8) == ["one; two"] * 8


@KIND.read("quotation marks that are letters, in tables that do not quote")
def _(folder):
    rows = ["start\tend\ttext", '0\t1\t"Hello," she said', '1\t2\t"open', '2\t3\t5" tall']
    path = written(folder, "\n".join(rows))
    assert texts(path) == ['"Hello," she said', '"open', '5" tall']


@KIND.refused(
    "a quotation mark that is not closed",
    "…a.csv row 3: a quotation mark that is not closed swallows what",
)
def _(folder):
    text = 'start,end,text\n0,1,"one, two"\n1,2,"three, four\n2,3,five\n'
    texts(written(folder, text, "a.csv"))


@KIND.read("titles above the header")
def _(folder):
    for title in ("Motion of subject 1\n\n", "# exported by a script\n", "subject,1\n\n"):
        path = written(
            folder, title + "trans_x,trans_y,rot_z\n0,10,20\n1,11,21\n2,12,22\n", "c.csv"
        )
        np.testing.assert_array_equal(confounds(path, ["trans_*", "rot_?"]), TRUE)


@KIND.read("spaces around names and cells")
def _(folder):
    path = written(folder, " run , movie \n run-1 , a.mp4 \n", "runs.csv")
    assert films(path) == ["a.mp4"]


@KIND.read("names that look like something else: NA, None, 001, 1e5, TRUE")
def _(folder):
    names = ["NA", "None", "001", "1e5", "TRUE", "nan", "null"]
    rows = "".join(f"{name}\ta.mp4\n" for name in names)
    runs = load_runs(written(folder, "run\tmovie\n" + rows))
    assert runs["run"].tolist() == names
    scans = "".join(f"{name}\t{name}\t{k}.nii\tn/a\n" for k, name in enumerate(names))
    table = load_scans(written(folder, "subject\trun\tbold\tconfounds\n" + scans), runs)
    assert table["subject"].tolist() == names
    assert table["confounds"].tolist() == [""] * len(names)
    labels = written(folder, "index\tname\n1\tNA\n2.0\tNone\n3\t1e5\n", "l.tsv")
    assert region_names(labels, np.arange(4)) == {"1": "NA", "2": "None", "3": "1e5"}


@KIND.read("n/a, NA, NaN and others in columns that may be empty; 9.0 for 9")
def _(folder):
    for missing in ("n/a", "NA", "NaN", "null", "None", "#N/A", ".", ""):
        path = written(folder, f"run\tmovie\ttext\tn_trs\nrun-1\ta.mp4\t{missing}\t9.0\n")
        row = load_runs(path).iloc[0]
        assert (row["text"], row["n_trs"]) == ("", 9), missing


@KIND.refused(
    "two columns of one name",
    "…runs.csv: column 2 and column 3 are both named 'movie': rename or delete one",
)
def _(folder):
    films(written(folder, "run,movie,movie\nrun-1,a.mp4,b.mp4\n", "runs.csv"))


@KIND.refused(
    "… among confounds that are used", "…c.csv: column 1 and column 3 are both named 'csf'"
)
def _(folder):
    confounds(written(folder, "csf,fd,csf\n1,2,3\n1,2,4\n1,5,3\n", "c.csv"), ["csf"])


@KIND.read("… among those that are not used")
def _(folder):
    path = written(folder, "csf,fd,csf\n1,2,3\n1,2,4\n1,5,3\n", "c.csv")
    np.testing.assert_array_equal(confounds(path, ["fd"])[:, 0], [2, 2, 5])


@KIND.refused(
    "an empty file", "…runs.tsv: is empty: name a table with a row for each run, or for each scan"
)
def _(folder):
    films(written(folder, "", "runs.tsv"))


@KIND.refused(
    "a header and nothing else",
    "…c.tsv: holds no rows below a header: name a table with a header and one row",
)
def _(folder):
    confounds(written(folder, "\n\ntrans_x\trot_z\n\n", "c.tsv"))


@KIND.refused("a folder", "…: is a folder, not a file: correct the path in the configuration")
def _(folder):
    films(folder)


@KIND.refused(
    "a link to a file that git-annex has not fetched",
    "…c.tsv: is a link to a file that is not on this machine: fetch it",
)
def _(folder):
    (folder / "c.tsv").symlink_to(folder / "annex")
    confounds(folder / "c.tsv")


@KIND.refused(
    "a pointer of Git LFS", "…c.tsv: is a Git LFS pointer, not the file: run git lfs pull"
)
def _(folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"
    confounds(written(folder, pointer, "c.tsv"))


# Numbers.


@KIND.read("decimal commas, where commas do not separate cells; points of thousands with them")
def _(folder):
    rows = ["0,5;1,250;1.000,5", "-0,25;2;2", "1,5e-2;3;3"]
    path = motion(folder, ";".join(MOTION), rows, "c.csv")
    np.testing.assert_array_equal(
        confounds(path), [[0.5, 1.25, 1000.5], [-0.25, 2, 2], [0.015, 3, 3]]
    )
    quoted = written(folder, 'a,b\n"0,5",1\n"1,5",2\n"2,25",3\n', "q.csv")
    np.testing.assert_array_equal(confounds(quoted)[:, 0], [0.5, 1.5, 2.25])
    runs = written(folder, "run;movie;movie_onset_s\n1;a.mp4;6,5\n", "runs.csv")
    assert load_runs(runs)["movie_onset_s"].tolist() == ["6.5"]


@KIND.read("thousands between spaces or commas, signs, exponents, true and false")
def _(folder):
    rows = ['"1,234.5"\t1 000\t+1E2', "1\t2\t1d1", "\u22122\t3\t.5"]
    np.testing.assert_array_equal(
        confounds(motion(folder, rows=rows)), [[1234.5, 1000, 100], [1, 2, 10], [-2, 3, 0.5]]
    )
    spikes = written(folder, "spike\nFalse\nTrue\nFalse\n")
    np.testing.assert_array_equal(confounds(spikes)[:, 0], [0, 1, 0])


@KIND.refused(
    "a number that can be two",
    "…c.csv row 2: column 'trans_x' holds '1,200', which can be 1.200 or 1200",
)
def _(folder):
    confounds(motion(folder, ";".join(MOTION), ["1,200;2;3", "2;3;4", "3;4;5"], "c.csv"))


@KIND.read("a first row without values (derivatives), in every spelling")
def _(folder):
    for missing in ("n/a", "NA", "NaN", "nan", "", ".", "null", "None", "#N/A", "-nan"):
        path = written(folder, f"a,b\n{missing},1\n2,2\n3,4\n", "c.csv")
        np.testing.assert_array_equal(confounds(path)[:, 0], [2, 2, 3])


@KIND.refused(
    "a missing value where the run begins, in the middle of the scan",
    "…c.csv row 4: column 'a' has no value for volume 0 of the run: only a first row may be empty",
)
def _(folder):
    path = written(folder, "a,b\n1,1\n2,2\n,4\n4,5\n5,6\n", "c.csv")
    confounds(path, n=3, first_volume=2, n_in_file=5)


@KIND.refused("an infinite value", "…c.csv row 2: column 'a' holds 'inf', expected a number or n/a")
def _(folder):
    confounds(written(folder, "a,b\ninf,1\n2,2\n3,3\n", "c.csv"))


@KIND.refused(
    "a number that no measurement has",
    "…c.csv row 3: column 'a' holds 1e+200, which is no measurement",
)
def _(folder):
    confounds(written(folder, "a,b\n1,1\n1e200,2\n3,3\n", "c.csv"))


@KIND.refused(
    "a column without any value",
    "…c.csv: column 'a' has no value in any row of the run: leave it out",
)
def _(folder):
    confounds(written(folder, "a,b\nn/a,1\nn/a,2\nn/a,3\n", "c.csv"))


@KIND.warned(
    "confounds that were never filled in",
    "…c.csv: 1 of the 2 confounds used (a) have the same value in every row and take nothing out",
)
def _(folder):
    confounds(written(folder, "a,b\n0,1\n0,2\n0,3\n", "c.csv"))


@KIND.refused(
    "motion parameters without a header",
    "…c.txt: the first row holds numbers (0.1, 0.2, 0.3, …), expected the names",
)
def _(folder):
    confounds(motion(folder, "0.1\t0.2\t0.3", name="c.txt"), n=3)


@KIND.refused(
    "an empty row between volumes",
    "…c.csv row 3: is empty (1 such rows): a confounds table needs one row per volume",
)
def _(folder):
    confounds(written(folder, "a,b\n1,1\n,\n3,3\n", "c.csv"), n=2)


# Labels of atlases, parcels.


@KIND.refused(
    "a label that is no whole number",
    "…l.tsv row 3: index is 'V2', expected the whole number of a label",
)
def _(folder):
    region_names(written(folder, "index\tname\n1\tV1\nV2\t2\n", "l.tsv"), np.arange(3))


@KIND.refused(
    "two names of one label",
    "…l.tsv row 3: label 1 is 'A1', but 'V1' in row 2: give each label one name",
)
def _(folder):
    region_names(written(folder, "index\tname\n1\tV1\n1\tA1\n", "l.tsv"), np.arange(2))


@KIND.refused(
    "a name that spreadsheets run as a formula",
    "…l.tsv row 2: the name of label 1 is '=HYPERLINK(…)', which a spreadsheet runs as a formula",
)
def _(folder):
    region_names(written(folder, "index\tname\n1\t=HYPERLINK(x)\n", "l.tsv"), np.arange(2))


@KIND.refused(
    "… among the labels of parcels",
    "…p.tsv: the label of parcel 2 is '@SUM(A1)', which a spreadsheet runs",
)
def _(folder):
    open_parcels(written(folder, "a\t@SUM(A1)\n1\t2\n", "p.tsv"))


@KIND.read("parcels numbered by pandas")
def _(folder):
    parcels = open_parcels(written(folder, "0,1,2\n5,6,7\n", "p.csv"))
    assert parcels.labels == ("0", "1", "2")


@KIND.read("parcels in every form of table")
def _(folder):
    text = "a;b\n0,5;1\nn/a;2\n"
    for data in (text.encode(), text.encode("utf-16"), text.replace("\n", "\r").encode()):
        parcels = open_parcels(written(folder, data, "p.csv"))
        assert (parcels.labels, parcels.n_volumes) == (("a", "b"), 2)
        np.testing.assert_array_equal(next(parcels.blocks(0, 2))[1], [[0.5, 1], [np.nan, 2]])


@KIND.read("60,000 parcels")
def _(folder):
    labels = "\t".join(f"p{k}" for k in range(60_000))
    row = "\t".join(["1.5"] * 60_000)
    parcels = open_parcels(written(folder, f"{labels}\n{row}\n", "p.tsv"))
    assert (len(parcels.labels), parcels.n_volumes) == (60_000, 1)


@KIND.refused(
    "parcels with an infinite value",
    "…p.tsv row 3: column 'b' holds 'inf', expected a number or n/a: correct the table",
)
def _(folder):
    list(open_parcels(written(folder, "a\tb\n1\t2\n3\tinf\n", "p.tsv")).blocks(0, 2))


@KIND.refused(
    "parcels cut short",
    "…p.tsv row 3: has 1 cells, the header has 2: the row was cut short; write the table again",
)
def _(folder):
    open_parcels(written(folder, "a\tb\n1\t2\n3", "p.tsv"))


@KIND.refused(
    "a table of three million rows",
    "…runs.tsv: has 3,000,000 rows, more than the 1,000,000 that a table of a study can have",
)
def _(folder):
    films(written(folder, "\n" * 3_000_000, "runs.tsv"))


# Annotations.


@KIND.read("words that look like missing values: Nan, None, NA, null; ends that are missing")
def _(folder):
    for missing in ("n/a", "NA", "NaN", "null", "None", "#N/A", ".", ""):
        rows = [f"{k}\t{missing}\t{word}" for k, word in enumerate(("Nan", "None", "NA", "null"))]
        path = written(folder, "\n".join(["start\tend\tword", *rows]))
        assert texts(path, 4) == ["Nan", "None", "NA", "null"], missing


@KIND.refused(
    "an annotation with two columns of one name, which is used",
    "…: column 3 and column 4 are both named 'text': rename or delete one",
)
def _(folder):
    texts(written(folder, "start,end,text,Text\n0,1,a,A\n1,2,b,B\n", "a.csv"))


@KIND.warned(
    "one accented letter of Windows' code page, which could be half a letter of another one",
    "…p.tsv: is not UTF-8; read as cp1252, 'Área' for one. If letters look wrong, save it as UTF-8",
)
def _(folder):
    path = written(folder, "Área\tb\n1\t2\n".encode("cp1252"), "p.tsv")
    assert open_parcels(path).labels == ("Área", "b")
