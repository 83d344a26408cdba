"""What a pretrained model's weights are, for the params of the rules that use them.

A model replaced under the same name must make what it made stale.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

CODECS = Path(__file__).resolve().parent / "codecs"
# Of larger files the size, the head and the tail tell one set of weights from another.
READ_WHOLE_BYTES = 64 << 20
PART_BYTES = 1 << 20


def weights_fingerprint(name: str) -> str:
    """Hash of the files of a packaged codec or a local folder.

    Parameters
    ----------
    name
        A packaged codec, a folder, or a hub id; a prefix such as ``hf:`` does not count.

    Returns
    -------
    str
        16 hexadecimal digits; empty for a hub id, which its revision tells apart.
    """
    name = name.partition(":")[2] or name
    folder = next(
        (path for path in (CODECS / name, Path(name).expanduser()) if path.is_dir()), None
    )
    if folder is None:
        return ""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".json", ".safetensors", ".txt"}:
            digest.update(path.name.encode())
            digest.update(_content(path))
    return digest.hexdigest()[:16]


def _content(path: Path) -> bytes:
    size = path.stat().st_size
    if size <= READ_WHOLE_BYTES:
        return path.read_bytes()
    with path.open("rb") as handle:
        head = handle.read(PART_BYTES)
        handle.seek(size - PART_BYTES)
        return str(size).encode() + head + handle.read()
