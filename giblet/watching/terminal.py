"""The state of a study on a terminal, of any width."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

from giblet.watching.state import JobState, StageState, Status, TrainingState

# Below this width a table of all counts does not fit.
WIDE = 76
MAX_JOBS = 20
MAX_FINISHED = 6
_COLOURS = {
    "done": "green", "finished": "green", "going": "cyan", "running": "cyan", "training": "cyan",
    "starting": "cyan", "queued": "yellow", "idle": "yellow", "stopped": "yellow",
    "silent": "yellow", "failed": "bold red", "killed": "bold red", "ended": "default",
}  # fmt: skip
_WORDS = {
    "done": "everything is done",
    "going": "running",
    "failed": "something failed",
    "idle": "work is left and nothing is running",
}


def show(status: Status, console: Any) -> None:
    """Print a status on a :class:`rich.console.Console`."""
    for part in _parts(status, console.width):
        console.print(part, highlight=False, soft_wrap=False)


def _parts(status: Status, width: int) -> Iterator[Any]:
    yield _line(("bold", status.dataset or "?"), ("", ": "), _word(status.state, _WORDS))
    yield _line(("dim", f"study  {status.chosen}"))
    if status.run is not None:
        yield from _run(status)
    for problem in status.problems:
        yield _line(("bold red", "! "), ("", problem))
    if status.stages:
        yield ""
        yield _stages(status.stages, width)
    yield from _jobs(status)
    yield from _gone(status)
    yield from _stale(status)
    yield from _trainings(status.training)
    yield from _places(status)


def _line(*parts: tuple[str, str]) -> Any:
    from rich.text import Text

    # Paths are folded where the line ends, not cut: they are there to be copied.
    return Text.assemble(*((text, style) for style, text in parts), overflow="fold")


def _word(state: str, words: dict[str, str] | None = None) -> tuple[str, str]:
    return _COLOURS.get(state, "default"), (words or {}).get(state, state)


def _run(status: Status) -> Iterator[Any]:
    run = status.run
    assert run is not None
    steps = "" if run.steps is None else f", {run.steps_done} of {run.steps} steps done"
    since = "" if run.started is None else f" {span(status.time - run.started)} ago"
    words = {"going": "snakemake runs", "ended": "snakemake ended", "killed": "snakemake is gone"}
    yield _line(
        ("dim", "run    "), _word(run.state, words), ("", f", started{since} on {run.host}{steps}")
    )


def _stages(stages: Iterable[StageState], width: int) -> Any:
    from rich.table import Table

    names = ("done", "left", "running", "queued", "failed", "stale", "gone")
    shown = [name for name in names if name in ("done", "left") or _any(stages, name)]
    # In a narrow window the columns that are empty go, and then the bar.
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("stage")
    if width >= WIDE:
        table.add_column("")
    for name in shown:
        table.add_column(name, justify="right")
    for stage in stages:
        cells = [stage.stage, *([_bar(stage)] if width >= WIDE else [])]
        table.add_row(*cells, *(_count(name, getattr(stage, name)) for name in shown))
    return table


def _any(stages: Iterable[StageState], name: str) -> bool:
    return any(getattr(stage, name) for stage in stages)


def _bar(stage: StageState, width: int = 16) -> Any:
    filled = width * stage.done // stage.total
    # Plain characters: a log or an old terminal shows them too.
    return _line(("green", "#" * filled), ("dim", "." * (width - filled)))


def _count(name: str, number: int) -> Any:
    colour = {"left": "default", "stale": "yellow", "gone": "bold red"}.get(name) or _COLOURS[name]
    return _line((colour if number else "dim", str(number)))


def _jobs(status: Status) -> Iterator[Any]:
    if status.jobs:
        yield ""
    # Those that failed are what somebody looks for: they stay when there are too many.
    kept = sorted(status.jobs, key=lambda job: job.state != "failed")[:MAX_JOBS]
    for job in status.jobs:
        if job in kept:
            yield from _job(job, status.folder)
    if len(status.jobs) > len(kept):
        yield _line(("dim", f"... and {len(status.jobs) - len(kept)} more, see --json"))


def _job(job: JobState, folder: str) -> Iterator[Any]:
    wildcards = "".join(f" {name}={value}" for name, value in job.wildcards.items())
    again = f"  attempt {job.attempt}" if job.attempt > 1 else ""
    time_s = "" if job.seconds is None else f"  {span(job.seconds)}"
    yield _line(_word(job.state), ("bold", f"  {job.rule}"), ("", f"{wildcards}{time_s}{again}"))
    if job.slurm_id is not None:
        said = " ".join(filter(None, [job.slurm_state, job.slurm_nodes, job.slurm_reason]))
        yield _line(("dim", "    Slurm  "), ("", f"{job.slurm_id}  {said}".rstrip()))
    if job.message:
        yield _line(("dim", "    why  "), ("", job.message))
    for path in [*job.logs, *([job.slurm_log] if job.slurm_log else [])]:
        yield _line(("dim", "    log  "), ("", path.removeprefix(f"{folder}/")))


def _gone(status: Status) -> Iterator[Any]:
    if not status.gone:
        return
    yield ""
    yield _line(
        ("bold red", "gone"), ("", ": made, and not there any more; snakemake would not notice")
    )
    for one in status.gone:
        more = f" and {len(one.paths) - 1} more" if len(one.paths) > 1 else ""
        yield _line(("", f"    {one.rule}"), ("dim", f"  {one.paths[0]}{more}"))
    rules = " ".join(one.rule for one in status.gone)
    yield _line(("dim", "    make again: "), ("", f"snakemake --forcerun {rules}"))


def _stale(status: Status) -> Iterator[Any]:
    if not status.stale:
        return
    yield ""
    yield _line(("yellow", "stale"), ("", ": made before something changed"))
    causes = [one for one in status.stale if not one.follows] or status.stale[:1]
    for one in causes:
        jobs = f" ({one.jobs} jobs)" if one.jobs > 1 else ""
        yield _line(("", f"    {one.rule}{jobs}"), ("dim", f"  {one.reason}"))
    if len(status.stale) > len(causes):
        yield _line(("dim", f"    and {len(status.stale) - len(causes)} rules that follow"))


def _trainings(trainings: list[TrainingState]) -> Iterator[Any]:
    finished = [one for one in trainings if one.state == "finished"]
    shown = [one for one in trainings if one.state != "finished"] + finished[:MAX_FINISHED]
    for one in shown:
        yield ""
        yield from _training(one)
    if len(finished) > MAX_FINISHED:
        yield _line(("dim", f"... and {len(finished) - MAX_FINISHED} finished, see --json"))


def _training(one: TrainingState) -> Iterator[Any]:
    state = f"silent for {span(one.silent_s or 0)}" if one.state == "silent" else one.state
    step = "" if one.step is None else f"  step {one.step} of {one.steps}"
    left = "" if one.eta_s is None or one.state != "training" else f", {span(one.eta_s)} left"
    yield _line(("bold", one.name), ("", "  "), (_COLOURS[one.state], state), ("", f"{step}{left}"))
    if one.loss is not None or one.val_loss is not None:
        yield _line(("dim", "    loss  "), ("", _losses(one)))
    if one.state in ("training", "silent", "starting"):
        yield _line(("dim", "    on  "), ("", _machine(one)))
    if one.message:
        yield _line(("dim", "    says  "), ("", one.message))


def _losses(one: TrainingState) -> str:
    floor = 1.0 if one.floor is None else one.floor
    parts = [
        "" if one.loss is None else f"{one.loss:.3f} of {floor:g} (nothing learnt)",
        "" if one.val_loss is None else f"validation {one.val_loss:.3f}",
        "" if one.best_loss is None else f"best {one.best_loss:.3f} at step {one.best_step}",
    ]
    return ", ".join(filter(None, parts))


def _machine(one: TrainingState) -> str:
    gpu = one.gpu_utilisation
    parts = [
        "" if one.trs_per_s is None else f"{one.trs_per_s:.3g} TRs/s",
        f"{one.device or 'unknown device'} x {one.world_size or 1}",
        "" if one.gpu_memory_gb is None else f"{one.gpu_memory_gb:.1f} GB of GPU memory",
        "" if gpu is None else f"GPU {gpu:.0f} % busy",
        "" if one.loading_share is None else f"{100 * one.loading_share:.0f} % of the time loading",
        "" if one.host is None else f"{one.host}, process {one.pid}",
        "" if one.slurm_job_id is None else f"Slurm job {one.slurm_job_id}",
    ]
    return ", ".join(filter(None, parts))


def _places(status: Status) -> Iterator[Any]:
    yield ""
    if status.disk is not None:
        free, total = size(status.disk.free_bytes), size(status.disk.total_bytes)
        used = size(status.disk.results_bytes)
        yield _line(("dim", "disk   "), ("", f"{free} of {total} free, results take {used}"))
    if status.checkpoint is not None:
        age = span(status.time - status.checkpoint.written)
        path = os.path.relpath(status.checkpoint.path, status.folder)
        yield _line(("dim", "last checkpoint   "), ("", f"{age} ago, {path}"))
    if status.tensorboard is not None:
        yield _line(("dim", "curves "), ("", status.tensorboard.command))
    if any(job.state == "failed" for job in status.jobs):
        yield _line(("dim", "see    "), ("", "giblet logs"))


def span(seconds: float) -> str:
    """A length of time for people: 42 s, 3:07 min, 2:05 h, 3 days 4 h."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    if whole < 86400:
        return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def size(n_bytes: float) -> str:
    """Bytes for people, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"


def clock(status: Status) -> str:
    """When a status was taken."""
    return time.strftime("%H:%M:%S", time.localtime(status.time))
