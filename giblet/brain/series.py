"""Which files one scan is made of: one file, or a series of volumes in files of their own.

Standard library only, since the rules call it while the workflow is planned.
"""

from __future__ import annotations

import glob
import os
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from giblet.errors import BrainError

SUFFIXES = (".nii", ".nii.gz", ".nii.bz2", ".nii.zst", ".img", ".img.gz", ".mgz")
# A series has so many volumes, and so few files beside them, that these are taken for strays.
LEAST_SERIES = 3
MOST_STRAYS = 0.2
LISTED = 5


@dataclass(frozen=True)
class Series:
    """Files of a scan, in order.

    Attributes
    ----------
    files : their paths
    gaps : of files whose numbers leave some out, how many are missing before each
    notes : what is to be said of them
    """

    files: tuple[str, ...]
    gaps: tuple[int, ...]
    notes: tuple[str, ...] = ()


def series_files(bold: str | Path) -> list[str]:
    """Files behind the ``bold`` cell of the scans table, in the order of their numbers.

    Parameters
    ----------
    bold
        A file; a folder, whose images are meant (``.nii``, ``.nii.gz``, ``.img``, ``.mgz``,
        ...); or a pattern with ``*`` or ``?``. Hidden files are passed over: macOS leaves
        ``._vol_1.nii`` beside ``vol_1.nii``.

    Returns
    -------
    list of str
        ``vol_2.nii`` stands before ``vol_10.nii``. A path that matches nothing is given back
        as it is, so that whoever opens it names it in the error.
    """
    text = str(bold)
    # Not by Path, which raises what no file can be called.
    if os.path.isdir(text):
        found = [
            str(path)
            for path in Path(text).iterdir()
            if path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")
        ]
    elif os.path.exists(text) or not any(mark in text for mark in "*?"):
        found = [text]
    else:
        # Brackets are letters: they are common in names of folders.
        matching = glob.glob(text.replace("[", "[[]"))
        found = [path for path in matching if not Path(path).name.startswith(".")]
        # JSON files beside the volumes, and headers of pairs, are none of them.
        found = [path for path in found if path.lower().endswith(SUFFIXES)] or found
    return sorted(found, key=_by_number) or [text]


def brain_mask_beside(bold: str | Path) -> str | None:
    """fMRIPrep's brain mask beside a scan (``..._desc-brain_mask.nii.gz``); None without one."""
    path = Path(str(bold))
    stem = re.sub(r"(_desc-[^_]+)?_bold\.nii(\.gz)?$", "", path.name)
    if stem == path.name:
        return None
    for suffix in (".nii.gz", ".nii"):
        mask = path.with_name(f"{stem}_desc-brain_mask{suffix}")
        if mask.exists():
            return str(mask)
    return None


def brain_masks_beside(bolds: Sequence[str]) -> list[str]:
    """Brain masks beside some scans, of those that have one."""
    found = (brain_mask_beside(bold) for bold in bolds)
    return [mask for mask in found if mask is not None]


def arranged(files: Sequence[str]) -> Series:
    """Put the files of a series in order, without what is none of its volumes.

    The volumes are the files whose names differ in one number only. A few others, such as the
    mean image that SPM leaves, are left out with a note.

    Raises
    ------
    BrainError
        If the names do not tell which files are the volumes, or in which order.
    """
    if len(files) < 2:
        return Series(tuple(files), (0,) * len(files))
    volumes, notes = _volumes_among(list(files))
    numbers = {file: _numbers(file) for file in volumes}
    volumes = _without_doubles(volumes, numbers)
    if len(volumes) < 2:
        return Series(tuple(volumes), (0,) * len(volumes), tuple(notes))
    column = _counting_column(volumes, numbers)
    volumes.sort(key=lambda file: numbers[file])
    counted = [numbers[file][column] for file in volumes]
    return Series(tuple(volumes), _gaps(volumes, counted), tuple(notes))


def counted_by(files: Sequence[str]) -> str:
    """What stands before the number that tells the files of a series apart."""
    numbers = {file: _numbers(file) for file in files}
    return _texts(files[0])[_counting_column(list(files), numbers)]


def _volumes_among(files: list[str]) -> tuple[list[str], list[str]]:
    """The files that make the series, and what is to be said of the others."""
    groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for file in files:
        groups[_texts(file)].append(file)
    if len(groups) == 1:
        return files, []
    volumes = max(groups.values(), key=len)
    strays = [file for file in files if file not in set(volumes)]
    one_each = all(len(group) == 1 for group in groups.values() if group is not volumes)
    few = len(strays) <= max(1, MOST_STRAYS * len(volumes))
    folder = Path(files[0]).parent
    if len(volumes) < LEAST_SERIES or not (one_each and few):
        kinds = sorted(groups.values(), key=len, reverse=True)
        text = "; ".join(f"{len(kind)} like {Path(kind[0]).name}" for kind in kinds[:LISTED])
        raise BrainError(
            f"{folder}: holds files of {len(groups)} kinds of names ({text}), so that it is not "
            "clear which are the volumes of the scan: name them by a pattern, such as "
            f"'{_pattern(kinds[0])}', in column bold"
        )
    return volumes, [
        f"{folder}: {len(strays)} file(s) whose names differ from those of the {len(volumes)} "
        f"volumes are left out: {_listed(strays)}: name the volumes by a pattern, such as "
        f"'{_pattern(volumes)}', in column bold if that is not what you want"
    ]


