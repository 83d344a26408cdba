"""Mutations of xlsx files: the parts inside, in a zip file that is right again, or not quite."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from itertools import pairwise

from tests.support.fuzz.plain import TEXT, Random
from tests.support.fuzz.words import NUMBERS, TOKENS

SHEET = "xl/worksheets/sheet1.xml"
Parts = dict[str, bytes]
BOMB = b"<row><c><v>0</v></c></row>" * 2_000_000
# Each is ten of the one before: a hundred million letters, were they written out.
NAMES = "bcdefghi"
ENTITIES = (
    '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">'
    + "".join(f'<!ENTITY {n} "{f"&{m};" * 10}">' for m, n in pairwise(NAMES))
    + "]>"
).encode()
XML = b'<?xml version="1.0" encoding="UTF-8"?>'


def change_parts(rng: Random, data: bytes) -> bytes:
    """Change one part of a workbook and pack it again."""
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    for _ in range(rng.choice([1, 1, 1, 2])):
        rng.choice(CHANGES)(rng, parts)
    return _packed(rng, parts)


def _packed(rng: Random, parts: Parts) -> bytes:
    out = io.BytesIO()
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    large = sum(map(len, parts.values())) > 2**20
    method = rng.choice([zipfile.ZIP_DEFLATED] * (1 if large else 8) + methods * (not large))
    with zipfile.ZipFile(out, "w", method) as book:
        for name, part in parts.items():
            # Of a fixed date, so that a mutation is the same on any day.
            book.writestr(zipfile.ZipInfo(name), part, method)
    return out.getvalue()


def _sheet(change: Callable[[Random, bytes], bytes]) -> Callable[[Random, Parts], None]:
    def apply(rng: Random, parts: Parts) -> None:
        if SHEET in parts:
            parts[SHEET] = change(rng, parts[SHEET])

    return apply


@_sheet
def state_size(rng: Random, sheet: bytes) -> bytes:
    """State a size that the sheet has not."""
    area = rng.choice(
        [b"A1", b"A1:A1", b"A1:XFD1048576", b"XFD1048576", b"A0", b"", b"ZZZZ9:A1", b"B2:C3"]
    )
    return re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="%s"' % area, sheet)


@_sheet
def place_cell(rng: Random, sheet: bytes) -> bytes:
    """Move a cell somewhere else, or put one far away."""
    places = [b"XFD1048576", b"A1048576", b"XFD2", b"A1", b"A0", b"XFE1", b"A9999999", b"1A", b""]
    cell = rng.choice(places)
    if rng.random() < 0.5:
        row = rng.choice([b"1048576", b"2", b"0", b"-1", b"99999999999", b"x"])
        new = b'<row r="%s"><c r="%s"><v>1</v></c></row></sheetData>' % (row, cell)
        return sheet.replace(b"</sheetData>", new)
    found = list(re.finditer(rb'<c r="[^"]*"', sheet))
    one = rng.choice(found) if found else None
    return sheet if one is None else sheet[: one.start()] + b'<c r="%s"' % cell + sheet[one.end() :]


@_sheet
def type_cell(rng: Random, sheet: bytes) -> bytes:
    """Give a cell another type, style or value."""
    found = list(re.finditer(rb'<c ([^>]*?)(?: t="\w+")?(/?)>', sheet))
    if not found:
        return sheet
    one = rng.choice(found)
    kind = rng.choice([b"s", b"str", b"b", b"e", b"n", b"d", b"inlineStr", b"oops", b""])
    style = rng.choice([b"", b"", b' s="1"', b' s="999999"', b' s="x"'])
    new = b'<c %s t="%s"%s%s>' % (one[1], kind, style, one[2])
    return sheet[: one.start()] + new + sheet[one.end() :]


@_sheet
def set_value(rng: Random, sheet: bytes) -> bytes:
    """Write a hostile value, or a formula without one, into a cell."""
    found = list(re.finditer(rb"<v>([^<]*)</v>", sheet))
    if not found:
        return sheet
    one = rng.choice(found)
    word = rng.choice([*NUMBERS, *TOKENS]).encode("utf-8", "surrogatepass")
    formula = rng.choice(
        [b"<f>1+1</f>", b"<f>A1:</f>", b'<f t="shared" si="0"/>', b"<f/><v/>", b""]
    )
    return sheet[: one.start()] + rng.choice([b"<v>%s</v>" % word, formula]) + sheet[one.end() :]


@_sheet
def merge(rng: Random, sheet: bytes) -> bytes:
    """Say that cells are merged."""
    area = rng.choice([b"A2:A4", b"A1:C1", b"A1:XFD1048576", b"A2:C2", b"oops", b"C3:A1"])
    new = b'</sheetData><mergeCells count="1"><mergeCell ref="%s"/></mergeCells>' % area
    return sheet.replace(b"</sheetData>", new, 1)


def change_text(rng: Random, parts: Parts) -> None:
    """Change any part as a text."""
    name = rng.choice(list(parts))
    parts[name] = TEXT(rng, parts[name])


def drop(rng: Random, parts: Parts) -> None:
    """Take a part out, rename it, or give it the contents of another."""
    name = rng.choice(list(parts))
    kind = rng.randrange(3)
    part = parts.pop(name)
    if kind == 1:
        parts[rng.choice([name.upper(), "../" + name, "/" + name, name + "x"])] = part
    elif kind == 2:
        parts[name] = rng.choice(list(parts.values()))


def link(rng: Random, parts: Parts) -> None:
    """Let the workbook point at something that is not there, is not a sheet, or is elsewhere."""
    name = "xl/_rels/workbook.xml.rels"
    if name in parts:
        target = rng.choice(
            [b"/etc/passwd", b"styles.xml", b"http://x/y", b"../../..", b"", b"charts/c.xml"]
        )
        parts[name] = re.sub(rb'Target="[^"]*sheet1.xml"', b'Target="%s"' % target, parts[name])


def expand(rng: Random, parts: Parts) -> None:
    """Make a part that grows when it is unpacked or parsed."""
    name = rng.choice([SHEET, SHEET, "xl/sharedStrings.xml", "xl/workbook.xml"])
    part = parts.get(name, b"")
    kind = rng.randrange(4)
    if kind == 0:
        parts[name] = part.replace(b"<sheetData>", b"<sheetData>" + BOMB)
    elif kind == 1:
        parts[name] = (
            XML + ENTITIES + re.sub(rb"<\?xml.*?\?>", b"", part).replace(b"<v>", b"<v>&i;", 1)
        )
    elif kind == 2:
        parts[name] = XML + b"<a>" * 200_000
    else:
        deep = b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
        parts[name] = XML + deep + re.sub(rb"<\?xml.*?\?>", b"", part).replace(b"<v>", b"<v>&f;", 1)


CHANGES = (
    *(state_size, place_cell, place_cell, type_cell, type_cell, set_value, set_value, set_value),
    *(merge, change_text, change_text, change_text, drop, link, expand),
)
