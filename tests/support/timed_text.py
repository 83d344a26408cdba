"""Annotations made for a test, and the text of each TR that the library reads from them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl

from giblet.stimulus.text import extract_text


def written(path: Path, content: str | bytes) -> Path:
    """Write a file as it is given."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def workbook(path: Path, rows: Sequence[Sequence[Any]], number_format: str = "") -> Path:
    """Write a workbook; `number_format` is that of all cells below the header."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if number_format:
        for cells in book.active.iter_rows(min_row=2):
            for cell in cells:
                cell.number_format = number_format
    book.save(path)
    return path


def read_trs(path: Path, n_trs: int = 10, tr_s: Any = 1, **settings: Any) -> list[dict[str, str]]:
    """Rows that `extract_text` writes for a run, 10 TRs of 1 s unless told otherwise."""
    out = path.parent / "text.tsv"
    extract_text(path, out, tr_s=tr_s, n_trs=n_trs, **settings)
    with out.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def texts(path: Path, n_trs: int = 10, tr_s: Any = 1, **settings: Any) -> list[str]:
    """The text of each TR of a run."""
    return [row["text"] for row in read_trs(path, n_trs, tr_s, **settings)]
