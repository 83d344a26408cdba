"""Numbers and lists as the page shows them."""

import numpy as np
import pytest

from giblet.validate.report.words import interval, listed, number


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (0.12345, 3, "0.123"),
        (-0.5, 1, "−0.5"),
        (-0.0001, 3, "0.000"),
        (12345.6, 0, "12,346"),
        (np.nan, 3, "–"),
        (np.inf, 3, "–"),
    ],
)
def test_number(value, digits, shown):
    assert number(value, digits) == shown


def test_interval():
    assert interval(-0.1, 0.25, 2) == "[−0.10, 0.25]"
    assert interval(np.nan, 0.2) == ""


@pytest.mark.parametrize(
    ("parts", "shown"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")],
)
def test_listed(parts, shown):
    assert listed(parts) == shown
