"""The archive that a workbook is: its parts, how they refer to each other, its list of sheets.

After ECMA-376, part 2 (packages) and part 1, 18.2 (workbooks).
"""

from __future__ import annotations

import datetime
import posixpath
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from giblet.sheets import Purpose
from giblet.workbook_cells import Formats, elements, kinds_of, unescaped
from giblet.workbook_xml import local, strings

# More than any table of a study unpacks to.
MOST_BYTES = 100 * 2**20


@dataclass(frozen=True)
class Listed:
    """A sheet as the workbook lists it; `part` is "" for a chart."""

    name: str
    part: str
    hidden: bool


class Parts:
    """The parts of an open workbook.

    Attributes
    ----------
    sheets : in the order of their tabs
    strings : texts that cells refer to by number
    formats : what concerns numbers
    """

    def __init__(self, path: Path, purpose: Purpose, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.purpose = purpose
        self.archive = archive
        # Some programs write "\\" into the names, or another letter case than they refer to.
        self.parts = {
            info.filename.replace("\\", "/").lower().lstrip("/"): info
            for info in archive.infolist()
        }
        self.opened: dict[str, int] = {}
        main = _target(self._related("")["officedocument"][0], "") if self._has_rels("") else ""
        self.main = main if main in self.parts else "xl/workbook.xml"
        self.sheets, self.formats = self._contents()
        self.strings = self._strings()

    def open(self, part: str) -> IO[bytes]:
        """A part of the archive, within the bound of what is unpacked."""
        info = self.parts[part]
        self.opened[part] = info.file_size
        if sum(self.opened.values()) > MOST_BYTES:
            raise self.purpose.error(
                f"{self.path}: unpacks to more than {MOST_BYTES // 2**20} MB, more than a table "
                "of a study can be: copy the table into a new workbook, or save it as CSV"
            )
        return self.archive.open(info)

    def _has_rels(self, part: str) -> bool:
        return _rels(part) in self.parts

    def _related(self, part: str) -> dict[str, list[str]]:
        """Targets of a part's relations by the last word of their types, and by their ids."""
        found: dict[str, list[str]] = {}
        if not self._has_rels(part):
            return found
        with self.open(_rels(part)) as source:
            for element in elements(source, "Relationship"):
                if element.get("TargetMode") == "External":
                    continue
                target = element.get("Target", "")
                word = element.get("Type", "").rpartition("/")[2].lower()
                found.setdefault(word, []).append(target)
                found.setdefault(f"#{element.get('Id')}", []).extend((target, word))
        return found

    def _contents(self) -> tuple[list[Listed], Formats]:
        """Sheets in the order of their tabs, and what concerns numbers."""
        related = self._related(self.main)
        sheets: list[Listed] = []
        epoch, recalculated = Formats.epoch, False
        with self.open(self.main) as source:
            for element in elements(source, "workbookPr", "sheet", "calcPr"):
                name = local(element.tag)
                if name == "sheet":
                    sheets.append(self._listed(element, related))
                elif name == "calcPr":
                    recalculated = element.get("fullCalcOnLoad") in ("1", "true")
                elif element.get("date1904") in ("1", "true"):
                    epoch = datetime.datetime(1904, 1, 1)
        styles = [_target(part, self.main) for part in related.get("styles", ["styles.xml"])]
        kinds: list[str] = []
        if styles[0] in self.parts:
            with self.open(styles[0]) as source:
                kinds = kinds_of(source)
        return sheets, Formats(kinds, epoch, recalculated)

    def _listed(self, element: ElementTree.Element, related: dict[str, list[str]]) -> Listed:
        key = next((v for k, v in element.attrib.items() if local(k) == "id"), "")
        target, word = related.get(f"#{key}", ["", ""])[:2]
        part = _target(target, self.main) if word == "worksheet" else ""
        hidden = element.get("state", "visible") != "visible"
        return Listed(element.get("name", ""), part, hidden)

    def _strings(self) -> list[str]:
        names = self._related(self.main).get("sharedstrings", ["sharedStrings.xml"])
        part = _target(names[0], self.main)
        if part not in self.parts:
            return []
        with self.open(part) as source:
            return [unescaped(text) for text in strings(source)]


def _rels(part: str) -> str:
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


def _target(target: str, of: str) -> str:
    """Name of the part that a relation of another part points to."""
    target = target.replace("\\", "/")
    if not target.startswith("/"):
        target = posixpath.join("/", posixpath.dirname(of), target)
    return posixpath.normpath(target).lstrip("/").lower()
