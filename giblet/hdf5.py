"""HDF5 files opened for reading: the one place that says why one cannot be.

A file that another program holds, or that lies on a disk without locks, is a good file:
nothing here advises to delete one for such a reason.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import pickle
import re
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from giblet.errors import GibletError

if TYPE_CHECKING:
    import h5py

# What h5py raises of a damaged file depends on which part is damaged.
FOREIGN = (
    *(OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError),
    *(MemoryError, OverflowError, NotImplementedError, SystemError),
)
CHILD_CPU_S = 5  # Reading the structure of the largest study takes tenths of a second.
HELD = (errno.EAGAIN, errno.EACCES, errno.EBUSY)
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EIO)
NOT_DAMAGED = {
    errno.EACCES: "give yourself permission to read it",
    errno.EPERM: "give yourself permission to read it",
    errno.EISDIR: "it is a folder, expected an HDF5 file",
    errno.EMFILE: "raise the limit of open files (ulimit -n) and run again",
    errno.ENFILE: "close other programs and run again",
    errno.EIO: "the disk failed to read it; check the disk and run again",
    errno.ESTALE: "the network disk lost it for a moment; run again",
    errno.ETIMEDOUT: "the network disk did not answer; run again",
    errno.ENOMEM: "free some memory and run again",
}
# In front of what HDF5 says; nothing of Python's own begins like this.
FROM_HDF5 = re.compile(r"['\"]?(Can't|Unable to|Not a |Error |Unspecified error|Invalid |Object )")


@contextmanager
def opened(path: str | Path, family: type[GibletError], mend: str) -> Iterator[h5py.File]:
    """Open an HDF5 file read-only; whatever HDF5 says of it becomes an error of the family.

    Parameters
    ----------
    family : raised instead of h5py's exceptions, also for those in the block that say that
        this file cannot be read
    mend : what to do about a damaged file

    Raises
    ------
    GibletError
        That of `family`, if the file is missing, held by another program, or damaged.
    """
    with open_file(path, family, mend) as file:
        try:
            yield file
        except FOREIGN as error:
            if isinstance(error, GibletError) or not _says_hdf5(error):
                raise
            raise family(f"{path}: {reason(error)}: {_missing_filter(error) or mend}") from error


def open_file(path: str | Path, family: type[GibletError], mend: str) -> h5py.File:
    """Open an HDF5 file read-only, also where locks are not supported (see :func:`opened`)."""
    import h5py

    # Registers the compression filters that files are commonly written with.
    import hdf5plugin  # noqa: F401

    try:
        return h5py.File(path, "r")
    except FOREIGN as error:
        failure: Exception = error
    if _about_locks(failure) and _errno(failure) in WITHOUT_LOCKS:
        try:
            return h5py.File(path, "r", locking=False)
        except FOREIGN as error:
            failure = error
    raise _refusal(path, failure, family, mend) from failure


class Crashed(Exception):
    """The HDF5 library crashed in a child process, or did not come to an end."""


def in_child(action: Callable[[], Any]) -> Any:
    """What an action returns, or the :class:`GibletError` that it raises, from a child process.

    Some damage makes the HDF5 library itself crash or go round in circles, which no exception
    tells. The child may use `CHILD_CPU_S` of processor time, however slow the disk is. Where
    processes cannot be forked safely the action is run here.

    Raises
    ------
    Crashed
        If the child did not end by itself.
    """
    if not sys.platform.startswith("linux"):
        return action()
    receiving, sending = os.pipe()
    with warnings.catch_warnings():
        # The child runs nothing but HDF5, so other threads' locks do not matter to it.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        with suppress(BaseException):
            _answer(action, sending)
        os._exit(0)
    os.close(sending)
    with open(receiving, "rb") as pipe:
        answer = pipe.read()
    if os.waitpid(child, 0)[1] or not answer:
        raise Crashed
    # Trusted: the bytes are what this module's own child pickled into a pipe that nobody else has;
    # nothing of the file is unpickled.
    value = pickle.loads(answer)
    if isinstance(value, GibletError):
        raise value
    return value


def _answer(action: Callable[[], Any], sending: int) -> None:
    # What a crash prints is said by the parent, in words.
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CHILD_CPU_S, CHILD_CPU_S))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        value = action()
    except GibletError as error:
        value = error
    with open(sending, "wb") as pipe:
        pickle.dump(value, pipe)


def _refusal(
    path: str | Path, error: Exception, family: type[GibletError], mend: str
) -> GibletError:
    code = _errno(error)
    if code == errno.ENOENT:
        return family(f"{path}: no such file")
    if _about_locks(error) and code in (*HELD, *WITHOUT_LOCKS, None):
        return family(
            f"{path}: another program has this HDF5 file open ({reason(error)}): close it there "
            "(a notebook, a viewer, a job that still writes it) and run again; the file is kept. "
            "If nothing has, its disk does not support locks: set the environment variable "
            "HDF5_USE_FILE_LOCKING=FALSE"
        )
    if code in NOT_DAMAGED:
        return family(f"{path}: cannot be opened ({reason(error)}): {NOT_DAMAGED[code]}")
    return family(f"{path}: not a readable HDF5 file ({reason(error)}): {mend}")


def reason(error: BaseException) -> str:
    """What HDF5 said, in one line."""
    said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(said.split()) or type(error).__name__


def _errno(error: Exception) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    told = re.search(r"errno = (\d+)", str(error))
    return int(told.group(1)) if told else None


def _about_locks(error: Exception) -> bool:
    return "lock file" in str(error)


def _says_hdf5(error: Exception) -> bool:
    return not isinstance(error, MemoryError) and bool(FROM_HDF5.match(str(error)))


def _missing_filter(error: Exception) -> str:
    """What to do about a compression that is not installed; "" if that is not the reason."""
    found = re.search(r"required filter '?([^']*)'? is not registered", str(error))
    if not found:
        return ""
    return f"its compression {found.group(1)!r} is not known here: save it with gzip"
