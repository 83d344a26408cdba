"""The pages by keyboard and by ear: landmarks, names, order of focus, headings of tables."""

import os
from pathlib import Path

import pytest

from tests.support.page_checks import FOCUSED, LOW_CONTRAST, OPEN_ALL, STRUCTURE, keep, nameless

MOST_STOPS = 900


def test_structure_is_sound(any_page):
    assert any_page.execute_script(STRUCTURE) == []
    any_page.execute_script(OPEN_ALL)
    assert any_page.execute_script(STRUCTURE) == []


def test_everything_has_a_name_for_a_screen_reader(any_page):
    any_page.execute_script(OPEN_ALL)
    assert nameless(any_page) == []


def test_focus_goes_through_the_page_in_order_and_can_be_seen(any_page):
    from selenium.webdriver import ActionChains, Keys

    any_page.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
    stops = []
    for _ in range(MOST_STOPS):
        ActionChains(any_page, duration=0).send_keys(Keys.TAB).perform()
        at = any_page.execute_script(FOCUSED)
        if at is None or (stops and at["place"] < stops[-1]["place"]):
            break
        stops.append(at)
    else:
        pytest.fail(f"the focus never leaves the page: {stops[-1]}")
    assert 'class="skip"' in stops[0]["html"]
    assert len({stop["place"] for stop in stops}) > 10
    assert [stop["html"] for stop in stops if not stop["seen"]] == []
    assert [stop["html"] for stop in stops if not (stop["ring"] or stop["media"])] == []


def test_skip_link_leads_to_the_results(any_page):
    from selenium.webdriver import ActionChains, Keys

    ActionChains(any_page).send_keys(Keys.TAB, Keys.ENTER).perform()
    assert any_page.switch_to.active_element.get_attribute("id") == "main"


def test_parts_open_by_keyboard(page):
    part = page.find_element("css selector", "#fmri details:not([open])")
    part.find_element("tag name", "summary").send_keys("\n")
    assert part.get_attribute("open") is not None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_comparison_can_be_read_in_both_themes(visit, comparison, theme):
    page = visit(comparison)
    assert [entry["message"] for entry in page.get_log("browser")] == []
    page.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    assert page.execute_script(LOW_CONTRAST) == []
    keep(page, f"comparison_{theme}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(any_page, theme):
    """The rules of axe-core, where `GIBLET_AXE` names its axe.min.js (npm pack axe-core)."""
    script = os.environ.get("GIBLET_AXE")
    if not script:
        pytest.skip("needs GIBLET_AXE=path of axe.min.js from the npm package axe-core")
    any_page.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    any_page.execute_script(OPEN_ALL)
    any_page.execute_script(Path(script).read_text(encoding="utf-8"))
    found = any_page.execute_async_script(
        "const done = arguments[0]; axe.run(document).then((r) => done(r.violations.map("
        "(v) => v.id + ': ' + v.nodes.map((n) => n.html.slice(0, 90)).join(' | '))))"
    )
    assert found == []
