"""Which format a file is in and how it is packed, by its first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import os
from typing import IO, Any

from giblet.brain import foreign
from giblet.errors import BrainError

# Deflate packs at most 1,032 bytes into one.
DEFLATE_RATIO = 1032
# What nibabel looks at to tell formats apart; a NIfTI-2 header has 540.
SNIFFED = 1024
OF_ANOTHER_KIND = (".head", ".par", ".mnc")


def capacity(file: str, stream: IO[bytes]) -> int | None:
    """Bytes that the unpacked file can have at most; None if its packing sets no bound."""
    if isinstance(stream, gzip.GzipFile):
        return os.path.getsize(file) * DEFLATE_RATIO
    return os.path.getsize(file) if isinstance(stream, io.BufferedReader) else None


def unpacked(file: str) -> IO[bytes]:
    """The unpacked bytes of a file; how it is packed is seen from its first bytes."""
    with open(file, "rb") as handle:
        start = handle.read(4)
    if start.startswith(foreign.GZIP):
        return gzip.GzipFile(file, "rb")  # type: ignore[return-value]
    if start.startswith(foreign.BZIP2):
        return bz2.BZ2File(file, "rb")  # type: ignore[return-value]
    if start.startswith(foreign.ZSTD):
        from nibabel.openers import ImageOpener

        return ImageOpener(file, "rb")  # type: ignore[return-value]
    return open(file, "rb")


def first_bytes(file: str, stream: IO[bytes]) -> bytes:
    """The first unpacked bytes of a file, which is refused if they are those of no image."""
    block = stream.read(SNIFFED)
    stream.seek(0)
    # AFNI's and Philips' headers are texts, MINC is HDF5.
    found = None if file.lower().endswith(OF_ANOTHER_KIND) else foreign.what_it_is(block)
    if found:
        what, fix = found
        raise BrainError(f"{file}: not a readable NIfTI image (it is {what}): {fix}")
    return block


def class_of(file: str, block: bytes) -> tuple[Any, bytes]:
    """nibabel's class for a file, and the first bytes of its header."""
    import nibabel

    sniff: Any = (block, file)
    for kind in nibabel.all_image_classes:
        fits, sniff = kind.path_maybe_image(file, sniff)
        if not fits:
            continue
        if kind in (nibabel.Cifti2Image, nibabel.GiftiImage):
            raise BrainError(foreign.surface(file))
        if issubclass(kind, nibabel.Minc1Image):
            # Of which the time may be any axis.
            raise BrainError(f"{file}: a MINC file: convert it to NIfTI (mnc2nii)")
        return kind, sniff[0] if sniff else block
    raise BrainError(
        f"{file}: not a readable NIfTI image (no format that nibabel knows): export it again"
    )
