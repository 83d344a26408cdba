"""The processes of one training as one: sums over them, and what the first tells the others.

:data:`ALONE` is the group of a single process, for which all of this is trivial, so that the
training loop is the same for one and for many.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from giblet.errors import TrainError
from giblet.train.meeting import JOIN_S, meet
from giblet.train.place import Place, host_name

if TYPE_CHECKING:
    from torch.distributed import Store

T = TypeVar("T")
# What the others wait for the first to do may take hours (the ridge start of a large study).
LONG = timedelta(days=7)
# A collective that takes longer than this has lost a process.
COLLECTIVE = timedelta(minutes=30)


class Workers:
    """The group as one process sees it.

    Parameters
    ----------
    place
        Which of them it is.
    device
        Where it computes.
    store
        Where they meet; None for a single process.
    """

    def __init__(
        self,
        place: Place | None = None,
        device: torch.device | str = "cpu",
        store: Store | None = None,
    ) -> None:
        self.place, self.device, self.store = place or Place(), torch.device(device), store
        self._told = 0

    @property
    def rank(self) -> int:
        return self.place.rank

    @property
    def world_size(self) -> int:
        return self.place.world_size

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    @property
    def many(self) -> bool:
        return self.world_size > 1

    def share(self, n: int) -> range:
        """Which of `n` things are this process's: consecutive ones, evenly many."""
        return range(self.rank * n // self.world_size, (self.rank + 1) * n // self.world_size)

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sum of each of several numbers over all processes, in double precision."""
        if not self.many:
            return [float(value) for value in values]
        import torch.distributed as dist

        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        found: list[float] = total.tolist()
        return found

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Put the first process's values into everybody's tensors."""
        if self.many:
            import torch.distributed as dist

            for tensor in tensors:
                held = tensor.detach()
                dense = held.contiguous()
                dist.broadcast(dense, 0)
                if dense.data_ptr() != held.data_ptr():
                    held.copy_(dense)

    def told(self, make: Callable[[], T]) -> T:
        """What the first process makes of `make`, a value that JSON can hold.

        The others wait for it, however long it takes.
        """
        if self.store is None:
            return make()
        self._told += 1
        key = f"giblet/told/{self._told}"
        if self.is_first:
            made = make()
            self.store.set(key, json.dumps(made))
            return made
        self.store.wait([key], LONG)
        found: T = json.loads(self.store.get(key))
        return found

    def wait(self) -> None:
        """Go on when every process has come here."""
        self.sum([0.0])


ALONE = Workers()


def pick_device(name: str, place: Place | None = None, gpus: int = 0) -> torch.device:
    """Device that a process trains on.

    Parameters
    ----------
    name
        ``auto`` takes a GPU when there is one. Of several processes each takes its own.
    gpus
        GPUs that the job asked for; with some, ``auto`` does not fall back to the CPU.

    Raises
    ------
    TrainError
        If a GPU is asked for and none is visible, or there are fewer than processes.
    """
    place = place or Place()
    asked = f"train/device is {name!r}" if name.startswith("cuda") else ""
    if name == "auto" and gpus:
        asked = f"the job asked for {gpus} GPU{'s' if gpus > 1 else ''} (train/device is auto)"
    if asked and not torch.cuda.is_available():
        raise TrainError(
            f"{asked}, but torch {torch.__version__} sees no GPU on {host_name()}: set it to auto "
            "or cpu, or run where there is one"
            + (" (or give train/device: cpu to train without)" if name == "auto" else "")
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name != "cuda" or place.world_size == 1:
        if name.startswith("cuda:") and place.world_size > 1:
            raise TrainError(
                f"train/device is {name!r}, one GPU for {place.world_size} processes: set it to "
                "auto or cuda, and each takes its own"
            )
        return torch.device(name)
    return torch.device("cuda", gpu_number(place, torch.cuda.device_count()))


def gpu_number(place: Place, visible: int) -> int:
    """Which of the visible GPUs is a process's own.

    Slurm may show each process one GPU, its own.
    """
    if visible == 1:
        return 0
    if place.local_rank >= visible:
        raise TrainError(
            f"rank {place.rank} is process {place.local_rank + 1} on its machine, which has "
            f"{visible} GPUs: ask for as many GPUs as processes (resources gpu and tasks)"
        )
    return place.local_rank


def refuse_shared_gpus(names: Sequence[str]) -> None:
    """Refuse two processes on one GPU; `names` of the GPUs by rank.

    Raises
    ------
    TrainError
        Naming both processes and the GPU.
    """
    for rank, name in enumerate(names):
        first = names.index(name)
        if first != rank:
            raise TrainError(
                f"ranks {first} and {rank} have one and the same GPU ({name}): ask for as many "
                "GPUs as processes (resources gpu and tasks)"
            )


@contextmanager
def workers(
    place: Place,
    folder: str | Path,
    *,
    device: str,
    gpus: int = 0,
    start: str = "",
    join_s: float = JOIN_S,
) -> Iterator[Workers]:
    """Bring the processes of a training together, and part when the block is done.

    Parameters
    ----------
    folder, start, join_s
        See :func:`giblet.train.meeting.meet`.
    device, gpus
        See :func:`pick_device`.
    """
    own = pick_device(device, place, gpus)
    if place.world_size == 1:
        yield Workers(place, own)
        return
    import torch.distributed as dist

    store = meet(place, folder, start, join_s)
    if own.type == "cuda":
        torch.cuda.set_device(own)
        _own_gpu(store, place, own, join_s)
    dist.init_process_group(
        "nccl" if own.type == "cuda" else "gloo",
        store=dist.PrefixStore("giblet/group", store),
        rank=place.rank,
        world_size=place.world_size,
        timeout=COLLECTIVE,
        device_id=own if own.type == "cuda" else None,
    )
    yield Workers(place, own, store)
    dist.destroy_process_group()


def _own_gpu(store: Store, place: Place, device: torch.device, join_s: float) -> None:
    name = f"{host_name()}: {torch.cuda.get_device_properties(device).uuid}"
    store.set(f"giblet/gpu/{place.rank}", name)
    keys = [f"giblet/gpu/{rank}" for rank in range(place.world_size)]
    store.wait(keys, timedelta(seconds=join_s))
    refuse_shared_gpus([store.get(key).decode() for key in keys])
