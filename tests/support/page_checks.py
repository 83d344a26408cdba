"""What is looked for in a page that a browser has open: scripts that return what is wrong."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

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
# A picture may not be higher.
MOST_PIXELS = 16000
OPEN_ALL = "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What a page must be, whatever it shows; each entry says what is wrong with which element.
STRUCTURE = """
const wrong = [];
const say = (what, e) => wrong.push(what + ": " + e.outerHTML.slice(0, 90));
const all = (selector) => Array.from(document.querySelectorAll(selector));
if (!document.documentElement.lang) wrong.push("no language");
if (!document.title.trim()) wrong.push("no title");
for (const [what, selector] of [["main", "main"], ["banner", "body > header"], ["h1", "h1"]]) {
  if (all(selector).length !== 1) wrong.push(all(selector).length + " of " + what);
}
all("nav").forEach((e) => { if (!e.getAttribute("aria-label")) say("nav without a name", e); });
Array.from(document.body.children).forEach((e) => {
  if (!e.matches("a.skip, header, nav, main, footer, script")) say("outside of landmarks", e);
});
const seen = new Set();
all("[id]").forEach((e) => { if (seen.has(e.id)) say("id twice", e); seen.add(e.id); });
for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
  all("[" + name + "]").forEach((e) => e.getAttribute(name).split(" ").forEach((id) => {
    if (!seen.has(id)) say(name + " leads nowhere", e);
  }));
}
all("a[href^='#']").forEach((e) => { if (!seen.has(e.hash.slice(1))) say("dead link", e); });
let before = 0;
all("h1, h2, h3, h4, h5, h6").forEach((e) => {
  const level = Number(e.tagName[1]);
  if (level > before + 1) say("heading skips a level", e);
  before = level;
});
all("table").forEach((table) => {
  const heads = Array.from(table.querySelectorAll("th"));
  if (!heads.length) say("table without headings", table);
  heads.forEach((e) => { if (!e.scope) say("heading without scope", e); });
  if (!table.caption && !table.closest("[aria-label]")) say("table without a name", table);
});
all("[tabindex]").forEach((e) => { if (e.tabIndex > 0) say("jumps the order of focus", e); });
all("img").forEach((e) => { if (!e.alt) say("picture without words", e); });
all("audio, video").forEach((e) => {
  if (!e.controls) say("player without controls", e);
  if (e.autoplay) say("plays by itself", e);
});
all("main *").forEach((e) => {
  const style = getComputedStyle(e);
  const scrolls = /auto|scroll/.test(style.overflowX + style.overflowY);
  if (scrolls && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
      && e.tabIndex < 0) say("scrolls but cannot be reached by keyboard", e);
});
return wrong;
"""
FOCUSED = """
const e = document.activeElement;
if (!e || e === document.body) return null;
const box = e.getBoundingClientRect(), style = getComputedStyle(e);
const nav = document.querySelector("nav").getBoundingClientRect();
return {
  place: Array.from(document.querySelectorAll("*")).indexOf(e),
  html: e.outerHTML.slice(0, 90),
  media: e.matches("audio, video"),
  ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
  seen: box.bottom > 0 && box.top < innerHeight && (e.closest("nav, header, .skip")
        || box.bottom > nav.bottom),
};
"""
# Roles that mean nothing to whoever hears them without a name.
NAMED_ROLES = frozenset(
    [
        *("button", "link", "slider", "combobox", "listbox", "checkbox", "textbox"),
        *("image", "img", "region", "navigation", "table", "Audio", "Video"),
    ]
)


def nameless(browser: Any) -> list[str]:
    """Nodes of the browser's accessibility tree whose role needs a name and that have none."""
    browser.execute_cdp_cmd("Accessibility.enable", {})
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    out = []
    for node in tree:
        role = node.get("role", {}).get("value", "")
        if node.get("ignored") or role not in NAMED_ROLES:
            continue
        if not str(node.get("name", {}).get("value", "")).strip():
            out.append(f"{role} {node.get('backendDOMNodeId')}")
    browser.execute_cdp_cmd("Accessibility.disable", {})
    return out


def keep(browser: Any, name: str) -> None:
    """Save a screenshot of the whole page where CI collects them, if it says where."""
    folder = os.environ.get("GIBLET_SCREENSHOTS")
    if not folder:
        return
    size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    # The picture is taken without the bar for scrolling, so it is as wide as the window.
    width = browser.execute_script("return window.innerWidth")
    clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], MOST_PIXELS)}
    taken = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": {**clip, "scale": 1}}
    )
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(taken["data"]))
