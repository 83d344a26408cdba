"""Mutated files read in worker processes, each file within limits of time, memory and size.

A worker that hangs or dies is itself an outcome; another one goes on with the next file.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import math
import os
import re
import resource
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any

from giblet import notices
from giblet.errors import GibletError, one_line
from tests.support.fuzz.kinds import Kind

# CPU time of one file, and what its reading may take in memory and write. Each good file
# needs less than a tenth of that.
CPU_S = 20
# For what waits without computing.
WALL_S = 120
MEMORY = 2**30
WRITTEN = 64 * 2**20
LONGEST = 1100
GOOD = ("read", "refused")
BAD = ("foreign", "hang", "crash", "unclear", "unread")
CONTEXT = get_context("fork")
Case = tuple[str, int]


@dataclass(frozen=True)
class Outcome:
    """What became of one mutated file.

    Attributes
    ----------
    what : ``read``; ``refused`` with a message that names it; ``unclear``, refused or warned of
        without its name, on several lines or at great length; ``foreign``, an exception that is
        not giblet's; ``hang``; ``crash``, by a signal or for lack of memory;
        ``unread``, a good file that is refused
    where : exception and the last line of giblet's that it passed
    message : what was said
    """

    kind: str
    number: int
    what: str
    where: str = ""
    message: str = ""
    seconds: float = 0.0


@dataclass
class Worker:
    """A process that reads files, and the one that it is at."""

    process: Any
    pipe: Any
    left: list[Case]
    stack: Path
    number: int
    since: float = field(default_factory=time.monotonic)


def judged(kind: Kind, number: int, file: Path, good: Path) -> Outcome:
    """Read one mutated file in this process."""
    start = time.process_time()
    with contextlib.ExitStack() as quiet:
        quiet.enter_context(contextlib.redirect_stdout(io.StringIO()))
        quiet.enter_context(contextlib.redirect_stderr(io.StringIO()))
        quiet.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        said = quiet.enter_context(notices.collected())
        what, where, message = "read", "", ""
        try:
            kind.read(file, good)
        except GibletError as error:
            what, where, message = "refused", _place(error), str(error)
            said = [*said, message]
        except MemoryError as error:
            what, where, message = "crash", _place(error), str(error)
        except Exception as error:
            what, where, message = "foreign", _place(error), str(error)
    if what in GOOD:
        unclear = [text for text in said if not _clear(kind, file, text)]
        if unclear:
            what, message = "unclear", unclear[0]
    return Outcome(kind.name, number, what, where, message, time.process_time() - start)


def _clear(kind: Kind, file: Path, message: str) -> bool:
    """Whether a message names the file and is one line of a length that is read."""
    if "File too large" in message:  # more was written than a file of this size can hold
        return False
    plain = message == one_line(message) and len(message) <= LONGEST
    return plain and kind.names(message, file)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/giblet/" in frame.filename]
    last = (own or frames)[-1]
    name = last.filename.rpartition("/giblet/")[2]
    return f"{type(error).__name__} at {name}:{last.lineno} {last.name}"


def make(kinds: Sequence[Kind], folder: Path) -> list[Outcome]:
    """Write the good files of all kinds, each into a folder of its own; those not read.

    In a process of its own, so that no library has threads when the workers are forked.
    """
    ours, theirs = CONTEXT.Pipe(duplex=False)

    def run() -> None:
        for kind in kinds:
            (folder / kind.name).mkdir(parents=True)
            with contextlib.redirect_stdout(io.StringIO()):
                kind.make(folder / kind.name)
        theirs.send([one for kind in kinds for one in _not_read(kind, folder / kind.name)])

    process = CONTEXT.Process(target=run)
    process.start()
    theirs.close()
    try:
        found: list[Outcome] = ours.recv()
    except EOFError as error:
        raise RuntimeError("the good files could not be made") from error
    process.join()
    return found


def _not_read(kind: Kind, good: Path) -> Iterator[Outcome]:
    for base in sorted(good.glob("good*")):
        file = good / "copy" / f"fuzzed{base.name.removeprefix('good')}"
        file.parent.mkdir()
        shutil.copy(base, file)
        found = judged(kind, -1, file, good)
        if found.what != "read":
            yield replace(found, what="unread", where=f"{base.name}: {found.where}")
        shutil.rmtree(file.parent)


def outcomes(kinds: Sequence[Kind], cases: Sequence[Case], n_workers: int = 2) -> Iterator[Outcome]:
    """Read all mutated files; outcomes come as they are known."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        yield from make(kinds, folder / "good")
        by_name = {kind.name: kind for kind in kinds}
        parts = [list(cases[start::n_workers]) for start in range(n_workers)]
        workers = [_start(by_name, part, folder, n) for n, part in enumerate(parts) if part]
        while workers:
            ready = connection.wait([one.pipe for one in workers], timeout=1)
            for one in [one for one in workers if one.pipe in ready]:
                try:
                    heard = one.pipe.recv()
                    if isinstance(heard, str):
                        raise RuntimeError(heard)
                    yield heard
                    one.left.pop(0)
                    one.since = time.monotonic()
                except EOFError:
                    one.process.join()
                    workers.remove(one)
                    if one.left:
                        yield _died(one)
                    if one.left:
                        workers.append(_start(by_name, one.left, folder, one.number))
            for one in workers:
                if time.monotonic() - one.since > WALL_S:
                    one.process.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(kinds: Mapping[str, Kind], cases: list[Case], folder: Path, number: int) -> Worker:
    ours, theirs = CONTEXT.Pipe(duplex=False)
    stack = folder / f"stack-{number}"
    arguments = (kinds, cases, folder, folder / f"work-{number}", stack, theirs)
    process = CONTEXT.Process(target=_work, args=arguments, daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours, list(cases), stack, number)


