"""Which files one scan is made of: one file, or a series of volumes in files of their own.

Standard library only, since the rules call it while the workflow is planned.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path

SUFFIXES = (".nii", ".nii.gz")


def series_files(bold: str | Path) -> list[str]:
    """Files behind the ``bold`` cell of the scans table, in the order of their numbers.

    Parameters
    ----------
    bold
        A file; a folder, whose ``.nii`` and ``.nii.gz`` files are meant; or a pattern with
        ``*`` or ``?``.

    Returns
    -------
    list of str
        ``vol_2.nii`` stands before ``vol_10.nii``. A path that matches nothing is given back
        as it is, so that whoever opens it names it in the error.
    """
    text = str(bold)
    if Path(text).is_dir():
        found = [str(path) for path in Path(text).iterdir() if path.name.endswith(SUFFIXES)]
    elif Path(text).exists() or not any(mark in text for mark in "*?"):
        found = [text]
    else:
        found = glob.glob(text)
    return sorted(found, key=_by_number) or [text]


def _by_number(path: str) -> list[tuple[int, str]]:
    """Sort key that reads runs of digits as numbers."""
    parts = re.split(r"(\d+)", path)
    return [(int(part), part) if part.isdigit() else (-1, part) for part in parts]
