"""Rows that cannot be used: said, not passed over."""

from giblet.stimulus.text import extract_text
from tests.support.bad_inputs import Kind

KIND = Kind(
    "Rows left out",
    "No row is left out without a warning that counts the rows and names them.",
)


def texts(path, n_trs=10, **settings):
    """The text of each TR of 1 s."""
    extract_text(path, path.parent / "text.tsv", tr_s=1, n_trs=n_trs, **settings)
    lines = (path.parent / "text.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [line.split("\t")[3] for line in lines]


@KIND.warned(
    "a row with a text but no start",
    "…: 1 row(s) with a text but no start are left out: 3",
)
def _(folder):
    path = folder / "a.csv"
    path.write_text("start,end,text\n0,1,one\n,,two\n2,3,three\n")
    assert texts(path)[:3] == ["one", "", "three"]
