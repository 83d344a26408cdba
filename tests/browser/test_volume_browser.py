"""The volume view: what stands under the crosshair is what the maps hold there."""

import json
import re

import h5py
import numpy as np
import pytest

from tests.support.page_checks import keep

READ = re.compile(
    r"(?P<quantity>\D+?) (?P<value>[−\d.]+)( \w+)? at "
    r"x (?P<x>[−\d.]+), y (?P<y>[−\d.]+), z (?P<z>[−\d.]+) mm "
    r"\(voxel (?P<i>\d+), (?P<j>\d+), (?P<k>\d+)\)"
)
COLOURED = """
const canvas = document.querySelectorAll(".planes canvas")[arguments[0]];
const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let grey = 0, other = 0;
for (let at = 0; at < pixels.length; at += 4) {
  if (!pixels[at + 3]) continue;
  const [red, green, blue] = pixels.slice(at, at + 3);
  if (red === 74 && green === 77 && blue === 82) grey += 1; else other += 1;
}
return [grey, other];
"""


@pytest.fixture
def maps(report):
    """Map of a subject -> place in the scan's grid -> value."""
    with h5py.File(report.voxels) as file:
        places = [tuple(place) for place in file["ijk"][:].tolist()]
        subjects = json.loads(file.attrs["subjects"])
        mm = dict(zip(places, file["xyz_mm"][:].tolist()))

        def of(subject, name):
            chosen = subjects if subject is None else [subject]
            with h5py.File(report.voxels) as again:
                values = np.nanmean([again[f"{who}/{name}"][:] for who in chosen], axis=0)
            return dict(zip(places, values.tolist()))

        of.mm, of.subjects = mm, subjects
        return of


def number(text):
    return float(text.replace("−", "-"))


def under_crosshair(page):
    """Value, mm and voxel that the view names; None outside of the mask."""
    text = page.find_element("id", "volume-value").text
    found = READ.match(text)
    if found is None:
        assert text.startswith(("outside of the mask", "no value")) or " no value " in text, text
        return None
    mm = [number(found[axis]) for axis in "xyz"]
    return number(found["value"]), mm, tuple(int(found[axis]) for axis in "ijk")


def choose(page, subject, name):
    from selenium.webdriver.support.select import Select

    Select(page.find_element("id", "volume-subject")).select_by_visible_text(subject)
    Select(page.find_element("id", "volume-map")).select_by_visible_text(name)


def test_it_opens_with_all_three_slices_at_the_peak_of_the_mean(page, report, maps):
    for slice_ in range(3):
        assert page.execute_script(COLOURED, slice_)[1] > 1000
    value, _, voxel = under_crosshair(page)
    mean = maps(None, "r")
    assert mean[voxel] == pytest.approx(np.nanmax(list(mean.values())), abs=0.01)
    assert value == pytest.approx(mean[voxel], abs=0.01)
    page.execute_script("document.getElementById('volume').scrollIntoView()")
    keep(page, f"{report.name}_volume")


@pytest.mark.parametrize(
    ("title", "name", "within"),
    [("Network: r", "r", 0.01), ("Ridge: r", "r_ridge", 0.01), ("Response delay", "delay_s", 0.06)],
)
def test_arrow_keys_walk_and_the_value_is_that_of_the_map(page, maps, title, name, within):
    subject = maps.subjects[-1]
    choose(page, subject, title)
    true = maps(subject, name)
    page.find_element("id", "volume-peak").send_keys("\n")
    # To the middle, where there are neighbours on all sides.
    page.execute_script(
        "for (const axis of 'xyz') { const s = document.getElementById('volume-' + axis);"
        " s.value = Math.floor(s.max / 2); s.dispatchEvent(new Event('input')); }"
    )
    seen = set()
    for axis, arrow in (("x", "\ue014"), ("y", "\ue012"), ("z", "\ue014"), ("x", "\ue014")):
        slider = page.find_element("id", f"volume-{axis}")
        before = int(slider.get_attribute("value"))
        slider.send_keys(arrow)
        step = 1 if arrow == "\ue014" else -1
        assert int(slider.get_attribute("value")) == before + step
        assert "mm" in slider.get_attribute("aria-valuetext")
        found = under_crosshair(page)
        if found is not None:
            value, mm, voxel = found
            seen.add(voxel)
            assert value == pytest.approx(true[voxel], abs=within)
            np.testing.assert_allclose(mm, maps.mm[voxel], atol=0.06)
    assert len(seen) >= 2


def test_q_is_read_in_its_own_digits(page, maps):
    subject = maps.subjects[0]
    choose(page, subject, "Network: q")
    value, _, voxel = under_crosshair(page) or (None, None, None)
    if value is None:
        page.find_element("id", "volume-peak").send_keys("\n")
        value, _, voxel = under_crosshair(page)
    assert value == pytest.approx(max(maps(subject, "q")[voxel], 1e-4), rel=0.03, abs=1e-4)
    names = {o.text for o in page.find_elements("css selector", "#volume-map option")}
    assert "Network: q" in names
    choose(page, f"mean of {len(maps.subjects)} subjects", "Network: r")
    names = {o.text for o in page.find_elements("css selector", "#volume-map option")}
    assert "Network: q" not in names


def test_the_map_stays_chosen_when_the_subject_changes(page, maps):
    choose(page, maps.subjects[0], "Ridge: r")
    choose(page, maps.subjects[1], "Ridge: r")
    page.find_element("id", "volume-peak").send_keys("\n")
    value, _, voxel = under_crosshair(page)
    assert value == pytest.approx(maps(maps.subjects[1], "r_ridge")[voxel], abs=0.01)


def test_a_click_moves_the_crosshair(page, maps):
    from selenium.webdriver import ActionChains

    before = page.find_element("id", "volume-value").text
    axial = page.find_elements("css selector", ".planes canvas")[2]
    page.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", axial
    )
    ActionChains(page).move_to_element(axial).click().perform()
    assert page.find_element("id", "volume-value").text != before
    for axis, side in (("x", "max"), ("y", "max")):
        slider = page.find_element("id", f"volume-{axis}")
        middle = int(slider.get_attribute(side)) / 2
        assert int(slider.get_attribute("value")) == pytest.approx(middle, abs=1)


def test_small_values_can_be_hidden(page):
    grey, other = page.execute_script(COLOURED, 2)
    slider = page.find_element("id", "volume-threshold")
    for _ in range(6):
        slider.send_keys("\ue00e")  # page up: a tenth of the scale
    more_grey, less_other = page.execute_script(COLOURED, 2)
    assert more_grey > grey
    assert less_other < other
    assert "%" in slider.get_attribute("aria-valuetext")