def _without_doubles(files: list[str], numbers: dict[str, tuple[int, ...]]) -> list[str]:
    """The files without those that hold the same volume packed and unpacked."""
    kept: dict[tuple[int, ...], str] = {}
    for file in files:
        other = kept.setdefault(numbers[file], file)
        if other == file:
            continue
        plain, packed = sorted((file, other), key=lambda path: path.lower().endswith(".gz"))
        if not _same_bytes(plain, packed):
            raise BrainError(
                f"{file}: has the same number as {Path(other).name}: take one of them away, or "
                "name the volumes by a pattern in column bold"
            )
        kept[numbers[file]] = plain
    return list(kept.values())


def _same_bytes(plain: str, packed: str) -> bool:
    """Whether a compressed file says of itself that it holds the bytes of another."""
    if not packed.lower().endswith(".gz") or plain.lower().endswith(".gz"):
        return False
    data = Path(plain).read_bytes()
    trailer = Path(packed).read_bytes()[-8:]
    expected = zlib.crc32(data).to_bytes(4, "little") + (len(data) % 2**32).to_bytes(4, "little")
    return trailer == expected


def _counting_column(files: list[str], numbers: dict[str, tuple[int, ...]]) -> int:
    """Which of the numbers in the files' names counts the volumes."""
    rows = sorted(numbers[file] for file in files)
    varying = [k for k in range(len(rows[0])) if len({row[k] for row in rows}) > 1]
    together = all(all(before[k] < after[k] for before, after in pairwise(rows)) for k in varying)
    if not together:
        places = " and ".join(
            f"{min(row[k] for row in rows)} to {max(row[k] for row in rows)}" for k in varying
        )
        raise BrainError(
            f"{Path(files[0]).parent}: several numbers count in the names of the files "
            f"({places}), as of several series in one place: name the volumes of one by a "
            "pattern in column bold"
        )
    return min(varying, key=lambda k: rows[-1][k] - rows[0][k])


def _gaps(files: list[str], counted: list[int]) -> tuple[int, ...]:
    """How many files are missing before each, by the usual step of their numbers."""
    steps = [after - before for before, after in pairwise(counted)]
    step, times = min(Counter(steps).most_common(), key=lambda item: (-item[1], item[0]))
    # Times of the day and the like are no numbers of volumes.
    regular = len(files) >= LEAST_SERIES and 2 * times >= len(steps)
    if not regular or any(one % step for one in steps):
        return (0,) * len(files)
    gaps = (0, *(one // step - 1 for one in steps))
    if sum(gaps) > len(files):
        at = max(range(len(gaps)), key=lambda k: gaps[k])
        raise BrainError(
            f"{files[at]}: the numbers of the series jump from {counted[at - 1]} to {counted[at]}"
            f", with {len(files)} files in all: name the volumes of one scan by a pattern in "
            "column bold"
        )
    return gaps


def _pattern(files: Sequence[str]) -> str:
    """A pattern that matches the files: ``*`` for the numbers that differ in their names."""
    stem = _stem(files[0])
    name = Path(stem).name
    shown = re.findall(r"\d+", name)
    rows = [_numbers(file)[-len(shown) :] if shown else () for file in files]
    parts = re.split(r"\d+", name)
    text = parts[0]
    for k, (number, part) in enumerate(zip(shown, parts[1:], strict=True)):
        text += ("*" if len({row[k] for row in rows}) > 1 else number) + part
    return str(Path(stem).with_name(text)) + files[0][len(stem) :]


def _listed(files: Sequence[str]) -> str:
    names = ", ".join(Path(file).name for file in files[:LISTED])
    return names + (", ..." if len(files) > LISTED else "")


def _stem(path: str) -> str:
    suffix = next((one for one in SUFFIXES[::-1] if path.lower().endswith(one)), "")
    return path[: len(path) - len(suffix)]


def _texts(path: str) -> tuple[str, ...]:
    """What stands between the numbers of a path."""
    return tuple(re.split(r"\d+", _stem(path)))


def _numbers(path: str) -> tuple[int, ...]:
    """The numbers in a path."""
    return tuple(int(digits) for digits in re.findall(r"\d+", _stem(path)))


def _by_number(path: str) -> list[tuple[int, str]]:
    """Sort key that reads runs of digits as numbers."""
    parts = re.split(r"(\d+)", path)
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]
