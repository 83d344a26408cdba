"""Caches on disk: HDF5 files that are either whole or absent.

A file is written under a temporary name in its own folder, flushed to disk, then renamed,
so that a killed job leaves nothing that looks finished. Readers say what they expect and
get a :class:`~giblet.errors.StoreError` that names both sides when it differs.

Root attributes of every file: ``stage``, ``run``, ``tr_s`` (numerator, denominator),
``units``, ``params`` (JSON), ``code`` (fingerprint of what wrote it), ``versions`` (JSON).
Each file carries a digest of its content (:mod:`giblet.seals`), which readers check: arrays
that were written over it by hand are refused, unless :func:`changing` wrote them.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from giblet import hdf5, notices, seals
from giblet.errors import StoreError
from giblet.timing import Exact, as_fraction

MEND = "delete it and run snakemake again"
# Bytes up to which a digest costs next to nothing.
ALWAYS_CHECKED = 32 * 1024 * 1024
VERSIONED = ("giblet", "numpy", "h5py", "av", "nibabel", "nilearn", "torch", "transformers")


def provenance() -> dict[str, Any]:
    """Params and code fingerprint of the job that is running (see :mod:`giblet.jobs`)."""
    loaded: dict[str, Any] = json.loads(os.environ.get("GIBLET_PROVENANCE", "{}"))
    return loaded


def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that can change a result."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
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
    with replacing(path) as partial:
        with h5py.File(partial, "w", userblock_size=seals.BLOCK_BYTES) as file:
            _describe(file, stage, run, tr_s, units)
            yield file
        seals.seal(partial)


def _describe(file: h5py.File, stage: str, run: str, tr_s: Exact | None, units: str) -> None:
    """Set the root attributes that every cache has."""
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


@contextmanager
def changing(path: str | Path, why: str) -> Iterator[h5py.File]:
    """Change a finished cache by hand, for arrays of one's own; whole or not at all.

    Parameters
    ----------
    why : what is put in and where it comes from. Every job that reads the file warns of it,
        and so does the report.
    """
    with reading(path):
        pass
    with replacing(path) as partial:
        shutil.copyfile(path, partial)
        with h5py.File(partial, "r+") as file:
            file.attrs["by_hand"] = why
            yield file
        seals.seal(partial)


@contextmanager
def reading(
    path: str | Path,
    *,
    stage: str | None = None,
    tr_s: Exact | None = None,
    run: str | None = None,
    subject: str | None = None,
    content: bool = True,
) -> Iterator[h5py.File]:
    """Open an HDF5 cache read-only after checking whose it is, its TR and its content.

    Parameters
    ----------
    run, subject : whose the file has to be, as far as it says; None does not look
    content : False for readers of a few facts of a large file, which its other readers check

    Raises
    ------
    StoreError
        If the file is missing, not HDF5, held by another program, of another stage, run or
        TR, or not what was written.
    """
    if not Path(path).exists():
        raise StoreError(f"{path}: no such file: run snakemake to make it")
    whole = not (content or Path(path).stat().st_size < ALWAYS_CHECKED) or _is_whole(path)
    with hdf5.opened(path, StoreError, MEND) as file:
        try:
            _check(file, stage, tr_s, {"run": run, "subject": subject})
            wrong = "" if whole else seals.problem(file)
        except hdf5.FOREIGN as error:
            raise StoreError(
                f"{path}: not a readable HDF5 file ({hdf5.reason(error)}): {MEND}"
            ) from error
        if wrong:
            raise StoreError(
                f"{path}: {wrong}; the settings no longer say what made it: {MEND}, or put arrays "
                "of your own in with giblet.store.changing, which tells the report"
            )
        yield file


def _is_whole(path: str | Path) -> bool:
    """Whether a cache is as written; one that is not, and that HDF5 cannot survive, is refused."""
    try:
        if seals.is_whole(path):
            return True
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error

    def look() -> None:
        with hdf5.opened(path, StoreError, MEND) as file:
            seals.problem(file)

    try:
        hdf5.in_child(look)
    except hdf5.Crashed as error:
        raise StoreError(f"{path}: damaged: the HDF5 library cannot read it: {MEND}") from error
    except StoreError:
        pass  # The same is said when it is opened here.
    return False


def _check(
    file: h5py.File, stage: str | None, tr_s: Exact | None, whose: Mapping[str, str | None]
) -> None:
    # Every look at an attribute costs as much as opening a small file.
    attrs = file.attrs
    if stage is not None and (found := attrs.get("stage")) != stage:
        raise StoreError(f"{file.filename}: holds stage {found!r}, expected {stage!r}")
    for name, expected in whose.items():
        if expected is not None and (found := attrs.get(name) or expected) != expected:
            raise StoreError(
                f"{file.filename}: holds {name} {found!r}, expected {expected!r}: it was copied "
                f"under this name: {MEND}"
            )
    if tr_s is not None:
        check_tr(file, tr_s)
    if "by_hand" in attrs:
        notices.warn(
            f"{file.filename}: holds arrays that were put in by hand ({attrs['by_hand']}), not "
            f"those that the settings make; if they should not count, {MEND}"
        )


def check_tr(file: h5py.File, tr_s: Exact) -> None:
    """Refuse a file that was made for another TR."""
    try:
        found = Fraction(*(int(part) for part in file.attrs["tr_s"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise StoreError(f"{file.filename}: does not say its TR: {MEND}") from error
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


def measured_volumes(file: h5py.File) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Volumes of a cleaned run that are measurements, shape (n_trs,); all if it does not say."""
    n_trs = dataset(file, "bold", shape=(None, None)).shape[0]
    if "measured" not in file:
        return np.ones(n_trs, bool)
    return np.asarray(dataset(file, "measured", dtype=bool, shape=(n_trs,))[:])


def image_compression() -> Mapping[str, Any]:
    """Keyword arguments for datasets of pictures: zstd, which keeps up with the loader."""
    import hdf5plugin

    return hdf5plugin.Zstd(clevel=3)
