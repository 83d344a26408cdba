"""One finished run of the tiny study, shared by all workflow tests of a session."""

import pytest

from tests.support.checkout import TINY, Checkout, Planner


@pytest.fixture(scope="session")
def planner():
    """Plan workflows without paying for Snakemake's start each time."""
    planner = Planner()
    yield planner
    planner.close()


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A checkout in which the tiny study has run to its report. Do not change it: copy it."""
    checkout = Checkout.make(tmp_path_factory.mktemp("finished") / "giblet")
    code, output = checkout.snakemake(*TINY)
    assert code == 0, output[-4000:]
    return checkout


@pytest.fixture(scope="module")
def sandbox(finished, tmp_path_factory):
    """A copy of the finished study for a test module to edit and put back."""
    return finished.copy(tmp_path_factory.mktemp("sandbox") / "giblet")
