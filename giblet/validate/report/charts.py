"""Charts as inline SVG: they follow the page's colours, print sharply and can be read aloud.

All text is escaped. Colours are CSS classes, so light, dark and print need no second drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from giblet.validate.report.words import number

WIDTH = 680


@dataclass(frozen=True)
class Mark:
    """One row of a dot chart; `subjects` are small dots on the same row."""

    label: str
    value: float
    low: float = np.nan
    high: float = np.nan
    subjects: tuple[tuple[float, float, float], ...] = ()
    kind: str = "model"


def nice_ticks(low: float, high: float, n: int = 5) -> NDArray[np.float64]:
    """About `n` round numbers that span an interval.

    >>> nice_ticks(0.03, 0.97).tolist()
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / n
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * min((s for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999), default=10)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return np.round(step * np.arange(first, last + 1), 12)


class _Scale:
    """Linear map from data to pixels."""

    def __init__(self, ticks: NDArray[np.float64], start: float, stop: float) -> None:
        self.ticks = ticks
        self._low, self._high = float(ticks[0]), float(ticks[-1])
        self._start, self._stop = start, stop

    def __call__(self, value: float) -> float:
        inside = min(max(value, self._low), self._high)
        share = (inside - self._low) / (self._high - self._low)
        return round(self._start + share * (self._stop - self._start), 2)


def _svg(width: float, height: float, title: str, body: Sequence[str]) -> Markup:
    head = (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}" '
        f'class="chart" style="max-width:{width:g}px">'
    )
    return Markup(head + "".join(body) + "</svg>")


def _text(x: float, y: float, text: str, css: str = "", anchor: str = "start") -> str:
    shown = escape(text)
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{css}">{shown}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{css}"/>'


def _tick_digits(ticks: NDArray[np.float64]) -> int:
    step = abs(ticks[1] - ticks[0])
    return next((d for d in range(5) if abs(round(step, d) - step) < 1e-9), 5)


def dot_chart(marks: Sequence[Mark], title: str, unit: str, digits: int = 3) -> Markup:
    """Values with intervals, one row each, labelled on the row.

    Parameters
    ----------
    marks
        Rows from top to bottom; those without a finite value show an en dash.
    """
    left, right, row_height, top = 178, 76, 26, 8
    known = [v for m in marks for v in (m.value, m.low, m.high) if np.isfinite(v)]
    known += [v for m in marks for subject in m.subjects for v in subject if np.isfinite(v)]
    ticks = nice_ticks(min(known, default=0.0), max(known, default=1.0))
    x = _Scale(ticks, left, WIDTH - right)
    bottom = top + row_height * len(marks)
    body = []
    for tick in ticks:
        css = "zero" if tick == 0 else "grid"
        body.append(_line(x(tick), top, x(tick), bottom, css))
        body.append(
            _text(x(tick), bottom + 16, number(tick, _tick_digits(ticks)), "tick", "middle")
        )
    body.append(_text((left + WIDTH - right) / 2, bottom + 34, unit, "axis", "middle"))
    for row, mark in enumerate(marks):
        y = top + row_height * (row + 0.5)
        body.append(_text(left - 12, y + 4, mark.label, "label", "end"))
        body.append(
            _text(WIDTH - right + 12, y + 4, number(mark.value, digits), f"value {mark.kind}")
        )
        body.extend(_subject_marks(mark, x, y))
        if np.isfinite(mark.low) and np.isfinite(mark.high):
            body.append(_line(x(mark.low), y, x(mark.high), y, f"whisker {mark.kind}"))
        if np.isfinite(mark.value):
            body.append(f'<circle cx="{x(mark.value)}" cy="{y:g}" r="4.5" class="{mark.kind}"/>')
    return _svg(WIDTH, bottom + 40, title, body)


def _subject_marks(mark: Mark, x: _Scale, y: float) -> list[str]:
    """Thin intervals of single subjects, spread over the row's height."""
    body = []
    n = len(mark.subjects)
    for index, (value, low, high) in enumerate(mark.subjects):
        at = y + (0 if n == 1 else 16 * (index / (n - 1) - 0.5))
        if np.isfinite(low) and np.isfinite(high):
            body.append(_line(x(low), at, x(high), at, f"thin {mark.kind}"))
        if np.isfinite(value):
            body.append(f'<circle cx="{x(value)}" cy="{at:g}" r="1.8" class="{mark.kind} faint"/>')
    return body


