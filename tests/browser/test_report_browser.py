"""The report in a real browser: nothing broken, nothing fetched, everything works by keyboard."""

import json

import pytest

from tests.support.page_checks import (
    BROKEN_PICTURES,
    DURATIONS,
    LOW_CONTRAST,
    OPEN_ALL,
    OVERFLOW,
    keep,
)

WIDTHS = (1280, 500, 320)
A4_WIDTH = 794


@pytest.fixture
def resized(browser):
    """Give the page a width of its own, narrower than a window can be."""

    def resize(width, media=""):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media})

    yield resize
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_no_console_errors_and_no_requests(page):
    assert [entry["message"] for entry in page.get_log("browser")] == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert sum(url.startswith("file:") for url in asked) == 1


def test_every_picture_is_there_and_none_is_broken(page, report):
    n_pictures, broken = page.execute_async_script(BROKEN_PICTURES)
    assert n_pictures == report.n_pictures
    assert broken == []
    assert [e.text for e in page.find_elements("css selector", "figure .absent")] == []


def test_sounds_and_films_have_the_right_length(page, report):
    found = page.execute_async_script(DURATIONS)
    assert len(found) == report.n_players
    for tag, expected, seconds in found:
        assert expected > 0
        assert seconds == pytest.approx(expected, abs=0.1), tag


def test_script_in_a_caption_does_not_run(visit, made_up):
    page = visit(made_up)
    cells = [cell.text for cell in page.find_elements("css selector", ".sentences td")]
    assert any("<script>alert(1)</script>" in cell for cell in cells)
    assert len(page.find_elements("tag name", "script")) == 1


def sorted_by(table, column):
    """Values of a column as numbers, after pressing its button once and twice."""
    head = table.find_elements("css selector", "th")[column]
    seen = []
    for direction in ("ascending", "descending"):
        head.find_element("css selector", "button").send_keys("\n")
        assert head.get_attribute("aria-sort") == direction
        keys = [
            row.find_elements("css selector", "td")[column].get_attribute("data-sort")
            for row in table.find_elements("css selector", "tbody tr")
        ]
        seen.append(keys)
    return seen


def test_tables_sort_by_number_and_by_keyboard_with_missing_values_last(page):
    page.execute_script(OPEN_ALL)
    tables = page.find_elements("css selector", "table.sortable")
    assert len(tables) >= 8
    table = page.find_element("css selector", "#fmri table.sortable")
    up, down = sorted_by(table, 2)
    known = [float(key) for key in up if key]
    assert known == sorted(known)
    assert len(set(known)) > 2
    assert [float(key) for key in down if key] == known[::-1]
    for keys in (up, down):
        assert "" not in keys[: len(known)]


def test_theme_button_goes_round(page):
    button = page.find_element("id", "theme")
    seen = []
    for _ in range(3):
        button.click()
        theme = page.execute_script("return document.documentElement.dataset.theme || 'auto'")
        seen.append(theme)
        assert theme in button.text
    assert seen == ["light", "dark", "auto"]


def test_theme_is_remembered(page):
    page.find_element("id", "theme").click()
    page.refresh()
    assert page.execute_script("return document.documentElement.dataset.theme") == "light"


def test_sections_are_reached_from_the_navigation_and_marked(page):
    page.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
    for link in page.find_elements("css selector", "nav a"):
        link.click()
        target = link.get_attribute("hash")[1:]
        top = page.execute_async_script(
            "const [id, done] = arguments; setTimeout(() => done("
            "document.getElementById(id).getBoundingClientRect().top), 150)",
            target,
        )
        at_the_end = page.execute_script(
            "return scrollY + innerHeight >= document.documentElement.scrollHeight - 2"
        )
        assert -1 <= top < 200 or at_the_end, target
    assert len(page.find_elements("css selector", "nav a[aria-current]")) == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(page, report, theme):
    page.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    keep(page, f"{report.name}_{theme}")
    page.execute_script(OPEN_ALL)
    assert page.execute_script(LOW_CONTRAST) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_page_never_scrolls_sideways(page, report, resized, width):
    resized(width)
    page.execute_script(OPEN_ALL)
    assert page.execute_script(OVERFLOW) <= 0
    if width == 500:
        page.execute_script("document.querySelectorAll('details').forEach((d) => d.open = false)")
        keep(page, f"{report.name}_narrow")


def test_paper_shows_everything_and_no_controls(page, report, resized):
    resized(A4_WIDTH, "print")
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    closed = page.find_elements("css selector", "details:not([open])")
    assert closed == []
    for control in ("nav", "#theme", ".controls", "audio", ".skip"):
        for element in page.find_elements("css selector", control):
            assert not element.is_displayed(), control
    assert page.execute_script(OVERFLOW) <= 0
    paper = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    keep(page, f"{report.name}_print")


def test_films_start_together(page):
    starter = page.find_element("css selector", ".together")
    assert starter.is_displayed()
    starter.send_keys("\n")
    playing = page.execute_async_script(
        "const done = arguments[0]; setTimeout(() => done(Array.from(document.querySelectorAll("
        "'.set video')).slice(0, 4).map((v) => !v.paused)), 300)"
    )
    assert playing == [True] * 4


def test_a_null_study_says_at_the_top_that_nothing_was_found(visit, null_report):
    page = visit(null_report)
    opening = page.find_element("css selector", "#summary .opening")
    assert opening.find_element("tag name", "h2").text == "Nothing was found"
    top = opening.rect["y"] + opening.rect["height"]
    assert top < 900, "not seen without scrolling"
    keep(page, "null")
