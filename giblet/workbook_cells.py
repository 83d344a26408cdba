"""Values of a workbook's cells, as Excel shows them: texts, numbers, times, errors.

After ECMA-376, part 1, 18.3 (worksheets), 18.8 (styles) and 22.4 (``_x000D_``).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any
from xml.etree import ElementTree

from giblet.sheets import Purpose, Shown, Unreadable
from giblet.workbook_xml import RawCell, local

ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
WHOLE = re.compile(r"-?\d{1,15}")
# Formats that show a whole number with leading zeros or letters: 000, "sub-"00, \r0.
PADDED = re.compile(r'((?:"[^"]*"|\\.|[- ])*)(0+)((?:"[^"]*"|\\.)*)')
# Dates and times of East Asian Excel, whose formats depend on the language and are not in the file.
EAST_ASIAN = (*range(27, 37), *range(50, 59))
NOT_CALCULATED = (
    "holds a formula whose value was never calculated: open the workbook in Excel or LibreOffice "
    "and save it, or paste the values"
)


def unescaped(text: str) -> str:
    """Text without the escapes of characters that XML cannot hold.

    >>> unescaped("a_x000D_b"), unescaped("_x005F_x000D_")
    ('a\\rb', '_x000D_')
    """
    if "_x" not in text:
        return text
    plain = ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    # Characters beyond 16 bits are escaped in halves; a half alone is no text.
    plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub("[\0-\x08\x0e-\x1f]", " ", plain)


def elements(source: IO[bytes], *names: str) -> Iterator[ElementTree.Element]:
    """Elements of these names, one after the other, each forgotten after its use."""
    wanted: dict[str, bool] = {}
    for _, element in ElementTree.iterparse(source):
        tag = element.tag
        is_wanted = wanted.get(tag)
        if is_wanted is None:
            is_wanted = wanted[tag] = local(tag) in names
        if is_wanted:
            yield element
            element.clear()


@dataclass(frozen=True)
class Formats:
    """How the styles of a workbook show numbers.

    Attributes
    ----------
    kinds : for each style "" (a number), "date", "time", "duration" or a padded format
    epoch : day 0 of its dates
    recalculated : whether Excel calculates all formulas when it opens the workbook
    """

    kinds: Sequence[str] = ()
    epoch: datetime.datetime = datetime.datetime(1899, 12, 30)
    recalculated: bool = False

    def kind(self, style: str) -> str:
        """Kind of a style's number, given its index as the file has it."""
        index = int(style) if style else 0
        return self.kinds[index] if 0 <= index < len(self.kinds) else ""


def kinds_of(source: IO[bytes]) -> list[str]:
    """What each cell style of a workbook makes of a number; see :class:`Formats`."""
    from openpyxl.styles.numbers import BUILTIN_FORMATS

    codes = {**BUILTIN_FORMATS, **dict.fromkeys(EAST_ASIAN, "yyyy-mm-dd")}
    found: list[str] = []
    for element in elements(source, "numFmts", "cellXfs"):
        if local(element.tag) == "numFmts":
            for part in element:
                codes[int(part.get("numFmtId", "0"))] = part.get("formatCode", "")
        else:
            found = [codes.get(int(part.get("numFmtId", "0")), "General") for part in element]
    return [kind_of(code) for code in found]


def kind_of(code: str) -> str:
    """What a number format shows.

    >>> kind_of("h:mm:ss"), kind_of("[h]:mm:ss"), kind_of("yyyy-mm-dd"), kind_of("0.00")
    ('time', 'duration', 'date', '')
    """
    from openpyxl.styles.numbers import STRIP_RE, is_date_format, is_timedelta_format

    if is_timedelta_format(code):
        return "duration"
    if is_date_format(code):
        plain = STRIP_RE.sub("", code.split(";")[0]).lower()
        timed = re.search("[hs]", plain) and not re.search("[dy]|mmm", plain)
        return "time" if timed else "date"
    padded = PADDED.fullmatch(code)
    return code if padded and (len(padded[2]) > 1 or padded[1] or padded[3]) else ""