@dataclass(frozen=True)
class Curve:
    """One labelled line of a panel."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    kind: str = "model"


def curve_panel(
    curves: Sequence[Curve],
    title: str,
    x_label: str,
    reference: tuple[float, str] | None = None,
    size: tuple[float, float] = (330, 210),
) -> Markup:
    """Lines with their labels at the right-hand end, and a labelled reference level.

    Curves of more than 400 points are thinned by taking block means.
    """
    width, height = size
    left, right, top, bottom = 40, 58, 26, height - 36
    curves = [_thinned(curve) for curve in curves if np.isfinite(curve.y).any()]
    every_y = [v for c in curves for v in c.y[np.isfinite(c.y)]]
    every_y += [reference[0]] if reference else []
    # A first step far above the rest would flatten the part that matters.
    high = float(np.quantile(every_y, 0.995)) if every_y else 1.0
    y = _Scale(nice_ticks(min(every_y, default=0.0), high, 4), bottom, top)
    every_x = [v for c in curves for v in c.x]
    x = _Scale(
        nice_ticks(min(every_x, default=0.0), max(every_x, default=1.0), 4), left, width - right
    )
    body = [_text(0, 13, title, "panel")]
    for tick in y.ticks:
        body.append(_line(left, y(tick), width - right, y(tick), "grid"))
        body.append(
            _text(left - 6, y(tick) + 3.5, number(tick, _tick_digits(y.ticks)), "tick", "end")
        )
    for tick in x.ticks:
        body.append(
            _text(x(tick), bottom + 15, number(tick, _tick_digits(x.ticks)), "tick", "middle")
        )
    body.append(_text((left + width - right) / 2, bottom + 31, x_label, "axis", "middle"))
    if reference:
        at = y(reference[0])
        body.append(_line(left, at, width - right, at, "reference"))
        body.append(_text(width - right, at - 4, reference[1], "note", "end"))
    ends = _apart([y(float(c.y[np.isfinite(c.y)][-1])) for c in curves], 12)
    for curve, end in zip(curves, ends, strict=True):
        points = " ".join(
            f"{x(a)},{y(b)}" for a, b in zip(curve.x, curve.y, strict=True) if np.isfinite(b)
        )
        body.append(f'<polyline points="{points}" class="curve {curve.kind}"/>')
        last = x(float(curve.x[np.isfinite(curve.y)][-1]))
        body.append(
            _text(min(last, width - right) + 5, end + 3.5, curve.label, f"end {curve.kind}")
        )
    return _svg(width, height, title, body)


def _thinned(curve: Curve, most: int = 400) -> Curve:
    if len(curve.x) <= most:
        return curve
    blocks = [b for b in np.array_split(np.arange(len(curve.x)), most) if len(b)]
    x = np.array([curve.x[block].mean() for block in blocks])
    y = np.array([curve.y[block].mean() for block in blocks])
    return Curve(curve.label, x, y, curve.kind)


def _apart(positions: Sequence[float], gap: float) -> list[float]:
    """Move labels apart so that none overlap, keeping their order."""
    order = np.argsort(positions, kind="stable")
    out = [float(position) for position in positions]
    for before, after in pairwise(order):
        out[after] = max(out[after], out[before] + gap)
    return out


def histogram(
    series: Sequence[tuple[str, NDArray[np.float64], str]],
    title: str,
    x_label: str,
    n_bins: int = 40,
) -> Markup:
    """Outlines of the distributions of several sets of values over common bins.

    Parameters
    ----------
    series
        ``(label, values, css class)``; values that are not finite are left out.
    """
    finite = [(label, v[np.isfinite(v)], kind) for label, v, kind in series]
    finite = [(label, values, kind) for label, values, kind in finite if len(values)]
    every = np.concatenate([values for _, values, _ in finite]) if finite else np.array([0.0, 1.0])
    edges = np.linspace(every.min(), max(every.max(), every.min() + 1e-6), n_bins + 1)
    curves = []
    for label, values, kind in finite:
        share = np.histogram(values, edges)[0] / len(values)
        # A step outline: each bin's height at both of its edges.
        x = np.concatenate([[edges[0]], np.repeat(edges[1:-1], 2), [edges[-1]]])
        curves.append((Curve(label, x, 100 * np.repeat(share, 2), kind), values))
    return _outlines(curves, title, x_label)


def _outlines(
    curves: Sequence[tuple[Curve, NDArray[np.float64]]], title: str, x_label: str
) -> Markup:
    left, right, top = 44, 20, 22 + 16 * len(curves)
    bottom = top + 170
    height = bottom + 40
    highest = max((float(curve.y.max()) for curve, _ in curves), default=1.0)
    low = min((float(curve.x.min()) for curve, _ in curves), default=0.0)
    high = max((float(curve.x.max()) for curve, _ in curves), default=1.0)
    x = _Scale(nice_ticks(low, high, 7), left, WIDTH - right)
    y = _Scale(nice_ticks(0.0, highest, 4), bottom, top)
    body = [_text(0, top - 10, "% of voxels", "axis")]
    for tick in y.ticks:
        body.append(_line(left, y(tick), WIDTH - right, y(tick), "grid"))
        body.append(
            _text(left - 6, y(tick) + 3.5, number(tick, _tick_digits(y.ticks)), "tick", "end")
        )
    for tick in x.ticks:
        body.append(
            _text(x(tick), bottom + 15, number(tick, _tick_digits(x.ticks)), "tick", "middle")
        )
    body.append(_text((left + WIDTH - right) / 2, bottom + 34, x_label, "axis", "middle"))
    if low < 0 < high:
        body.append(_line(x(0), top, x(0), bottom, "zero"))
    for index, (curve, values) in enumerate(curves):
        points = " ".join(f"{x(a)},{y(b)}" for a, b in zip(curve.x, curve.y, strict=True))
        body.append(f'<polyline points="{points}" class="curve {curve.kind}"/>')
        label = f"{curve.label}, median {number(float(np.median(values)))}"
        body.append(_text(WIDTH - right, 12 + 16 * index, label, f"end {curve.kind}", "end"))
    return _svg(WIDTH, height, title, body)
