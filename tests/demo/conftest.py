"""The finished demo that is looked at."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def results(request):
    folder = request.config.getoption("--demo-results")
    if folder is None:
        pytest.skip("needs a finished demo: make demo, then pytest --demo-results results/demo")
    return Path(folder)
