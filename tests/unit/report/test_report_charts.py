"""Charts: well-formed, escaped, to scale."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giblet.validate.report.charts import Curve, Mark, curve_panel, dot_chart, histogram, nice_ticks


def parsed(svg):
    return ElementTree.fromstring(str(svg))


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
def test_ticks_span_the_interval(low, width):
    ticks = nice_ticks(low, low + width)
    slack = 1e-6 * max(1.0, abs(low), width)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + width - slack
    assert 2 <= len(ticks) <= 9


def test_dots_are_placed_to_scale():
    svg = dot_chart([Mark("a", 0.0), Mark("b", 0.5), Mark("c", 1.0)], "three", "r")
    x = [float(dot.attrib["cx"]) for dot in parsed(svg).iter("circle")]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1])
    assert x[2] > x[0]


def test_missing_value_has_a_dash_and_no_dot():
    svg = dot_chart([Mark("a", np.nan), Mark("b", 0.5, 0.4, 0.6)], "one", "r")
    assert len(list(parsed(svg).iter("circle"))) == 1
    assert "–" in str(svg)


def test_labels_are_escaped():
    svg = dot_chart([Mark("<script>alert(1)</script>", 0.5)], '"><script>', "r")
    assert "<script>" not in str(svg)
    parsed(svg)


def test_end_labels_do_not_overlap():
    x = np.arange(10.0)
    curves = [Curve(name, x, np.full(10, 0.5)) for name in ("train", "val", "other")]
    texts = list(parsed(curve_panel(curves, "loss", "step")).iter("text"))
    ends = sorted(float(t.attrib["y"]) for t in texts if t.attrib["class"].startswith("end"))
    assert min(np.diff(ends)) >= 11.9


def test_long_curves_are_thinned_without_moving_their_mean():
    x = np.arange(20_000.0)
    svg = curve_panel([Curve("train", x, np.sin(x))], "loss", "step", (1.0, "constant"))
    points = re.search(r'points="([^"]+)"', str(svg)).group(1).split()
    assert len(points) == 400
    assert "constant" in str(svg)


def test_gaps_in_a_curve_are_left_out():
    svg = curve_panel([Curve("val", np.arange(3.0), np.array([1.0, np.nan, 0.5]))], "t", "step")
    points = re.search(r'points="([^"]+)"', str(svg)).group(1).split()
    assert len(points) == 2


def test_histogram_labels_each_series_with_its_median():
    rng = np.random.default_rng(0)
    values = np.append(rng.permutation(np.linspace(0.1, 0.3, 999)), np.nan)
    svg = histogram([("network", values, "model"), ("ridge", values + 0.1, "ridge")], "h", "r")
    assert "network, median 0.200" in str(svg)
    assert len(list(parsed(svg).iter("polyline"))) == 2


def test_histogram_of_nothing_is_still_a_chart():
    parsed(histogram([("network", np.full(5, np.nan), "model")], "h", "r"))
