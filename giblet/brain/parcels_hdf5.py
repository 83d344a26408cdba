"""Parcel time courses in HDF5 files of other programs.

Such a file can name data outside itself (external links, external storage, virtual datasets):
none of it is followed, or a file from elsewhere could pull any file of this machine into a
study. What a file promises but does not hold is refused as well, since HDF5 reads it as zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from giblet import hdf5
from giblet.errors import BrainError

if TYPE_CHECKING:
    import h5py

MEND = "export it again"
ROWS = 256
MOST_OBJECTS = 10_000
# A day of volumes every 0.1 s, and twice the vertices of a fine surface.
MOST_VOLUMES = 1_000_000
MOST_PARCELS = 400_000
MOST_CHUNK_BYTES = 1 << 30


def read_labels(path: Path, wanted: str) -> tuple[str, int, tuple[str, ...]]:
    """Find the time courses in a file.

    Parameters
    ----------
    wanted : dataset of shape (volumes, parcels); "" takes the only one with two axes

    Returns
    -------
    dataset : its name
    n_volumes : number of its rows
    labels : names of its columns

    Raises
    ------
    BrainError
        If the file cannot be read, does not say which dataset is meant, or holds it elsewhere.
    """
    try:
        found: tuple[str, int, tuple[str, ...]] = hdf5.in_child(lambda: _found(path, wanted))
    except hdf5.Crashed as error:
        raise BrainError(
            f"{path}: damaged: the HDF5 library crashes or never ends while it reads its "
            f"structure: {MEND}"
        ) from error
    return found


def _found(path: Path, wanted: str) -> tuple[str, int, tuple[str, ...]]:
    with hdf5.opened(path, BrainError, MEND) as file:
        try:
            dataset = wanted or _only_one(file)
            found = _dataset(file, dataset)
            n_volumes, n_parcels = _shape(found, dataset)
            _refuse_elsewhere(file, found, dataset)
            if n_volumes:
                # Damage that the library does not survive is met here; any other is said with
                # its rows when they are read.
                with suppress(*hdf5.FOREIGN):
                    found[:: max(1, n_volumes - 1)]
            return dataset, n_volumes, _labels(file, found, dataset, n_parcels)
        except hdf5.FOREIGN as error:
            raise BrainError(f"{path}: {hdf5.reason(error)}: {MEND}") from error


def read_rows(
    path: str, dataset: str, first: int, count: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Rows ``first`` to ``first + count`` (exclusive), `ROWS` at a time, with their offsets."""
    with hdf5.opened(path, BrainError, MEND) as file:
        found = _dataset(file, dataset)
        _refuse_elsewhere(file, found, dataset)
        for offset in range(0, count, ROWS):
            rows = slice(first + offset, first + min(offset + ROWS, count))
            try:
                values = np.asarray(found[rows], dtype=np.float64)
            except hdf5.FOREIGN as error:
                raise BrainError(
                    f"{path}: dataset {dataset!r}, rows {rows.start + 1} to {rows.stop}: "
                    f"{hdf5.reason(error)}: {MEND}"
                ) from error
            yield offset, values


def _only_one(file: h5py.File) -> str:
    names, elsewhere = _two_axes(file)
    if len(names) == 1:
        return names[0]
    if elsewhere and not names:
        _refuse_link(file, *elsewhere[0])
    raise BrainError(
        f"{file.filename}: not one dataset of shape (volumes, parcels); with two axes it has "
        f"{', '.join(names[:10]) or 'none'}: set brain/parcels_dataset"
    )


