"""One finished run of the tiny study, shared by all workflow tests of a session."""

import os
import shutil

import pytest
from filelock import FileLock

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
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return run_tiny(base / "finished")
    # The folder above is the session's: the first worker makes the study, on all cores, the
    # others wait for it. One that failed is made, and fails, again.
    with FileLock(base.parent / "finished.lock"):
        done = base.parent / "finished.done"
        if done.exists():
            return Checkout(base.parent / "finished" / "giblet")
        shutil.rmtree(base.parent / "finished", ignore_errors=True)
        made = run_tiny(base.parent / "finished")
        done.touch()
        return made


def run_tiny(folder):
    """Run the tiny study in a checkout of its own."""
    checkout = Checkout.make(folder / "giblet")
    code, output = checkout.snakemake(*TINY)
    assert code == 0, output[-4000:]
    return checkout


@pytest.fixture(scope="module")
def sandbox(finished, tmp_path_factory):
    """A copy of the finished study for a test module to edit and put back."""
    return finished.copy(tmp_path_factory.mktemp("sandbox") / "giblet")
