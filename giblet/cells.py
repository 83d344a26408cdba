"""The one reader of all tables: runs, scans, annotations, events, confounds, labels, parcels.

A table is an Excel workbook or a text of any encoding, with any separator; what it is shows in
its content, not in its name. What differs between tables is what a message says
(:class:`Purpose`).

The parts: :mod:`giblet.encodings` (bytes to text), :mod:`giblet.delimited` (text to rows),
:mod:`giblet.workbooks` (workbook to rows), :mod:`giblet.layout` (rows to a table) and
:mod:`giblet.numerals` (cells to numbers).
"""

from __future__ import annotations

from pathlib import Path

from giblet import delimited
from giblet.encodings import decode, read_bytes, read_text
from giblet.layout import lay_out
from giblet.numerals import numbers, whole_number
from giblet.sheets import (
    DELIMITED,
    EXCEL,
    IsHeader,
    Purpose,
    Sheet,
    as_text,
    is_blank,
    is_empty,
    is_wordless,
)

__all__ = [
    "DELIMITED",
    "EXCEL",
    "IsHeader",
    "Purpose",
    "Sheet",
    "as_text",
    "is_blank",
    "is_empty",
    "is_wordless",
    "numbers",
    "read_bytes",
    "read_sheet",
    "read_text",
    "whole_number",
]
ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# How files begin that are neither text nor workbook, and what to do with them.
OTHERS = (
    (b"BZh", "is packed by bzip2: unpack it"),
    (b"\xfd7zXZ", "is packed by xz: unpack it"),
    (b"7z\xbc\xaf", "is a 7z archive: unpack it"),
    (b"(\xb5/\xfd", "is packed by zstd: unpack it"),
    (b"%PDF", "is a PDF: export the table as CSV"),
    (b"{\\rtf", "is a text of a word processor (RTF): save it as plain text"),
    (b"\x89HDF", "is an HDF5 file, not a table of text: export the table as CSV"),
    (b"\x89PNG", "is a picture"),
    (b"MATLAB 5.0", "is a MATLAB file: write the table with writetable"),
    (b"version https://git-lfs", "is a Git LFS pointer, not the file: run git lfs pull"),
    (b"/annex/objects", "is a git-annex pointer, not the file: run datalad get"),
)
# Words in the content of other programs' archives.
ARCHIVES = (
    ("xl/workbook.bin", "is a binary workbook (xlsb): save it as xlsx"),
    ("index/document.iwa", "is a Numbers document: export it as xlsx or CSV"),
    ("index.zip", "is a Numbers document: export it as xlsx or CSV"),
    ("word/document.xml", "is a Word document: save the table as xlsx or CSV"),
    ("content.xml", "is an OpenDocument file (ods): save it as xlsx or CSV"),
)


def read_sheet(
    path: str | Path,
    purpose: Purpose,
    *,
    sheet: str | None = None,
    encoding: str | None = None,
    is_header: IsHeader | None = None,
) -> Sheet:
    """Read the cells of an xlsx, csv or tsv file.

    The first row that is not empty, and not a title, is the header; its cells lose the spaces
    around them.

    Parameters
    ----------
    sheet, encoding
        Sheet of a workbook and encoding of a text; None to find them.
    is_header
        Whether the cells of a row are those of the header looked for; finds it below titles,
        and on which sheet it is.

    Raises
    ------
    GibletError
        That of `purpose`, if the file is missing, of another kind, damaged, or has no rows.
    """
    path = Path(path)
    data = read_bytes(path, purpose)
    if path.name.startswith("~$"):
        raise purpose.error(
            f"{path}: is what Excel keeps beside an open workbook: name {path.name[2:]} instead"
        )
    if data.startswith(ZIP):
        from giblet.workbooks import read_book

        _refuse_other_archives(path, purpose, data)
        book = read_book(path, purpose, data, sheet=sheet, is_header=is_header)
        return lay_out(
            path, purpose, book.rows, is_header=is_header, grouped=book.grouped, from_book=True
        )
    _refuse_other_kinds(path, purpose, data)
    parsed = delimited.parse(path, purpose, decode(path, purpose, data, encoding))
    return lay_out(
        path,
        purpose,
        parsed.rows,
        is_header=is_header,
        underscores=parsed.underscores,
    )


def _refuse_other_archives(path: Path, purpose: Purpose, data: bytes) -> None:
    """Refuse archives of other programs by the names of their parts, if they can be listed."""
    import io
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {name.replace("\\", "/").lower() for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
        return
    for name, problem in ARCHIVES:
        if name in names:
            raise purpose.error(f"{path}: {problem}")
    if not any(name.startswith("xl/") for name in names) and "[content_types].xml" not in names:
        raise purpose.error(
            f"{path}: is a ZIP archive, not a workbook: unpack it and name the table in it"
        )


def _refuse_other_kinds(path: Path, purpose: Purpose, data: bytes) -> None:
    """Refuse what is neither a workbook nor a text."""
    if data.startswith(OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise purpose.error(
                f"{path}: is protected by a password: save it without one (File, Info, Protect "
                "Workbook, Encrypt with Password)"
            )
        raise purpose.error(f"{path}: is a workbook of the old kind (xls): save it as xlsx")
    for start, problem in OTHERS:
        if data.startswith(start):
            raise purpose.error(f"{path}: {problem}")
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<?xml", b"<!doctype html", b"<html", b"<table")):
        raise purpose.error(
            f"{path}: is a web page or XML, not a table: open it in Excel or LibreOffice and save "
            "it as xlsx or CSV"
        )
    if path.suffix.lower() in EXCEL:
        raise purpose.error(
            f"{path}: not a readable Excel file (File is not a zip file): open it and save it "
            "again as xlsx" + (", or name it .csv if it is text" if data else "")
        )
