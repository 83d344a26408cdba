"""From the rows of a file to a table: where the header is, and which cell belongs to which name."""

from __future__ import annotations

import re
from collections.abc import Set
from pathlib import Path
from typing import Any

from giblet import notices
from giblet.sheets import (
    MISSING,
    IsHeader,
    Numbered,
    Purpose,
    Sheet,
    as_text,
    column_letters,
    is_blank,
)

# Rows among which a header is looked for.
TITLES = 30
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")


def lay_out(
    path: Path,
    purpose: Purpose,
    rows: Numbered,
    *,
    is_header: IsHeader | None = None,
    grouped: Set[int] = frozenset(),
    from_book: bool = False,
    underscores: bool = True,
) -> Sheet:
    """Table of the rows of a file.

    Titles above the header are passed over. Separators at the end of rows or of the header make
    no columns. A header one shorter than all rows belongs to R's row names, where the first
    cells are such.

    Parameters
    ----------
    rows : with their numbers, in the order of the file
    is_header : whether the cells of a row are the header looked for; None to go by its form
    grouped : numbers of the rows in which a cell spans several columns
    from_book, underscores : as in :class:`giblet.sheets.Sheet`

    Raises
    ------
    GibletError
        That of `purpose`, if there is no row below a header, or a row does not fit it.
    """
    filled = [(n, cells) for n, cells in rows if not all(map(is_blank, cells))]
    if len(filled) < 2:
        raise purpose.error(
            f"{path}: {'holds no rows below a header' if filled else 'is empty'}: name a table "
            f"with {purpose.holds}"
        )
    at = _header_at(filled, is_header, grouped)
    if at == len(filled) - 1:
        raise purpose.error(
            f"{path}: holds no rows below a header: name a table with {purpose.holds}"
        )
    number, cells = filled[at]
    header = [" ".join(as_text(cell).strip("\ufeff\u200b ").splitlines()) for cell in cells]
    header = ["" if re.fullmatch(r"Unnamed: \d+", name) else name for name in header]
    stated = len(header)
    while header and not header[-1]:
        header.pop()
    body = filled[at + 1 :]
    if stated == len(header) and _has_row_names(path, body, header, number):
        header.insert(0, "")
    _refuse_misfits(path, purpose, body, len(header), number, from_book)
    width = len(header)
    between = [n for n, cells in rows if (cells or width == 1) and body[0][0] < n < body[-1][0]]
    with_content = {n for n, _ in body}
    return Sheet(
        header,
        [(n, _fitted(cells, width)) for n, cells in body],
        path=path,
        blank=[n for n in between if n not in with_content],
        from_book=from_book,
        underscores=underscores,
    )


def _fitted(cells: list[Any], width: int) -> list[Any]:
    return cells if len(cells) == width else cells[:width] + [None] * (width - len(cells))


def _header_at(filled: Numbered, is_header: IsHeader | None, grouped: Set[int]) -> int:
    """Index of the header among the rows that are not empty."""
    first = filled[:TITLES]
    if is_header is not None:
        fit: int | None = None
        for index, (number, cells) in enumerate(first):
            if all(_is_word(cell) for cell in cells) and is_header([as_text(c) for c in cells]):
                # Names that stand over several columns have others below them.
                if number not in grouped:
                    return index
                fit = index if fit is None else fit
        if fit is not None:
            return fit
    at = 0
    for index in range(1, len(first)):
        number, above = filled[at]
        cells = filled[index][1]
        titles = 1 if number not in grouped else _n_filled(cells) - 1
        fewer = _n_filled(above) <= max(titles, _n_filled(cells) - 2)
        if fewer and _n_filled(cells) > _n_filled(above) and _are_names(cells):
            at = index
    # Below the last header there have to be rows.
    return at if at < len(filled) - 1 else 0


def _n_filled(cells: list[Any]) -> int:
    return sum(not is_blank(cell) for cell in cells)


def _is_word(cell: Any) -> bool:
    return is_blank(cell) or isinstance(cell, str)


def _are_names(cells: list[Any]) -> bool:
    """Whether cells can be names of columns: texts with letters, each another."""
    names = [cell for cell in cells if not is_blank(cell)]
    if not all(isinstance(name, str) and any(map(str.isalpha, name)) for name in names):
        return False
    return len({name.strip() for name in names}) == len(names)


def _has_row_names(path: Path, body: Numbered, header: list[str], number: int) -> bool:
    """Whether every row has one cell more than the header, and the first ones are row names.

    These are numbers from 1 (or 0) on, or texts before nothing but numbers.
    """
    width = len(header)
    if len(body) < 2 or any(len(cells) != width + 1 for _, cells in body):
        return False
    if all(is_blank(cells[-1]) for _, cells in body):
        return False
    names = [as_text(cells[0]) for _, cells in body]
    for start in (1, 0):
        if names == [str(k) for k in range(start, start + len(names))]:
            notices.warn(
                f"{path} row {number}: the header names {width} columns, the rows have "
                f"{width + 1} cells; the first ones ({', '.join(names[:2])}, ...) are taken for "
                "row names. If they are values, complete the header"
            )
            return True
    texts = len(set(names)) == len(names) and not any(map(_is_number, names))
    return texts and all(_is_value(as_text(c)) for _, cells in body for c in cells[1:])


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None


def _is_value(text: str) -> bool:
    return _is_number(text) or text.lower() in MISSING


def _refuse_misfits(
    path: Path, purpose: Purpose, body: Numbered, width: int, above: int, from_book: bool
) -> None:
    """Refuse rows with more cells than the header, and short ones of tables of numbers."""
    for number, cells in body:
        beyond = [k for k in range(width, len(cells)) if not is_blank(cells[k])]
        if beyond and from_book:
            raise purpose.error(
                f"{path} cell {column_letters(beyond[0] + 1)}{number}: holds "
                f"{as_text(cells[beyond[0]])[:40]!r}, but its column has no name in the header "
                f"(row {above}): name the column, or clear the cell"
            )
        if beyond:
            raise purpose.error(
                f"{path} row {number}: has {len(cells)} cells, the header has {width}: put "
                "quotes around texts that contain the separator"
            )
        if purpose.complete and not from_book and len(cells) < width:
            raise purpose.error(
                f"{path} row {number}: has {len(cells)} cells, the header has {width}: the row "
                "was cut short; write the table again"
            )
