"""A study in a temporary folder."""

import pytest

from tests.support.scans import BrainStudy


@pytest.fixture
def study(tmp_path):
    return BrainStudy(tmp_path)
