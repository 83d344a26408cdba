"""A headless Chromium from Debian, or a skip that says why."""

import json
import shutil

import pytest

from giblet.validate.report.page import build_report
from tests.support import report_files

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--window-size=1280,900",
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium (extra test)")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    opened = webdriver.Chrome(options=options, service=service)
    opened.set_script_timeout(20)
    yield opened
    opened.quit()


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """A report over made-up results."""
    results = report_files.make_results(tmp_path_factory.mktemp("browser") / "demo")
    html = results / "validate/report/index.html"
    build_report(
        html,
        report_files.inputs(results),
        settings_json=json.dumps(report_files.CONFIG),
        **report_files.SETTINGS,
    )
    return html
