"""A headless Chromium from Debian, or a skip that says why, and the pages it opens."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from giblet.validate.compare.page import write_page
from giblet.validate.compare.table import compare_runs
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
    opened.set_script_timeout(300)
    yield opened
    opened.quit()


def build(results, **config):
    """Write a report over results that are made up."""
    html = results / "validate/report/index.html"
    build_report(
        html,
        report_files.inputs(results),
        settings_json=json.dumps({**report_files.CONFIG, **config}),
        **report_files.SETTINGS,
    )
    return html


@pytest.fixture(scope="session")
def made_up(tmp_path_factory):
    """A report over made-up results, with a script in the annotation."""
    return build(report_files.make_results(tmp_path_factory.mktemp("browser") / "demo"))


@pytest.fixture(scope="session")
def null_report(tmp_path_factory):
    """A report over a study in which nothing was found."""
    nothing = dict.fromkeys(("model", "from_bold", "from_predicted", "ridge"), 0.0)
    folder = tmp_path_factory.mktemp("null") / "demo-null"
    return build(report_files.make_results(folder, strength=nothing, seed=1), dataset="demo-null")


def pytest_generate_tests(metafunc):
    """Look at the report over made-up results and at the demo's where `--demo-results` names it."""
    names = ["report", *(["demo"] if metafunc.config.getoption("--demo-results") else [])]
    if "report" in metafunc.fixturenames:
        metafunc.parametrize("report", names, indirect=True, scope="session")
    if "any_page" in metafunc.fixturenames:
        metafunc.parametrize("any_page", [*names, "comparison"], indirect=True)


def html_of(request, name):
    """The page of a report by its name."""
    if name == "report":
        return request.getfixturevalue("made_up")
    folder = Path(request.config.getoption("--demo-results"))
    return folder.resolve() / "validate/report/index.html"


@pytest.fixture(scope="session")
def report(request):
    """A report and what lies beside it."""
    html = html_of(request, request.param)
    validate = html.parents[1]
    # The page draws these two itself.
    pictures = [
        path
        for path in validate.glob("*/*.png")
        if path.name != "subjects.png" and path.parent.name + path.name != "fmriregions.png"
    ]
    return SimpleNamespace(
        html=html,
        voxels=validate / "fmri/voxels.h5",
        name=request.param,
        n_pictures=len(pictures),
        n_players=len([*validate.glob("audio/*.wav"), *validate.glob("video/*.mp4")]),
    )


@pytest.fixture(scope="session")
def comparison(tmp_path_factory, made_up):
    """A page that compares the made-up results with weaker ones."""
    folder = tmp_path_factory.mktemp("comparison")
    weaker = report_files.make_results(folder / "weaker", strength={"model": 0.4}, seed=2)
    write_page(compare_runs(made_up.parents[2], weaker), folder / "comparison.html")
    return folder / "comparison.html"


@pytest.fixture
def visit(browser):
    """Open a page as for the first time, with an empty log."""

    def opened(html):
        browser.set_window_size(1280, 900)
        browser.get_log("browser")
        browser.get_log("performance")
        browser.get(html.as_uri())
        browser.execute_script("try { localStorage.clear(); } catch (error) {}")
        return browser

    return opened


@pytest.fixture
def page(visit, report):
    return visit(report.html)


@pytest.fixture
def any_page(request, visit, comparison):
    """Each report, and the comparison of two runs."""
    return visit(comparison if request.param == "comparison" else html_of(request, request.param))