def _died(worker: Worker) -> Outcome:
    """Outcome of the file that a worker died of."""
    kind, number = worker.left.pop(0)
    code = worker.process.exitcode
    hang = code in (-signal.SIGXCPU, -signal.SIGKILL)
    stack = worker.stack.read_text() if worker.stack.exists() else ""
    lines = re.findall(r'File "[^"]*/(giblet/[^"]*)", line (\d+) in (\S+)', stack)
    where = f"{lines[0][0]}:{lines[0][1]} {lines[0][2]}" if lines else ""
    name = signal.Signals(-code).name if code < 0 else f"exit {code}"
    return Outcome(kind, number, "hang" if hang else "crash", f"{name} at {where}", stack[:2000])


def _work(
    kinds: Mapping[str, Kind],
    cases: Sequence[Case],
    folder: Path,
    scratch: Path,
    stack: Path,
    pipe: Any,
) -> None:
    """Read some files, one after the other, and send what became of them."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with stack.open("w") as dump:
        faulthandler.enable(dump, all_threads=False)
        faulthandler.register(signal.SIGXCPU, dump, all_threads=False, chain=True)
        for name, number in cases:
            kind, good = kinds[name], folder / "good" / name
            _limit()
            try:
                file = kind.mutated(number, good, scratch)
            except Exception:
                pipe.send(f"mutation {name}:{number}: {traceback.format_exc()}")
                return
            _limit()
            pipe.send(judged(kind, number, file, good))


def _limit() -> None:
    """Allow this process so much more time and memory than it has used by now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = math.ceil(used.ru_utime + used.ru_stime) + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, resource.RLIM_INFINITY))
    status = Path("/proc/self/status").read_text()
    held = re.search(r"VmData:\s+(\d+) kB", status)
    if held is not None:
        data = int(held[1]) * 1024 + MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (data, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN, resource.RLIM_INFINITY))


def alone(kind: Kind, number: int, folder: Path) -> tuple[Path, Outcome]:
    """Write and read one mutated file in this process, without limits; to look into it."""
    good = folder / "good" / kind.name
    if not good.exists():
        make([kind], folder / "good")
    file = kind.mutated(number, good, folder / f"{kind.name}-{number}")
    return file, judged(kind, number, file, good)
