"""Messages are one line that a terminal shows, whatever the names and values in them hold."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from giblet.errors import LONGEST, UNSHOWN, GibletError, RemoteError, StoreError, one_line


@given(st.text(max_size=200).map(lambda text: f"a.tsv: {text} is wrong: correct it"))
def test_a_message_is_one_line_that_is_shown(message):
    shown = str(StoreError(message))
    assert shown.splitlines() == [shown]
    assert not {unicodedata.category(character) for character in shown} & set(UNSHOWN)
    assert one_line(shown) == shown


@given(st.text(st.characters(exclude_categories=UNSHOWN), max_size=LONGEST))
def test_what_can_be_shown_is_left_as_it_is(message):
    assert str(GibletError(message)) == message


def test_letters_spaces_and_signs_of_all_languages_stay():
    name = "Capture d\u2019\u00e9cran \u00e0 10:00\u202fAM \u6620\u753b.mp4"
    assert str(GibletError(name)) == name


def test_a_long_message_keeps_the_file_and_what_to_do():
    shown = str(GibletError(f"a.tsv: holds {'9' * 10**6}: correct the row"))
    assert shown.startswith("a.tsv: holds 999")
    assert shown.endswith("999: correct the row")
    assert len(shown) <= LONGEST + len(" ... ") + 1


def test_lists_of_files_of_a_remote_run_keep_their_lines():
    assert str(RemoteError("a:\n  b\n  c")) == "a:\n  b\n  c"
