"""Texts of files in any encoding: known where that is certain, guessed with a warning where not."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from pathlib import Path

from giblet import notices
from giblet.sheets import Purpose

# More than any table of a study that is read as a whole: a row a word of 100 hours of speech is
# some 40 MB.
MOST_BYTES = 64 * 2**20
# Tried in this order among the encodings that fit a text equally well: charset-normalizer
# cannot tell Western code pages apart, and Windows' is by far the most common.
PREFERRED = ("cp1252", "latin_1")
# The longer marks first: UTF-32's begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
GUESSED_BYTES = 2**16
# Known by their marks or zero bytes, and never meant where these are missing.
NOT_GUESSED = ("utf_7", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le")
# Their letters come in pairs of bytes and next to each other; a lone byte among ASCII letters is
# an accent, which a short text alone does not tell charset-normalizer.
EAST_ASIAN = ("big5", "cp932", "cp949", "cp950", "euc_", "gb", "hz", "iso2022", "johab", "shift_")
# What accented letters of Excel for Mac's CSV files become in Windows' code page.
OF_MAC = re.compile("[A-Za-z][ŽŠšŸˆ\ufffd]|[Ž€…][a-z]")
# How much of a file shows that it is UTF-16 without a mark.
SAMPLE = 2**12


def read_bytes(path: str | Path, purpose: Purpose) -> bytes:
    """Contents of a file, unpacked if gzip packed it.

    Raises
    ------
    GibletError
        That of `purpose`, if the file is not there, is no file, or is larger than any table.
    """
    path = Path(path)
    try:
        if path.is_fifo() or path.is_char_device():
            raise purpose.error(f"{path}: is no file that can be read twice: {purpose.named_in}")
        with path.open("rb") as handle:
            data = handle.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise purpose.error(_not_there(path, purpose)) from error
    except IsADirectoryError as error:
        raise purpose.error(f"{path}: is a folder, not a file: {purpose.named_in}") from error
    except (OSError, ValueError) as error:
        raise purpose.error(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from error
    if data.startswith(b"\x1f\x8b"):
        data = _unpacked(path, purpose, data)
    if len(data) > MOST_BYTES:
        raise purpose.error(
            f"{path}: is larger than {MOST_BYTES // 2**20} MB, more than a table of a study can "
            f"be: {purpose.named_in}"
        )
    return data


def _not_there(path: Path, purpose: Purpose) -> str:
    if path.is_symlink():
        return (
            f"{path}: is a link to a file that is not on this machine: fetch it (datalad get, "
            "git annex get)"
        )
    return f"{path}: no such file: {purpose.named_in}"


def _unpacked(path: Path, purpose: Purpose, data: bytes) -> bytes:
    import io

    try:
        with gzip.open(io.BytesIO(data)) as handle:
            return handle.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise purpose.error(f"{path}: cannot be unpacked ({error}): copy it again") from error


def read_text(path: str | Path, purpose: Purpose, encoding: str | None = None) -> str:
    """Text of a file in any encoding.

    UTF-8, texts with a byte order mark and UTF-16 without one are known for sure; anything else
    is guessed by charset-normalizer, with a warning that says what was taken.
    """
    return decode(path, purpose, read_bytes(path, purpose), encoding)


def decode(path: str | Path, purpose: Purpose, data: bytes, encoding: str | None = None) -> str:
    """Text of the contents of a file; see :func:`read_text`.

    Raises
    ------
    GibletError
        That of `purpose`, if the contents are no text, or none in the encoding given.
    """
    if encoding:
        text = _as_told(path, purpose, data, encoding)
    else:
        known = known_encoding(data[: 2 * SAMPLE])
        text = _strictly(path, purpose, data, known) if known else _utf8(path, purpose, data)
    # Control-Z ends texts of DOS.
    text = text.removeprefix("\ufeff").rstrip("\x1a")
    if "\0" in text:
        row = 1 + len(re.findall("\r\n|\r|\n", text[: text.index("\0")]))
        raise purpose.error(
            f"{path} row {row}: holds a NUL character: the file is damaged, or no text; save the "
            "table again"
        )
    return text


def known_encoding(head: bytes) -> str | None:
    """Encoding that the start of a file shows for sure; None for any without NUL bytes.

    >>> known_encoding("start,text".encode("utf-16-le")), known_encoding(b"start,text")
    ('utf-16-le', None)
    """
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    found = [name for name in ("utf-16-le", "utf-16-be") if _is_plain(head, name)]
    return found[0] if len(found) == 1 and b"\0" in head else None


def _is_plain(head: bytes, encoding: str) -> bool:
    """Whether bytes decode to lines of a table, without control characters or half letters."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeError:
        return False
    ends = "\n" in text or "\r" in text
    return ends and not re.search("[\0-\x08\x0e-\x1f\ufffe\uffff]", text)


