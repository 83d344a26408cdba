"""Where the processes of one training find each other: a key-value store of the first one.

Under ``torchrun`` its address is in the environment. Under ``srun`` nothing is: the first
process opens it on a free port and writes the address, atomically, into a file of a folder that
all of them see. The file's name holds the Slurm job, the step and what the launcher made up for
this start, so that one that a killed job left is never read.
"""

from __future__ import annotations

import json
import os
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from giblet.errors import TrainError
from giblet.store import replacing
from giblet.train.place import Place

if TYPE_CHECKING:
    from torch.distributed import Store

JOIN_S = 300.0
IN_USE = re.compile("address already in use|EADDRINUSE", re.IGNORECASE)


def meeting_file(folder: str | Path, start: str) -> Path:
    """File with the store's address for one start of a job."""
    job = ".".join(os.environ.get(name, "0") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    return Path(folder) / f".meeting-{job}-{start or 'by-hand'}.json"


def meet(place: Place, folder: str | Path, start: str = "", join_s: float = JOIN_S) -> Store:
    """Open the store and wait until every process has done so.

    Parameters
    ----------
    folder
        Seen by all processes.
    start
        What tells this start from an earlier one of the same job.
    join_s
        Seconds to wait for the others.

    Raises
    ------
    TrainError
        If the port is in use, or a process does not join in time.
    """
    path = meeting_file(folder, start)
    try:
        if place.master:
            store = _at_address(place, join_s)
        elif place.rank == 0:
            store = _opened(path, join_s)
        else:
            store = _found(path, join_s)
        store.set(f"giblet/here/{place.rank}", "1")
        _wait_for_all(store, place.world_size, join_s)
    finally:
        if place.rank == 0:
            path.unlink(missing_ok=True)
    return store


def _at_address(place: Place, join_s: float) -> Store:
    import torch.distributed as dist

    host, _, port = place.master.rpartition(":")
    # torchrun serves the store itself.
    serve = place.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    try:
        return dist.TCPStore(
            host,
            int(port),
            is_master=serve,
            timeout=timedelta(seconds=join_s),
            wait_for_workers=False,
        )
    except dist.DistError as error:
        if IN_USE.search(str(error)):
            raise TrainError(
                f"MASTER_PORT is {port}, which another program on {host} already uses: set it to "
                "a free one, or leave both MASTER_ADDR and MASTER_PORT unset under srun"
            ) from error
        raise TrainError(
            f"nobody answered at MASTER_ADDR={host} MASTER_PORT={port} within "
            f"{join_s:g} s: look for the message of rank 0, and whether a firewall is between"
        ) from error


def _opened(path: Path, join_s: float) -> Store:
    import torch.distributed as dist

    store = dist.TCPStore(
        os.uname().nodename,
        0,
        is_master=True,
        timeout=timedelta(seconds=join_s),
        wait_for_workers=False,
    )
    with replacing(path) as partial:
        partial.write_text(json.dumps({"host": store.host, "port": store.port}))
    return store


def _found(path: Path, join_s: float) -> Store:
    import torch.distributed as dist

    deadline = time.monotonic() + join_s
    while not path.exists():
        if time.monotonic() > deadline:
            raise TrainError(
                f"rank 0 did not write {path} within {join_s:g} s: look for its "
                "message, and whether both see that folder"
            )
        time.sleep(0.1)
        _refresh(path.parent)
    found = json.loads(path.read_text())
    try:
        return dist.TCPStore(
            found["host"],
            int(found["port"]),
            is_master=False,
            timeout=timedelta(seconds=join_s),
        )
    except dist.DistError as error:
        raise TrainError(
            f"rank 0 does not answer at {found['host']}:{found['port']}, which it "
            f"wrote into {path}: look for its message, and whether a firewall is between"
        ) from error


def _refresh(folder: Path) -> None:
    """Have a network file system look again; it may remember that a file is not there."""
    if folder.exists():
        os.listdir(folder)


def _wait_for_all(store: Store, n: int, join_s: float) -> None:
    import torch.distributed as dist

    keys = [f"giblet/here/{rank}" for rank in range(n)]
    try:
        store.wait(keys, timedelta(seconds=join_s))
    except dist.DistError as error:
        missing = [str(rank) for rank, key in enumerate(keys) if not _has(store, key)]
        raise TrainError(
            f"only {n - len(missing)} of {n} processes joined within {join_s:g} s, rank "
            f"{', '.join(missing)} did not: look for its message above, or ask for fewer processes"
        ) from error


def _has(store: Store, key: str) -> bool:
    try:
        return bool(store.check([key]))
    except RuntimeError:
        return False
