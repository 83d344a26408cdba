"""What is said of inputs is printed, kept once, and stamped beside the results."""

import warnings

from giblet import notices
from giblet.stamps import notices_of, write_stamp


def test_each_notice_is_kept_once_and_printed(capsys):
    with notices.collected() as found:
        for _ in range(2):
            notices.warn("a.tsv: 3 rows are left out")
        notices.warn("a.tsv: is not UTF-8")
    assert found == ["a.tsv: 3 rows are left out", "a.tsv: is not UTF-8"]
    assert capsys.readouterr().err.splitlines() == [f"warning: {text}" for text in found]


def test_a_job_that_reads_again_says_nothing_twice(capsys):
    with notices.collected(shown=False) as found:
        notices.warn("runs.tsv: is not UTF-8")
    assert found == ["runs.tsv: is not UTF-8"]
    assert capsys.readouterr().err == ""


def test_other_warnings_pass_through():
    with warnings.catch_warnings(record=True) as others:
        warnings.simplefilter("always")
        with notices.collected() as found:
            warnings.warn("not of an input", RuntimeWarning, stacklevel=1)
    assert found == []
    assert [str(one.message) for one in others] == ["not of an input"]


def test_notices_travel_with_the_results(tmp_path):
    first, second, third = (tmp_path / name for name in ("a.h5", "b.h5", "c.h5"))
    write_stamp(first, "brain_run", {}, ["one", "two"])
    write_stamp(second, "brain_run", {}, ["two", "three"])
    assert notices_of([first, third, second]) == ["one", "two", "three"]
