"""What every workflow script shares: log file, threads, provenance, error text.

A script is ``with job(snakemake) as j: library_call(j.input.x, j.output.y, **settings)``.
The `snakemake` object is only looked at, never imported, so the library stays usable
without Snakemake.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from giblet.errors import GibletError
from giblet.notices import collected, warn
from giblet.stamps import edited, write_stamp

# What shells say of a command that Ctrl-C ended.
INTERRUPTED = 130
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def job(snakemake: Any) -> Iterator[Any]:
    """Run the body as one workflow job.

    Standard output and error go to the rule's log. A :class:`GibletError` ends the job with
    its message alone, on the terminal and in the log, and so does Ctrl-C; any other exception
    keeps its traceback. Libraries must be imported inside the block, after the threads are set.

    The job's params are passed on to :mod:`giblet.store`, which writes them into what it
    makes, and stamped beside the results when the body succeeds (see :mod:`giblet.stamps`),
    with what the job said of its inputs (:mod:`giblet.notices`).
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(snakemake.threads)
    # Spinning OpenMP threads starve the other jobs of a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    params = dict(snakemake.params.items())
    code = params.pop("code", "")
    os.environ["GIBLET_PROVENANCE"] = json.dumps({"params": params, "code": code}, default=str)
    stop_with_main_process()
    log = Path(str(snakemake.log[0])) if len(snakemake.log) else None
    terminal = sys.stderr
    try:
        with _logging_to(log), collected() as notices:
            for message in edited(getattr(snakemake, "input", ())):
                warn(message)
            yield snakemake
            if len(snakemake.output):
                recorded = {**params, "code": code}
                write_stamp(
                    snakemake.output[0], snakemake.rule, recorded, notices, snakemake.output
                )
    except KeyboardInterrupt:
        _say(snakemake.rule, "interrupted", log, terminal)
        sys.exit(INTERRUPTED)
    except GibletError as error:
        _say(snakemake.rule, f"{type(error).__name__}: {error}", log, terminal)
        sys.exit(error.exit_status)
    except Exception:
        if log is not None:
            with log.open("a") as handle:
                traceback.print_exc(file=handle)
        raise


def _say(rule: str, message: str, log: Path | None, terminal: TextIO) -> None:
    print(f"\nrule {rule}: {message}\n", file=terminal)
    if log is not None:
        with log.open("a") as handle:
            print(message, file=handle)


def stop_with_main_process(poll_s: float = 0.5) -> None:
    """End this process when the Snakemake that started it on this machine is killed.

    An orphan would go on writing what the next run also writes. The workflow calls this for the
    Snakemake of a job, and the job's script again: either may start just before the kill, and
    ends at once when it finds nobody. Jobs that a cluster started belong to the cluster and are
    left alone.
    """
    host, _, pid = os.environ.get("GIBLET_MAIN_PROCESS", "").rpartition(":")
    if host != os.uname().nodename or "SLURM_JOB_ID" in os.environ:
        return

    def watch() -> None:
        while Path(f"/proc/{pid}").exists():
            time.sleep(poll_s)
        os._exit(1)

    if Path("/proc/self").exists():
        threading.Thread(target=watch, daemon=True).start()


def stop_with_parent(poll_s: float = 1.0) -> None:
    """End this process when the one that started it is gone, which a killed one cannot ask for."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(poll_s)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _logging_to(log: Path | None) -> Iterator[None]:
    if log is None:
        yield
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", buffering=1) as handle, redirect_stdout(handle), redirect_stderr(handle):
        yield