@dataclass
class Cells:
    """Turns cells as they stand in a file into values.

    Attributes
    ----------
    where : the file, for messages
    strings : the workbook's shared strings
    doubtful : names of cells whose formula has the value 0, in a workbook that leaves calculating
        to Excel: 0 is also what some programs write for all formulas
    calculated : whether any formula has another value, so that 0 is one like others
    """

    where: str
    purpose: Purpose
    strings: Sequence[str] = ()
    formats: Formats = field(default_factory=Formats)
    doubtful: list[str] = field(default_factory=list)
    calculated: bool = False

    def value(self, cell: RawCell, name: str) -> Any:
        """Value of a cell; see :class:`giblet.sheets.Sheet` for its types.

        Parameters
        ----------
        name : the cell's, such as ``B7``
        """
        text = cell.text
        if cell.is_formula and self._is_unknown(cell.kind, text, name):
            return self._unreadable(name, "a formula", NOT_CALCULATED)
        if cell.inline is not None:
            return unescaped(cell.inline)
        if text is None or (text == "" and cell.kind != "str"):
            return None
        return self._of_kind(cell, text, name)

    def _is_unknown(self, kind: str, text: str | None, name: str) -> bool:
        """Whether a formula has no value, or a doubtful one."""
        if not text:
            return text is None or kind != "str"
        if self.formats.recalculated and kind == "n" and text == "0":
            self.doubtful.append(name)
            return True
        self.calculated = True
        return False

    def _of_kind(self, cell: RawCell, text: str, name: str) -> Any:
        kind = cell.kind
        if kind == "s":
            index = int(text)
            if not 0 <= index < len(self.strings):
                raise ValueError(f"cell {name} refers to a text that is not there")
            return self.strings[index]
        if kind in ("str", "inlineStr"):
            return unescaped(text)
        if kind == "b":
            return text.strip() in ("1", "true")
        if kind == "e":
            return self._unreadable(name, text, f"holds the error {text}: correct the cell")
        if kind == "d":
            return datetime.datetime.fromisoformat(text)
        number = float(text)
        style = self.formats.kind(cell.style)
        if style in ("date", "time", "duration"):
            return self._time(number, style, name)
        value = int(text) if WHOLE.fullmatch(text) else float(f"{number:.15g}")
        if style and number == int(number) and number >= 0:
            return _padded(int(number), style)
        return value

    def _time(self, number: float, kind: str, name: str) -> Any:
        from openpyxl.utils.datetime import WINDOWS_EPOCH, from_excel

        epoch = self.formats.epoch
        if number < 0 and epoch == WINDOWS_EPOCH:
            return self._unreadable(
                name, str(number), "holds a negative time, which Excel shows as ####: correct it"
            )
        as_duration = kind == "duration" or (kind == "time" and not 0 <= number < 1)
        try:
            return from_excel(number, epoch, timedelta=as_duration)
        except (OverflowError, ValueError):
            return self._unreadable(
                name, str(number), f"holds {number:g}, which is no {kind}: correct the cell"
            )

    def _unreadable(self, name: str, shown: str, problem: str) -> Unreadable:
        return Unreadable(shown, self.purpose.error(f"{self.where} cell {name}: {problem}"))


def _padded(number: int, code: str) -> str | Shown:
    """A whole number with the zeros and letters of its format.

    >>> _padded(7, "000"), _padded(7, '"sub-"00').shown
    ('007', 'sub-07')
    """
    match = PADDED.fullmatch(code)
    assert match is not None
    before, zeros, after = match.groups()
    digits = f"{number:0{len(zeros)}d}"
    if not before and not after:
        return digits
    return Shown(number, _plain(before) + digits + _plain(after))


def _plain(literal: str) -> str:
    return re.sub(r'"([^"]*)"|\\(.)', lambda match: match[1] or match[2] or "", literal)
