"""Every bad input is read right, warned of, or refused, as docs/bad-inputs.md says."""

import pytest

from tests.support import bad_inputs

ALL = [
    pytest.param(case, id=f"{kind.title}: {case.input}")
    for kind in bad_inputs.kinds()
    for case in kind.cases
]


@pytest.mark.parametrize("case", ALL)
def test_bad_input(case, tmp_path):
    outcome, said = bad_inputs.happened(case, tmp_path)
    assert outcome == case.outcome, said
    if case.says:
        assert any(bad_inputs.fits(case.says, message) for message in said), said


def test_no_input_is_listed_twice():
    names = [case.id for case in ALL]
    assert len(set(names)) == len(names)


def test_the_page_is_what_the_cases_say():
    text = bad_inputs.PAGE.read_text(encoding="utf-8")
    assert bad_inputs.page(text) == text, "run: python -m tests.support.bad_inputs"
