"""The XML of a workbook's sheets and texts, a row or a text at a time, without a tree.

Elements are known by their names without the namespace, which the two standards differ in.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import IO, NamedTuple
from xml.parsers import expat

CHUNK = 2**16
# A row with more cells is none.
MOST_COLUMNS = 16_384


class RawCell(NamedTuple):
    """A cell as it stands in the file.

    Attributes
    ----------
    name : such as ``B7``; "" where it follows from the place
    kind : ``n`` number, ``s`` shared text, ``str`` text of a formula, ``b``, ``e``, ``d``, ...
    style : index of its style
    text : its value; None without one
    is_formula : whether a formula made it
    inline : its text if it stands in the cell itself
    """

    name: str
    kind: str
    style: str
    text: str | None
    is_formula: bool
    inline: str | None


class RawRow(NamedTuple):
    """A row: its number ("" where it follows from the place), its cells, whether it is hidden."""

    number: str
    cells: list[RawCell]
    is_hidden: bool


class RawArea(NamedTuple):
    """Cells that are merged, such as ``A1:C1``."""

    reference: str


def rows(source: IO[bytes]) -> Iterator[RawRow | RawArea]:
    """Rows of a sheet, and behind them its merged areas."""
    handler = _Sheet()
    for _ in _parsed(source, handler):
        yield from handler.done
        handler.done.clear()


def strings(source: IO[bytes]) -> list[str]:
    """Texts that cells refer to by number, without the readings of characters (phonetic)."""
    handler = _Strings()
    for _ in _parsed(source, handler):
        pass
    return handler.texts


@lru_cache(maxsize=1024)
def local(name: str) -> str:
    """Name of an element or attribute without its namespace or prefix.

    >>> local("x:row"), local("row"), local("{urn:x}row")
    ('row', 'row', 'row')
    """
    return name.rpartition("}")[2].rpartition(":")[2]


class _Texts:
    """Collects the letters of texts, of runs in several formats as of plain ones."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.listens = False
        self.is_reading = False

    def letters(self, data: str) -> None:
        if self.listens:
            self.parts.append(data)

    def taken(self) -> str:
        text = "".join(self.parts)
        self.parts.clear()
        return text

    def start(self, name: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def end(self, name: str) -> None:
        raise NotImplementedError


class _Strings(_Texts):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = local(name)
        if tag == "t":
            self.listens = not self.is_reading
        elif tag == "rPh":
            self.is_reading = True

    def end(self, name: str) -> None:
        tag = local(name)
        if tag == "t":
            self.listens = False
        elif tag == "rPh":
            self.is_reading = False
        elif tag == "si":
            self.texts.append(self.taken())


class _Sheet(_Texts):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[RawRow | RawArea] = []
        self.row: dict[str, str] = {}
        self.cells: list[RawCell] = []
        self.cell: dict[str, str] = {}
        self.text: str | None = None
        self.inline: str | None = None
        self.is_inline = False
        self.is_formula = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = local(name)
        if tag == "c":
            self.cell, self.text, self.inline, self.is_formula = attributes, None, None, False
        elif tag == "v":
            self.listens = True
        elif tag == "f":
            self.is_formula = True
        elif tag == "t":
            self.listens = self.is_inline and not self.is_reading
        elif tag == "is":
            self.is_inline = True
        elif tag == "rPh":
            self.is_reading = True
        elif tag == "row":
            self.row, self.cells = attributes, []
        elif tag == "mergeCell":
            self.done.append(RawArea(attributes.get("ref", "")))

    def end(self, name: str) -> None:
        tag = local(name)
        if tag == "v":
            self.text, self.listens = self.taken(), False
        elif tag == "t":
            self.listens = False
        elif tag == "is":
            self.inline, self.is_inline = self.taken(), False
        elif tag == "rPh":
            self.is_reading = False
        elif tag == "c":
            self._end_cell()
        elif tag == "row":
            hidden = self.row.get("hidden") in ("1", "true")
            self.done.append(RawRow(self.row.get("r", ""), self.cells, hidden))

    def _end_cell(self) -> None:
        get = self.cell.get
        self.cells.append(
            RawCell(
                get("r", ""), get("t", "n"), get("s", ""), self.text, self.is_formula, self.inline
            )
        )
        if len(self.cells) > MOST_COLUMNS:
            raise ValueError(f"a row has more than {MOST_COLUMNS:,} cells")


def _parsed(source: IO[bytes], handler: _Texts) -> Iterator[None]:
    """Parse a part, pausing after each piece of it."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.letters
    parser.StartDoctypeDeclHandler = _refuse_entities
    while data := source.read(CHUNK):
        parser.Parse(data, False)
        yield
    parser.Parse(b"", True)
    yield


def _refuse_entities(*_: object) -> None:
    """Refuse what only documents with entities have, which can unfold to gigabytes."""
    raise ValueError("a part declares entities, which workbooks do not have")
