"""One results folder for all tests of the report that only read it."""

import pytest

from giblet.validate.report.files import Files
from giblet.validate.report.study import load
from tests.support import report_files


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    return report_files.make_results(tmp_path_factory.mktemp("report") / "demo")


@pytest.fixture(scope="session")
def study(results):
    return load(Files(results, report_files.inputs(results)), "giblet")
