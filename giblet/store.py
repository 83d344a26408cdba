"""Caches on disk: HDF5 files that are either whole or absent.

A file is written under a temporary name in its own folder, flushed to disk, then renamed,
so that a killed job leaves nothing that looks finished. Readers say what they expect and
get a :class:`~giblet.errors.StoreError` that names both sides when it differs.

Root attributes of every file: ``stage``, ``run``, ``tr_s`` (numerator, denominator),
``units``, ``params`` (JSON), ``code`` (fingerprint of what wrote it), ``versions`` (JSON).
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from giblet.errors import StoreError
from giblet.timing import Exact, as_fraction

VERSIONED = ("giblet", "numpy", "h5py", "av", "nibabel", "nilearn", "torch", "transformers")


def provenance() -> dict[str, Any]:
    """Params and code fingerprint of the job that is running (see :mod:`giblet.jobs`)."""
    loaded: dict[str, Any] = json.loads(os.environ.get("GIBLET_PROVENANCE", "{}"))
    return loaded


def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that can change a result."""
    found = {}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed onto it when the block succeeds.

    The temporary name keeps the suffixes, so writers that go by them work.

    Raises
    ------
    StoreError
        If the folder cannot be written or the disk is full; nothing half-written stays.
    """
    path = Path(path)
    # Hidden, and told apart by process, so two attempts never write into one file.
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        _flush(partial)
        os.replace(partial, path)
    except OSError as error:
        raise _write_error(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def _write_error(path: Path, error: OSError) -> StoreError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
    if full:
        return StoreError(
            f"{path}: no space left on the disk while writing; nothing half-written was "
            "kept: free some space, or move results/ to a larger disk, and run again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            f"{path}: the folder cannot be written ({error.strerror}): give yourself write "
            "permission or choose another folder with snakemake --directory"
        )
    return StoreError(f"{path}: could not be written: {error}")


@contextmanager
def writing(
    path: str | Path,
    *,
    stage: str,
    run: str = "",
    tr_s: Exact | None = None,
    units: str = "",
) -> Iterator[h5py.File]:
    """Open a new HDF5 file for writing; it appears under its name only when complete."""
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        made_by = provenance()
        file.attrs["stage"] = stage
        file.attrs["run"] = run
        if tr_s is not None:
            exact = as_fraction(tr_s, "tr_s")
            file.attrs["tr_s"] = [exact.numerator, exact.denominator]
        file.attrs["units"] = units
        file.attrs["params"] = json.dumps(made_by.get("params", {}), sort_keys=True)
        file.attrs["code"] = made_by.get("code", "")
        file.attrs["versions"] = json.dumps(library_versions(), sort_keys=True)
        yield file


@contextmanager
def reading(
    path: str | Path, *, stage: str | None = None, tr_s: Exact | None = None
) -> Iterator[h5py.File]:
    """Open an HDF5 cache read-only after checking whose it is and its TR.

    Raises
    ------
    StoreError
        If the file is missing, not HDF5, of another stage, or of another TR.
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(f"{path}: no such file: run snakemake to make it")
    # hdf5plugin registers the compression filters that the files are written with.
    import hdf5plugin  # noqa: F401

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise StoreError(
            f"{path}: not a readable HDF5 file ({error}): delete it and run snakemake again"
        ) from error
    with file:
        found = file.attrs.get("stage")
        if stage is not None and found != stage:
            raise StoreError(f"{path}: holds stage {found!r}, expected {stage!r}")
        if tr_s is not None:
            check_tr(file, as_fraction(tr_s))
        yield file


def check_tr(file: h5py.File, tr_s: Exact) -> None:
    """Refuse a file that was made for another TR."""
    numerator, denominator = (int(part) for part in file.attrs["tr_s"])
    found = as_fraction(f"{numerator}/{denominator}")
    expected = as_fraction(tr_s)
    if found != expected:
        raise StoreError(
            f"{file.filename}: made for a TR of {float(found)} s, the study has "
            f"{float(expected)} s: delete it and run snakemake again"
        )


def dataset(
    group: h5py.Group,
    name: str,
    *,
    dtype: Any = None,
    shape: tuple[int | None, ...] | None = None,
) -> h5py.Dataset:
    """Fetch a dataset, checking that it is there with the dtype and shape expected.

    Parameters
    ----------
    shape
        Expected shape; None stands for any length.
    """
    where = f"{group.file.filename}:{group.name.rstrip('/')}/{name}"
    if name not in group:
        raise StoreError(f"{where}: missing; the file holds {sorted(group)}")
    found = group[name]
    if dtype is not None and found.dtype != np.dtype(dtype):
        raise StoreError(f"{where}: has dtype {found.dtype}, expected {np.dtype(dtype)}")
    if shape is not None:
        fits = len(shape) == found.ndim and all(
            want is None or want == have for want, have in zip(shape, found.shape, strict=True)
        )
        if not fits:
            raise StoreError(f"{where}: has shape {found.shape}, expected {shape}")
    return found


def image_compression() -> Mapping[str, Any]:
    """Keyword arguments for datasets of pictures: zstd, which keeps up with the loader."""
    import hdf5plugin

    return hdf5plugin.Zstd(clevel=3)