def _two_axes(file: h5py.File) -> tuple[list[str], list[tuple[str, Any]]]:
    """Datasets of numbers with two axes, and links that lead elsewhere, by name.

    Walks hard links only, each object once: a group may hold itself.
    """
    import h5py

    found: list[str] = []
    elsewhere: list[tuple[str, Any]] = []
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", file)]
    while waiting:
        above, group = waiting.pop()
        for name in sorted(group):
            path = f"{above}{name}"
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                elsewhere += [(path, link)] if isinstance(link, h5py.ExternalLink) else []
                continue
            part = group[name]
            address = h5py.h5o.get_info(part.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > MOST_OBJECTS:
                raise BrainError(
                    f"{file.filename}: holds more than {MOST_OBJECTS:,} objects: export the "
                    "time courses of the parcels alone"
                )
            if isinstance(part, h5py.Group):
                waiting.append((f"{path}/", part))
            elif isinstance(part, h5py.Dataset) and part.ndim == 2 and _kind(part) in "iuf":
                found.append(path)
    return sorted(found), elsewhere


def _kind(found: h5py.Dataset) -> str:
    """Kind of a dataset's values as numpy names it, "?" for one that numpy cannot hold."""
    try:
        return str(found.dtype.kind)
    except hdf5.FOREIGN:
        return "?"


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Fetch a dataset by name, without leaving the file."""
    import h5py

    here: Any = file
    done = ""
    for step in name.split("/"):
        done = f"{done}/{step}".strip("/")
        link = here.get(step, getlink=True) if isinstance(here, h5py.Group) else None
        if link is None:
            names, _ = _two_axes(file)
            raise BrainError(
                f"{file.filename}: no dataset {name!r} with two axes of shape (volumes, "
                f"parcels); with two axes it has {', '.join(names[:10]) or 'none'}: set "
                "brain/parcels_dataset"
            )
        if not isinstance(link, h5py.HardLink):
            _refuse_link(file, done, link)
        here = here[step]
    if not isinstance(here, h5py.Dataset):
        raise BrainError(
            f"{file.filename}: {name!r} is a group, expected a dataset of shape (volumes, "
            "parcels): set brain/parcels_dataset"
        )
    return here


def _refuse_link(file: h5py.File, name: str, link: Any) -> None:
    outside = getattr(link, "filename", "")
    leads = f"{outside}:{link.path}" if outside else link.path
    raise BrainError(
        f"{file.filename}: {name!r} is a link to {leads}, which is not followed: copy the "
        "dataset into the file under this name"
        + ("" if outside else f", or set brain/parcels_dataset to {link.path.strip('/')!r}")
    )


def _refuse_elsewhere(file: h5py.File, found: h5py.Dataset, name: str) -> None:
    """Refuse values that lie outside the file, were never written, or cannot be unpacked."""
    import h5py

    where = f"{file.filename}: dataset {name!r}"
    if found.external is not None or found.is_virtual:
        raise BrainError(
            f"{where} keeps its values in other files, which are not read: export it into one file"
        )
    if found.chunks is not None:
        if prod(found.chunks) * found.dtype.itemsize > MOST_CHUNK_BYTES:
            raise BrainError(
                f"{where} is stored in chunks of {found.chunks}, more than 1 GiB each: export it "
                "with smaller chunks"
            )
        expected = prod(ceil(n / size) for n, size in zip(found.shape, found.chunks, strict=True))
        stored = found.id.get_num_chunks()
    else:
        expected, stored = int(found.size > 0), int(found.id.get_storage_size() > 0)
    if stored < expected:
        raise BrainError(
            f"{where}: {expected - stored:,} of its {expected:,} parts were never written: {MEND}"
        )
    made_with = found.id.get_create_plist()
    for number in range(made_with.get_nfilters()):
        code, _, _, named = made_with.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            raise BrainError(
                f"{where} is compressed with filter {code} ({named.decode('ascii', 'replace')}), "
                "which is not installed: save it with gzip"
            )


def _shape(found: h5py.Dataset, name: str) -> tuple[int, int]:
    where = f"{found.file.filename}: dataset {name!r}"
    if found.ndim != 2:
        raise BrainError(
            f"{where} has shape {found.shape}, expected (volumes, parcels): set "
            "brain/parcels_dataset to one with two axes"
        )
    if _kind(found) not in "iuf":
        raise BrainError(f"{where} holds {found.dtype}, expected real numbers: {MEND}")
    n_volumes, n_parcels = found.shape
    if n_volumes > MOST_VOLUMES or n_parcels > MOST_PARCELS:
        raise BrainError(
            f"{where} has shape {found.shape}; at most {MOST_VOLUMES:,} volumes of "
            f"{MOST_PARCELS:,} parcels are read: {MEND}"
        )
    return n_volumes, n_parcels


def _labels(file: h5py.File, found: h5py.Dataset, dataset: str, n_parcels: int) -> tuple[str, ...]:
    """Labels from the attribute or the dataset ``labels``; numbers where there is neither."""
    if "labels" in found.attrs:
        values, whose = found.attrs["labels"], f"attribute 'labels' of {dataset!r}"
    elif file.get("labels", getlink=True) is not None and dataset != "labels":
        stored, whose = _dataset(file, "labels"), "dataset 'labels'"
        if stored.size is not None and stored.size > MOST_PARCELS:
            raise BrainError(f"{file.filename}: {whose} has {stored.size:,} values: {MEND}")
        _refuse_elsewhere(file, stored, "labels")
        values = stored[()]
    else:
        return tuple(f"parcel-{number}" for number in range(1, n_parcels + 1))
    labels = np.asarray(values)
    single = (str, bytes, np.integer, np.floating)
    if labels.ndim != 1 or not all(isinstance(label, single) for label in labels):
        raise BrainError(
            f"{file.filename}: {whose} holds {labels.dtype} of shape {labels.shape}, expected "
            f"one text for each of {n_parcels} parcels: {MEND}"
        )
    if len(labels) != n_parcels:
        raise BrainError(
            f"{file.filename}: {len(labels)} labels for {n_parcels} parcels in {dataset!r}: give "
            "each parcel one label"
        )
    return tuple(_text(file, whose, number, label) for number, label in enumerate(labels, 1))


def _text(file: h5py.File, whose: str, number: int, label: Any) -> str:
    try:
        text = label.decode() if isinstance(label, bytes) else str(label)
        text.encode()
    except UnicodeError as error:
        raise BrainError(
            f"{file.filename}: {whose}: label {number} ({label!r}) is not UTF-8: {MEND}"
        ) from error
    return text.strip()
