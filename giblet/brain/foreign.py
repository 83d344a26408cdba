"""What a file is that should be an image and is none.

A download that ended in an error page, a pointer that Git LFS or git-annex left, a surface, a
DICOM file: saying which saves the search that "not an image" would begin.
"""

from __future__ import annotations

import re
from pathlib import Path

from giblet.errors import BrainError

GZIP, BZIP2, ZSTD = b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd"
SURFACES = re.compile(
    r"\.(gii|annot|stc|[dp](tseries|scalar|label|conn)\.nii)(\.gz)?$", re.IGNORECASE
)
# First bytes, what begins with them, and what to do.
SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a pointer that Git LFS left", "run git lfs pull"),
    (b"/annex/objects/", "a pointer that git-annex left", "run datalad get or git annex get"),
    (b"PK\x03\x04", "a zip archive", "unpack it and name the image in it"),
    (b"\xfd7zXZ", "compressed by xz", "unpack it (xz -d), or compress it with gzip"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it and name the image in it"),
    (b"\x89HDF\r\n", "an HDF5 file", "if it holds parcels, set brain/kind: parcels"),
    (b"MATLAB 5", "a MATLAB file", "export the volumes as NIfTI"),
    (b"%PDF", "a PDF document", "download the image again"),
    (GZIP, "compressed twice", "unpack it once (gzip -d)"),
)
MARKUP = re.compile(rb"<(!doctype\s+html|html|head|\?xml|error)", re.I)


def require_there(file: str) -> None:
    """Refuse a file that is not there, is a folder, is empty, or holds a surface by its name.

    Raises
    ------
    BrainError
    """
    path = Path(file)
    if path.is_symlink() and not path.exists():
        raise BrainError(
            f"{file}: is a link to {path.readlink()}, which is not there: correct the link, or "
            "fetch the data first (datalad get, git annex get)"
        )
    if not path.exists():
        raise BrainError(f"{file}: no such file: correct the path in the table or configuration")
    if path.is_dir():
        raise BrainError(f"{file}: is a folder without .nii files: name an image")
    if SURFACES.search(path.name):
        raise BrainError(surface(file))
    if path.stat().st_size == 0:
        raise BrainError(f"{file}: is empty (0 bytes): copy it again")


def surface(file: str) -> str:
    """Message for a file of surface data."""
    return (
        f"{file}: a surface file (GIFTI, CIFTI or FreeSurfer), giblet reads volumes or parcels: "
        "name the volume (.nii.gz), or write its parcels into a table and set brain/kind: parcels"
    )


def what_it_is(block: bytes) -> tuple[str, str] | None:
    """Say what a file is by its first (unpacked) bytes, and what to do; None if unknown."""
    for signature, what, fix in SIGNATURES:
        if block.startswith(signature):
            return what, fix
    if block[128:132] == b"DICM":
        return "a DICOM file", "convert the series with dcm2niix"
    start = block.lstrip(b"\xef\xbb\xbf \t\r\n")[:200]
    if MARKUP.match(start):
        return "a web page or XML, as failed downloads leave it", "download it again"
    if start[:1] in (b"{", b"[") and _is_text(block):
        return "a JSON file", "name the image that lies beside it"
    if block and not block.strip(b"\0"):
        return "nothing but zeros", "copy it again"
    if _is_text(block):
        return (
            f"a text that begins with {start[:40].decode('utf-8', 'replace')!r}",
            "export it again",
        )
    return None


def _is_text(block: bytes) -> bool:
    return bool(block) and not re.search(rb"[\x00-\x08\x0e-\x1f]", block[:512])