def _as_told(path: str | Path, purpose: Purpose, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError, ValueError) as error:
        raise purpose.error(
            f"{path}: cannot be read as {encoding!r} ({error}): correct "
            f"{purpose.encoding_key}, or set it to null to have it guessed"
        ) from error


def _strictly(path: str | Path, purpose: Purpose, data: bytes, encoding: str) -> str:
    if encoding == "utf-8-sig":
        return _utf8(path, purpose, data.removeprefix(codecs.BOM_UTF8))
    try:
        return data.decode(encoding)
    except UnicodeError as error:
        raise purpose.error(
            f"{path}: is damaged {encoding.upper()} text ({error}): save it again, as UTF-8"
        ) from error


def _utf8(path: str | Path, purpose: Purpose, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # Many characters of UTF-8 and a few bytes that are none: damage, not another encoding.
        text = data.decode("utf-8", errors="replace")
        wrong = text.count("\ufffd")
        if sum(letter > "\x7f" for letter in text) - wrong <= 2 * wrong:
            return _guessed(path, purpose, data)
        row = data[: error.start].count(b"\n") + 1
        notices.warn(
            f"{path} row {row}: {wrong} byte(s) are not UTF-8, unlike the rest of the file; read "
            "as \ufffd. Correct them and save the file as UTF-8"
        )
        return text


def _guessed(path: str | Path, purpose: Purpose, data: bytes) -> str:
    from charset_normalizer import from_bytes

    mend = f"set {purpose.encoding_key}" if purpose.encoding_key else "save it as UTF-8"
    telling = b"\n".join(line for line in re.split(b"[\r\n]+", data) if not line.isascii())
    matches = from_bytes(telling[:GUESSED_BYTES], cp_exclusion=[*NOT_GUESSED])
    best = matches.best()
    if best is None:
        named = f", or name the encoding in {purpose.encoding_key}" if purpose.encoding_key else ""
        raise purpose.error(f"{path}: its text encoding cannot be told: save it as UTF-8{named}")
    alike = [m for m in matches if m.chaos <= best.chaos and m.coherence >= best.coherence]
    fitting = {name for match in alike for name in match.could_be_from_charset}
    name = next((name for name in PREFERRED if name in fitting), best.encoding)
    if name.startswith(EAST_ASIAN) and not re.search(b"[\x80-\xff]{2}", telling):
        name = PREFERRED[0] if not re.search(b"[\x81\x8d\x8f\x90\x9d]", telling) else "latin_1"
    text = data.decode(name, errors="replace")
    if name in PREFERRED and len(OF_MAC.findall(text)) > len(re.findall("[À-ÿ]", text)):
        name = "mac_roman"
        text = data.decode(name)
    letter = re.search(r"[^\x00-\x7f]", text)
    # In a window: in a long text of one word the search would take its length squared.
    near = "" if letter is None else text[max(0, letter.start() - 40) : letter.end() + 40]
    word = re.search(r"\w*[^\x00-\x7f]\w*", near)
    example = f", {word[0][:40]!r} for one" if word else ""
    notices.warn(f"{path}: is not UTF-8; read as {name}{example}. If letters look wrong, {mend}")
    return text
