"""The report in a real browser: nothing broken, nothing fetched, everything works by keyboard."""

import json
import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("browser")

# Every player's duration once its metadata is there; -1 for one that cannot be played.
DURATIONS = """
const done = arguments[0];
const players = Array.from(document.querySelectorAll("audio, video"));
Promise.all(players.map((player) => new Promise((resolve) => {
  const answer = (seconds) => resolve([player.tagName, Number(player.dataset.seconds), seconds]);
  if (player.error) answer(-1);
  else if (player.readyState >= 1) answer(player.duration);
  else {
    player.addEventListener("loadedmetadata", () => answer(player.duration));
    player.addEventListener("error", () => answer(-1));
    player.load();
  }
}))).then(done);
"""
BROKEN_PICTURES = """
const done = arguments[0];
document.querySelectorAll("details").forEach((part) => { part.open = true; });
const pictures = Array.from(document.images);
pictures.forEach((picture) => { picture.loading = "eager"; });
Promise.all(pictures.map((picture) => picture.decode().then(() => "", () => picture.alt)))
  .then((found) => done([pictures.length, found.filter((alt) => alt)]));
"""
# Contrast of each text's colour to the nearest background behind it, as WCAG 2 computes it.
LOW_CONTRAST = """
function parts(colour) { return colour.match(/[0-9.]+/g).map(Number); }
function luminance(rgb) {
  const [r, g, b] = rgb.slice(0, 3).map((value) => {
    const share = value / 255;
    return share <= 0.03928 ? share / 12.92 : Math.pow((share + 0.055) / 1.055, 2.4);
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = parts(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
}
const low = [];
document.querySelectorAll("body *").forEach((element) => {
  const own = Array.from(element.childNodes).some((n) => n.nodeType === 3 && n.data.trim());
  if (!own || !element.checkVisibility() || element.closest(".hidden, .skip, script")) return;
  const style = getComputedStyle(element);
  const colour = element.closest("svg") ? style.fill : style.color;
  const pair = [luminance(parts(colour)), luminance(behind(element))].sort((a, b) => b - a);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < 4.5) low.push([element.textContent.trim().slice(0, 40), contrast.toFixed(2)]);
});
return low;
"""
UNNAMED = """
return Array.from(document.querySelectorAll("button, a, [role=region], img, audio, video, svg"))
  .filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label") || e.getAttribute("alt")))
  .map((e) => e.outerHTML.slice(0, 80));
"""
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
WIDTHS = (1280, 500)


@pytest.fixture
def page(browser, report):
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(report.as_uri())
    browser.execute_script("try { localStorage.clear(); } catch (error) {}")
    return browser


def keep(browser, name):
    """Save a screenshot of the whole page where CI collects them, if it says where."""
    folder = os.environ.get("GIBLET_SCREENSHOTS")
    if not folder:
        return
    height = browser.execute_script("return document.documentElement.scrollHeight")
    width = browser.get_window_size()["width"]
    browser.set_window_size(width, min(height + 100, 16000))
    Path(folder).mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(Path(folder) / f"report_{name}.png"))
    browser.set_window_size(width, 900)


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


def test_no_broken_picture(page):
    n_pictures, broken = page.execute_async_script(BROKEN_PICTURES)
    assert n_pictures == 33
    assert broken == []


def test_sounds_and_films_have_the_right_length(page):
    found = page.execute_async_script(DURATIONS)
    assert len(found) == 18
    for tag, expected, seconds in found:
        assert seconds == pytest.approx(expected, abs=0.1), tag


def test_script_in_a_caption_does_not_run(page):
    cells = [cell.text for cell in page.find_elements("css selector", ".sentences td")]
    assert any("<script>alert(1)</script>" in cell for cell in cells)
    assert len(page.find_elements("tag name", "script")) == 1


def test_tables_sort_by_number_and_by_keyboard(page):
    page.execute_script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    table = page.find_element("css selector", "#fmri table.sortable")
    head = table.find_elements("css selector", "th")[2]
    button = head.find_element("css selector", "button")
    seen = {}
    for direction in ("ascending", "descending"):
        button.send_keys("\n")
        assert head.get_attribute("aria-sort") == direction
        seen[direction] = [
            float(row.find_elements("css selector", "td")[2].get_attribute("data-sort"))
            for row in table.find_elements("css selector", "tbody tr")
        ]
    assert seen["ascending"] == sorted(seen["ascending"])
    assert seen["descending"] == seen["ascending"][::-1]


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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(page, theme):
    page.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    assert page.execute_script(LOW_CONTRAST) == []
    keep(page, theme)


@pytest.mark.parametrize("width", WIDTHS)
def test_page_never_scrolls_sideways(page, width):
    page.set_window_size(width, 900)
    try:
        assert page.execute_script(OVERFLOW) <= 0
        if width < WIDTHS[0]:
            keep(page, "narrow")
    finally:
        page.set_window_size(WIDTHS[0], 900)


def test_everything_has_a_name(page):
    assert page.execute_script(UNNAMED) == []
    levels = [int(h.tag_name[1]) for h in page.find_elements("css selector", "h1, h2, h3")]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_skip_link_is_the_first_stop(page):
    page.execute_script("document.activeElement.blur()")
    page.switch_to.active_element.send_keys("\t")
    assert page.switch_to.active_element.get_attribute("class") == "skip"


def test_films_start_together(page):
    starter = page.find_element("css selector", ".together")
    assert starter.is_displayed()
    starter.send_keys("\n")
    playing = page.execute_async_script(
        "const done = arguments[0]; setTimeout(() => done(Array.from(document.querySelectorAll("
        "'.set video')).slice(0, 4).map((v) => !v.paused)), 300)"
    )
    assert playing == [True] * 4
