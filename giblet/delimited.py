"""Tables of text: which character separates cells, quotation marks, comments, line ends."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from giblet.sheets import Numbered, Purpose

SEPARATORS = "\t;,"
NAMES = {"\t": "tabs", ";": "semicolons", ",": "commas", " ": "spaces"}
# Lines that show which character separates the cells, and letters in them.
SAMPLE, SAMPLE_LETTERS = 1000, 2**16
# A longer cell is one whose quotation mark is not closed.
LONGEST_CELL = 131_072
HINT = re.compile(r"\s*\"?sep=(.)\"?\s*", re.IGNORECASE)
MOST_ROWS, MOST_CELLS = 1_000_000, 5_000_000
NOT_CLOSED = "a quotation mark that is not closed swallows what follows"


@dataclass(frozen=True)
class Parsed:
    """Rows of a text, the character that separates their cells, and whether any has a ``_``."""

    rows: Numbered
    separator: str
    underscores: bool


def parse(path: str | Path, purpose: Purpose, text: str) -> Parsed:
    """Rows of a table of text; an empty line is a row without cells.

    The separator is the one by which most rows have the same number of cells, whatever the
    file's name ends in. Cells may stand in quotation marks and hold line breaks; where
    a mark at the start of a cell is a mere letter, as in most TSV files, it stays one.

    Raises
    ------
    GibletError
        That of `purpose`, naming the row, if a quotation mark is not closed.
    """
    text = one_line_end(text)
    _refuse_many(path, purpose, text, "\n", "rows", MOST_ROWS)
    first, _, rest = text.partition("\n")
    hint = HINT.fullmatch(first)
    if hint:
        # Excel's way of naming the separator in the file; the line still counts.
        text = "\n" + rest
    if purpose.comments:
        text = without_comments(text)
    separator = hint[1] if hint else separator_of(text, str(path))
    _refuse_many(path, purpose, text, separator, "cells", MOST_CELLS)
    rows = _by_spaces(text) if separator == " " else _quoted(path, purpose, text, separator)
    return Parsed(rows, separator, text.find("_", text.find("\n")) >= 0)


def _refuse_many(
    path: str | Path, purpose: Purpose, text: str, mark: str, what: str, most: int
) -> None:
    found = text.count(mark) if len(text) > most else 0
    if found > most:
        raise purpose.error(
            f"{path}: has {found:,} {what}, more than the {most:,} that a table of a study can "
            f"have: {purpose.named_in}"
        )


def one_line_end(text: str) -> str:
    """Text with ``\\n`` at the end of every line, however its lines ended."""
    if "\r" not in text:
        return text
    return text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")


def without_comments(text: str) -> str:
    """Text whose lines that start with ``#`` are empty; the others keep their numbers."""
    return re.sub("^#.*$", "", text, flags=re.MULTILINE) if "#" in text else text


def separator_of(text: str, name: str = "") -> str:
    """Tab, semicolon, comma or space: what separates the cells of a table.

    >>> separator_of("start;end\\n0,5;1,5\\n1,5;2,5\\n")
    ';'
    """
    lines = _some_lines(text)
    usual = "," if name.lower().endswith(".csv") else "\t"
    found = {mark: _agreement(lines, mark) for mark in SEPARATORS}
    possible = [mark for mark in SEPARATORS if found[mark][1] > 1]
    if not possible:
        return " " if _has_even_words(lines) else usual
    # A mark that makes a whole header of the first line is passed over, for one in sentences say,
    # only where most rows contradict it: the first line is a title then.
    in_header = [
        mark
        for mark in possible
        if found[mark][0] >= 0.5 and _agreement(lines[:1], mark)[1] >= found[mark][1]
    ]
    return max(in_header or possible, key=lambda mark: (*found[mark], mark == usual))


def _has_even_words(lines: Sequence[str]) -> bool:
    """Whether all lines have the same number of words, several, and no quotation marks."""
    counts = {len(line.split()) for line in lines}
    return len(lines) > 1 and len(counts) == 1 and counts.pop() > 1 and '"' not in "".join(lines)


def _some_lines(text: str) -> list[str]:
    lines: list[str] = []
    at = 0
    while at < len(text) and len(lines) < SAMPLE and (at < SAMPLE_LETTERS or len(lines) < 3):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if not text[at:end].isspace() and end > at:
            lines.append(text[at:end])
        at = end + 1
    return lines


