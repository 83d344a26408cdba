"""Paths as people write them into tables and settings.

Checked while the workflow is planned: a path works, or the cell is named in which it stands. A
file that is not there may still be made by another rule, so that a missing one is refused only
where it can be said what was meant. Standard library only.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from giblet.errors import ConfigError

# Snakemake fills these in, in every path (and the first in every text) of a rule, and has no way
# to write them as they stand.
WILDCARD = re.compile(r"\{\s*\w+\s*(,[^{}]*(\{\d+(,\d+)?\}[^{}]*)*)?\}")
PATH_VARIABLE = re.compile(r"<[a-z][a-z0-9_]*>")
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
LONGEST_NAME, LONGEST_PATH = 255, 4095


def checked(
    text: str, where: str, family: type[ConfigError], *, folder: bool = False, glob: bool = False
) -> str:
    """A path that rules and libraries can use.

    Parameters
    ----------
    where : the table's row and column, or the setting, in which the path stands
    family : the error to raise
    folder : whether a folder is meant as well
    glob : whether ``*`` and ``?`` stand for other characters

    Returns
    -------
    str
        The path, without ``./`` and doubled slashes, which Snakemake complains of, and with
        its letters composed as the file's are.

    Raises
    ------
    ConfigError
        That of `family`, if the path cannot be used or is visibly not what was meant.
    """
    if problem := unusable(text):
        raise family(f"{where} is {text!r}, {problem}")
    if "//" in text:
        text = re.sub(r"(?<=.)/{2,}", "/", text)
    if text.startswith("./"):
        text = re.sub(r"^(\./)+(?=.)", "", text)
    if os.path.isdir(text) and not folder:
        raise family(f"{where} is {text!r}, a folder: name a file in it")
    if os.path.exists(text) or (glob and any(mark in text for mark in "*?")):
        return text
    if found := _as_it_is_spelt(text, _composed):
        return found
    if problem := _meant(text):
        raise family(f"{where} is {text!r}, {problem}")
    return text


def unusable(text: str) -> str:
    """What is wrong with a path whatever files there are; "" if nothing is."""
    hidden = ("Cc", "Zl", "Zp", "Cs")
    if not text.isprintable() and any(unicodedata.category(one) in hidden for one in text):
        return (
            "which holds a line break, a tab or another character that is not shown: rename the "
            "file, or correct the cell"
        )
    if found := WILDCARD.search(text) or PATH_VARIABLE.search(text):
        return (
            f"in which Snakemake fills in {found.group()}: rename the file or folder, or link it "
            "under a name without such brackets"
        )
    if ADDRESS.match(text):
        return "an address: download it and give the path of the file"
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        return "which cannot be a file name here: set the environment variable LC_ALL=C.UTF-8"
    longest = max(map(len, encoded.split(b"/")))
    if longest > LONGEST_NAME or len(encoded) > LONGEST_PATH:
        return (
            f"which has {len(encoded)} bytes, {longest} between two slashes; at most "
            f"{LONGEST_PATH} and {LONGEST_NAME} can be a path: correct it"
        )
    return ""


def _meant(text: str) -> str:
    """What was meant by a path that leads nowhere, as far as the files tell; "" if they do not."""
    if os.path.islink(text):
        return f"a link to {os.readlink(text)!r}, which is not there: link it anew"
    expanded = os.path.expanduser(os.path.expandvars(text))
    expanded = re.sub(r"%(\w+)%", lambda name: os.environ.get(name[1], name[0]), expanded)
    if expanded != text and os.path.exists(expanded):
        return f"but ~ and variables are not filled in: write {expanded!r}"
    if "\\" in text:
        there = text.replace("\\", "/")
        if os.path.exists(there):
            return f"but folders are separated by /: write {there!r}"
        if re.match(r"[A-Za-z]:\\|\\\\", text):
            return "a path of Windows: write it as this machine has it, with /"
    bare = text.strip("'\"")
    if bare != text and os.path.exists(bare):
        return f"with quotation marks as part of the name: write {bare!r}"
    for alike, how in ((str.strip, "spaces at an end"), (str.casefold, "capital letters")):
        if found := _as_it_is_spelt(text, alike):
            return f"which is not there, but {found!r} is; they differ in {how}: correct it"
    return ""


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _as_it_is_spelt(text: str, alike: Callable[[str], str]) -> str:
    """A path to a file that is there, whose folders and name are `alike`; "" without exactly one.

    Folders are looked into only where the path itself leads nowhere.
    """
    done = Path("/") if text.startswith("/") else Path()
    for name in Path(text).parts[done.is_absolute() :]:
        if not (done / name).exists():
            try:
                names = [one for one in os.listdir(done) if alike(one) == alike(name)]
            except OSError:
                return ""
            if len(names) != 1:
                return ""
            name = names[0]
        done = done / name
    return str(done) if done.exists() else ""


def without_wildcards(files: Iterable[str], where: str, family: type[ConfigError]) -> list[str]:
    """Paths found in a folder or by a pattern, which have to be usable as well."""
    found = list(files)
    for path in found:
        if problem := unusable(path):
            raise family(f"{where} finds {path!r}, {problem}")
    return found


def check_checkout(folder: str | Path) -> None:
    """Refuse a checkout from whose folder Snakemake cannot run scripts.

    Raises
    ------
    ConfigError
        If the folder's path has braces; studies may lie in such a folder all the same.
    """
    if set("{}") & set(str(folder)):
        raise ConfigError(
            f"giblet lies in {str(folder)!r}, and Snakemake takes the braces for a place to fill "
            "in: move the checkout to a folder without braces"
        )


def for_libav(path: str | Path) -> str:
    """A path that libav takes for a file, also one like ``scene:1.mp4`` or ``concat:a.mp4``."""
    return f"file:{path}"
