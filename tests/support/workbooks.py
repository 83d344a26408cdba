"""Workbooks as programs other than Excel write them: made by openpyxl, then changed by part."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import openpyxl

SHEET = "xl/worksheets/sheet1.xml"
STRINGS, RELATED = "xl/sharedStrings.xml", "xl/_rels/workbook.xml.rels"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def book(
    path: Path,
    rows: Iterable[Sequence[Any]],
    merged: Iterable[str] = (),
    change: Callable[[openpyxl.Workbook], object] | None = None,
) -> Path:
    """A workbook with rows on its only sheet.

    Parameters
    ----------
    merged : areas to merge, such as ``A2:A4``
    change : called with the workbook before it is saved
    """
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(list(row))
    for area in merged:
        made.active.merge_cells(area)
    if change is not None:
        change(made)
    made.save(path)
    return path


def changed(path: Path, change: Callable[[str], str], part: str = SHEET) -> Path:
    """The workbook with the text of one of its parts changed."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts[part] = change(parts[part].decode()).encode()
    return packed(path, parts)


def packed(path: Path, parts: dict[str, bytes]) -> Path:
    """An archive of these parts."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in parts.items():
            new.writestr(name, data)
    return path


def cells(path: Path, *rows: str, strings: Sequence[str] = ()) -> Path:
    """A workbook whose rows are given as XML, for what openpyxl does not write.

    Parameters
    ----------
    rows : elements ``<c>`` of each row
    strings : elements ``<si>`` of the shared strings
    """
    book(path, [["x"]])
    data = "".join(f'<row r="{k}">{row}</row>' for k, row in enumerate(rows, 1))
    changed(path, lambda xml: re.sub("<sheetData>.*</sheetData>", _data(data), xml, flags=re.S))
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts[STRINGS] = f'<sst xmlns="{MAIN}">{"".join(strings)}</sst>'.encode()
    relation = f'<Relationship Id="texts" Type="{RELATIONS}/sharedStrings" Target="/{STRINGS}"/>'
    end = b"</Relationships>"
    parts[RELATED] = parts[RELATED].replace(end, relation.encode() + end)
    return packed(path, parts)


def _data(rows: str) -> str:
    return f"<sheetData>{rows}</sheetData>".replace("\\", r"\\")


def text(name: str, value: str) -> str:
    """Element of a cell with an inline text."""
    return f'<c r="{name}" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'


def number(name: str, value: object, formula: str = "", style: int = 0) -> str:
    """Element of a cell with a number, the value of a formula if one is given."""
    calculated = f"<f>{formula}</f>" if formula else ""
    return f'<c r="{name}" s="{style}">{calculated}<v>{value}</v></c>'