def _agreement(lines: Sequence[str], separator: str) -> tuple[float, int]:
    """Share of the rows that have the commonest number of cells above 1, and that number."""
    rows = [line.split(separator) for line in lines]
    if any('"' in line for line in lines):
        with suppress(csv.Error):
            rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    # With the cell that a separator at the end of a line makes, or without.
    return max(_commonest(map(len, rows)), _commonest(map(_filled_width, rows)))


def _commonest(widths: Iterable[int]) -> tuple[float, int]:
    """Share of the commonest width above 1, and that width."""
    counts = Counter(widths)
    several = {cells: rows for cells, rows in counts.items() if cells > 1}
    if not several:
        return 0.0, 0
    cells = max(several, key=lambda cells: (several[cells], cells))
    return several[cells] / sum(counts.values()), cells


def _filled_width(row: Sequence[str]) -> int:
    """Number of cells without an empty last one."""
    return len(row) - 1 if row and not row[-1].strip() else len(row)


def _by_spaces(text: str) -> Numbered:
    return [(number, line.split()) for number, line in enumerate(text.split("\n"), 1)]


def _quoted(path: str | Path, purpose: Purpose, text: str, separator: str) -> Numbered:
    if '"' not in text:
        # Line by line is what csv would do, at a fraction of its time.
        lines = text.split("\n")
        if len(text) > LONGEST_CELL and max(map(len, lines)) > LONGEST_CELL:
            _refuse_long(path, purpose, lines, separator)
        return [(n, line.split(separator) if line else []) for n, line in enumerate(lines, 1)]
    try:
        rows = _by_csv(text, separator, strict=True)
        if not any("\n" in cell for _, cells in rows for cell in cells):
            return rows
    except csv.Error:
        rows = []
    # Marks inside a cell, or one at its start that swallows lines: letters, if rows are even so.
    as_letters = _letters(text, separator)
    if _is_even(as_letters):
        return as_letters
    return rows or _leniently(path, purpose, text, separator)


def _letters(text: str, separator: str) -> Numbered:
    """Rows of a text whose quotation marks are letters like others."""
    return [
        (number, line.split(separator) if line else [])
        for number, line in enumerate(text.split("\n"), 1)
    ]


def _is_even(rows: Numbered) -> bool:
    """Whether all rows have the same number of cells, and more than one."""
    counts = {len(cells) for _, cells in rows if cells}
    return len(counts) == 1 and counts.pop() > 1


def _leniently(path: str | Path, purpose: Purpose, text: str, separator: str) -> Numbered:
    """Rows of a text with letters after a closing quotation mark, as Excel reads it.

    Raises
    ------
    GibletError
        That of `purpose`, if the last mark is not closed.
    """
    try:
        rows = _by_csv(text, separator, strict=False)
    except csv.Error as error:
        raise purpose.error(f"{path}: not a table of text ({error}): {NOT_CLOSED}") from error
    number, cells = next((row for row in reversed(rows) if row[1]), (0, []))
    if any("\n" in cell for cell in cells) and not _closes(text, number):
        raise purpose.error(
            f"{path} row {number}: {NOT_CLOSED}: close or remove it, or double marks inside a cell"
        )
    return rows


def _closes(text: str, number: int) -> bool:
    """Whether the text from a row on has an even number of quotation marks."""
    return "\n".join(text.split("\n")[number - 1 :]).count('"') % 2 == 0


def _by_csv(text: str, separator: str, *, strict: bool) -> Numbered:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        strict=strict,
        # A space before a quotation mark does not make it a letter.
        skipinitialspace=separator != " ",
    )
    rows: Numbered = []
    before = 0
    for cells in reader:
        rows.append((before + 1, list(cells)))
        before = reader.line_num
    return rows


def _refuse_long(path: str | Path, purpose: Purpose, lines: Sequence[str], separator: str) -> None:
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_CELL and max(map(len, line.split(separator))) > LONGEST_CELL:
            raise purpose.error(
                f"{path} row {number}: has a cell of more than {LONGEST_CELL:,} characters: this "
                "is no table of a study"
            )
