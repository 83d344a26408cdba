"""A path that is let through is the file's, and Snakemake leaves it as it is."""

import os
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.io import apply_wildcards
from snakemake.pathvars import PATHVAR_REGEX

from giblet import paths
from giblet.errors import TableError

LETTERS = st.one_of(
    st.sampled_from("{}<>[]()*?#%$~!&|;:'\"\\` -_.,aBé\u0301日0"),
    st.characters(exclude_categories=("Cs",), exclude_characters="/\0"),
)
NAMES = st.text(LETTERS, min_size=1, max_size=20).filter(lambda name: name.strip(".") != "")


@settings(max_examples=300, deadline=None)
@given(name=NAMES)
def test_any_name_is_that_of_the_file_or_refused_by_its_cell(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp() / "names"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(name)
    used = said = ""
    try:
        used = paths.checked(str(path), "runs.tsv row 1: movie", TableError)
    except TableError as error:
        said = str(error)
    if used:
        assert os.path.samefile(used, path)
        assert apply_wildcards(used, {}) == used
        assert not PATHVAR_REGEX.search(used)
    else:
        assert re.match("runs.tsv row 1: movie is .*rename", said)
    path.unlink()


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_no_text_makes_a_traceback(text):
    with suppress(TableError):
        paths.checked(text, "x", TableError, glob=True, folder=True)


@pytest.mark.parametrize("text", ["{a}", "{ a }", "{a,b}", r"{a,\d{2}}", "{run}", "{1F2C}"])
def test_what_snakemake_takes_for_a_wildcard_is_refused(text):
    assert "Snakemake fills in" in paths.unusable(text)
