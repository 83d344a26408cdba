"""The thirteen layers drawn: the encoder on the left, the decoder mirrored on the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, ROW, TOP = 1000, 62, 64
BOX_HEIGHT = 42
LEFT, RIGHT = 205, 795  # centres of the two columns
NARROW, WIDE = 150, 380  # of boxes, by the logarithm of their units
# Rows from the outside in; the mirror of each.
ROWS = (("1", "13"), ("2", "12"), ("3", "11"), ("4", "10"), ("5", "9"), ("6", "8"))
BRANCHES = ("A", "B", "C")
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2430; text-anchor: middle }
.name { font-weight: 700 } .small { font-size: 11px; fill: #4a5160 }
.title { font-size: 16px; font-weight: 700 }
.encoder { fill: #dbe7f6 } .decoder { fill: #f6e6d6 } .brain { fill: #f3cdd3 }
.middle { fill: #d9ecd8 } rect { stroke: #6b7280; stroke-width: 1 }
line, path { stroke: #4a5160; stroke-width: 1.4; fill: none; marker-end: url(#tip) }
.ground { fill: #ffffff; stroke: none }
"""


@dataclass(frozen=True)
class Box:
    """A layer, what it does, its units for one TR and its parameters."""

    name: str
    what: str
    units: int
    parameters: int


def count(number: int) -> str:
    """A number of parameters in three figures.

    >>> count(0), count(12_345_678), count(2_048)
    ('', '12.3 M', '2.05 k')
    """
    for size, unit in ((10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number or "")


def drawing(boxes: Sequence[Box]) -> str:
    """The drawing as SVG, the same for the same layers."""
    by_name = {box.name: box for box in boxes}
    # Boxes that stand side by side have no width of their own.
    units = [box.units for box in boxes if box.name[-1] not in BRANCHES]
    scale = _Scale(min(units), max(units))
    body: list[str] = []
    for row, pair in enumerate(ROWS):
        y = TOP + row * ROW
        for name, centre, css in zip(pair, (LEFT, RIGHT), ("encoder", "decoder"), strict=True):
            css = "brain" if name in ("5", "9") else css
            if name in by_name:
                body += _box(by_name[name], centre, y, scale(by_name[name].units), css)
            else:
                body += _branches(by_name, name, centre, y, css)
        if row:
            body.append(_line(LEFT, y - ROW + BOX_HEIGHT, LEFT, y - 2))
            body.append(_line(RIGHT, y, RIGHT, y - ROW + BOX_HEIGHT + 2))
    y = TOP + len(ROWS) * ROW
    middle = WIDTH // 2
    bottom = by_name["7"]
    body += _box(bottom, middle, y, scale(bottom.units), "middle")
    half = scale(bottom.units) / 2
    last = y - ROW + BOX_HEIGHT
    body.append(_path(f"M {LEFT} {last} V {y + 21} H {middle - half - 2:g}"))
    body.append(_path(f"M {middle + half:g} {y + 21} H {RIGHT} V {last + 2}"))
    body += _bold(by_name["5"], scale)
    return _page(body, y + BOX_HEIGHT + 40, sum(box.parameters for box in boxes))


class _Scale:
    """Width of a box by its units, on a logarithmic scale."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.span = math.log(low), max(math.log(high) - math.log(low), 1e-9)

    def __call__(self, units: int) -> float:
        share = (math.log(max(units, 1)) - self.low) / self.span
        return round(NARROW + (WIDE - NARROW) * min(max(share, 0), 1), 1)


def _box(box: Box, centre: float, y: float, width: float, css: str) -> list[str]:
    weights = f" · {count(box.parameters)}" if box.parameters else ""
    return [
        f'<rect x="{centre - width / 2:g}" y="{y}" width="{width:g}" height="{BOX_HEIGHT}" '
        f'rx="5" class="{css}"><title>{escape(box.name)}: {escape(box.what)}; {box.units:,} units, '
        f"{box.parameters:,} parameters</title></rect>",
        f'<text x="{centre:g}" y="{y + 18}" class="name">{escape(_label(box))}</text>',
        f'<text x="{centre:g}" y="{y + 34}" class="small">{box.units:,}{weights}</text>',
    ]


def _label(box: Box) -> str:
    return f"{box.name} {box.what.partition(':')[0].partition(',')[0]}"


def _branches(by_name: dict[str, Box], name: str, centre: float, y: float, css: str) -> list[str]:
    """The boxes of a layer that has one for each modality, side by side."""
    gap, width = 6, (WIDE - 12) / 3
    body = []
    for place, branch in enumerate(BRANCHES):
        box = by_name[name + branch]
        at = centre + (place - 1) * (width + gap)
        body += _box(box, at, y, width, css)
    return body


def _bold(brain: Box, scale: _Scale) -> list[str]:
    """BOLD between the columns: predicted through the HRF, or measured and de-lagged."""
    y = TOP + 4 * ROW
    edge = LEFT + scale(brain.units) / 2
    middle = WIDTH // 2
    return [
        f'<rect x="{middle - 50}" y="{y - 6}" width="100" height="54" rx="5" class="brain"/>',
        f'<text x="{middle}" y="{y + 17}" class="name">BOLD</text>',
        f'<text x="{middle}" y="{y + 34}" class="small">{brain.units:,}</text>',
        _line(edge, y + 10, middle - 52, y + 10),
        _line(middle - 50, y + 32, edge + 2, y + 32),
        f'<text x="{(edge + middle - 50) / 2:g}" y="{y + 5}" class="small">HRF</text>',
        f'<text x="{(edge + middle - 50) / 2:g}" y="{y + 45}" class="small">de-lag</text>',
    ]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def _path(steps: str) -> str:
    return f'<path d="{steps}"/>'


def _page(body: Sequence[str], height: float, total: int) -> str:
    title = f"The 13 layers: units for one TR · parameters ({count(total)} in all)"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{STYLE}</style>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><polygon points="0 0.5 7 4 0 7.5" fill="#4a5160"/>'
        "</marker></defs>\n"
        f'<rect class="ground" width="{WIDTH}" height="{height:g}"/>\n'
        f'<text x="{WIDTH // 2}" y="32" class="title">{escape(title)}</text>\n'
    )
    return head + "\n".join(body) + "\n</svg>\n"
