"""What a host needs, held against what it has."""

from __future__ import annotations

from dataclasses import dataclass

from giblet.remote.runner import Answer

# The packages with a CUDA build of torch take about 6 GB; room to work comes on top.
INSTALLED_GB = 8
NEEDED_GB = 2
OK, MISSING, NOTE = "ok", "missing", "note"


@dataclass(frozen=True)
class Check:
    """One line of the list: `state` is ok, missing (setup stops) or note."""

    state: str
    text: str

    def __str__(self) -> str:
        return f"  {self.state:8}{self.text}"


def checks(answer: Answer, environment: str | None) -> list[Check]:
    """What ``probe.sh`` found, one line each.

    Parameters
    ----------
    answer
        Of ``probe.sh``.
    environment
        Folder of a ready environment on the host; None: one is made.
    """
    own = environment is None and not answer.get("environment_kept")
    return [
        *(_python(answer) if own else _ready_environment(answer, environment)),
        _tool(
            answer,
            "rsync",
            "the code travels by it: apt install rsync, or module load rsync",
        ),
        _scheduler(answer),
        _disk(answer, own),
        _gpus(answer),
    ]


def _tool(answer: Answer, name: str, how: str) -> Check:
    found = answer.get(name)
    return Check(OK, f"{name}: {found}") if found else Check(MISSING, f"{name}: {how}")


def _python(answer: Answer) -> list[Check]:
    version = answer.get("python_version")
    if found := answer.get("python"):
        python = Check(OK, f"python {version}: {found}")
    else:
        has = f"the newest found is {version}" if version else "none was found"
        python = Check(
            MISSING,
            f"python 3.11 or newer with venv: {has}. Name one with --python FILE, load a module "
            "with --before 'module load python/3.11', apt install python3.11-venv, or give a ready "
            "environment with --environment FOLDER",
        )
    how = "apt install make, or give a ready environment with --environment FOLDER"
    return [python, _tool(answer, "make", how)]


def _ready_environment(answer: Answer, environment: str | None) -> list[Check]:
    if environment is None:
        return [Check(OK, f"environment: {answer.get('environment_kept')}, as set up before")]
    version = answer.get("environment")
    if not version:
        return [
            Check(
                MISSING,
                f"environment {environment}: no bin/python runs there. Name the folder on the host "
                "that has it, for conda the one of `conda info --envs`",
            )
        ]
    if tuple(int(part) for part in version.split(".")[:2]) < (3, 11):
        return [
            Check(
                MISSING, f"environment {environment}: Python {version}, giblet needs 3.11 or newer"
            )
        ]
    return [Check(OK, f"environment {environment}: python {version}")]


def _scheduler(answer: Answer) -> Check:
    tmux, sbatch = answer.get("tmux"), answer.get("sbatch")
    if sbatch and tmux:
        return Check(OK, f"Slurm: {sbatch}; runs go through it, watched from {tmux}")
    if sbatch:
        return Check(OK, f"Slurm: {sbatch}; without tmux the run itself is a job, too")
    if tmux:
        return Check(OK, f"tmux: {tmux}; no Slurm, runs are on this machine")
    return Check(
        MISSING, "tmux: apt install tmux, or module load tmux; a run must outlive the login"
    )


def _disk(answer: Answer, own: bool) -> Check:
    if not answer.get("free_kb").isdigit():
        return Check(NOTE, "disk: free space is not known")
    free = int(answer.get("free_kb")) / 1e6
    needed = INSTALLED_GB + NEEDED_GB if own and not answer.get("ready") else NEEDED_GB
    if free < needed:
        return Check(
            MISSING,
            f"disk: {free:.1f} GB free, at least {needed} GB are needed: make room, or use "
            "--folder on another disk",
        )
    return Check(OK, f"disk: {free:,.0f} GB free")


def _gpus(answer: Answer) -> Check:
    found = answer.lines("gpus")
    if found:
        kinds = ", ".join(f"{found.count(each)} × {each}" for each in dict.fromkeys(found))
        return Check(OK, f"GPUs: {kinds}")
    where = "a login node need not have any" if answer.get("sbatch") else "training uses the CPU"
    return Check(NOTE, f"GPUs: nvidia-smi shows none; {where}")
