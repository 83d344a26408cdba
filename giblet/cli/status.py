"""What is done and what is left of the configured study, what runs or failed, how training goes.

Works while snakemake runs, from another terminal, and when nothing has ever run.
Exit status: 0 all is done or on its way, 3 something failed, 4 work is left and nothing runs,
1 the study cannot be looked at.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from giblet.watching.state import Status
    from giblet.watching.study import Study

HELP = "what is done, left, running and failed, and how training goes"
EXIT_STATUS = {"done": 0, "going": 0, "failed": 3, "idle": 4}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser."""
    add_study_arguments(parser)
    parser.add_argument("--json", action="store_true", help="for programs: docs/watching.md")
    parser.add_argument(
        "--watch",
        type=_seconds,
        metavar="SECONDS",
        help="look again every so often, until Ctrl-C or until nothing is running any more",
    )


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that choose the study, with the meaning they have for ``snakemake``."""
    parser.add_argument(
        "--configfile",
        "--configfiles",
        nargs="+",
        default=[],
        metavar="FILE",
        help="as for snakemake; left out: as in the run that was started last",
    )
    parser.add_argument(
        "--config", "-C", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake"
    )
    parser.add_argument("--directory", "-d", metavar="DIR", help="as for snakemake")


def chosen_study(arguments: argparse.Namespace) -> Study:
    """The study that the options of :func:`add_study_arguments` choose."""
    from giblet.watching.study import choose

    return choose(
        Path.cwd(),
        configfile=arguments.configfile,
        config=arguments.config,
        directory=arguments.directory,
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError("from 1 to 86400 seconds")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Show the status, once or again and again."""
    status = _look(arguments)
    try:
        while arguments.watch and _goes_on(status):
            time.sleep(arguments.watch)
            status = _look(arguments)
    except KeyboardInterrupt:
        print()
    return EXIT_STATUS[status.state]


def _goes_on(status: Status) -> bool:
    """Whether there is more to come; a run can go on after a job that failed."""
    going = status.run is not None and status.run.state == "going"
    return going or any(job.state != "failed" for job in status.jobs)


def _look(arguments: argparse.Namespace) -> Status:
    """Show the status once."""
    from rich.console import Console

    from giblet.watching.collect import collect
    from giblet.watching.terminal import clock, show

    # Chosen anew each time: another run may have been started.
    study = chosen_study(arguments)
    status = collect(study)
    if arguments.json:
        print(json.dumps(asdict(status), indent=None if arguments.watch else 1), flush=True)
        return status
    console = Console()
    if arguments.watch and console.is_terminal:
        console.clear()
    show(status, console)
    if arguments.watch:
        console.print(f"[dim]{clock(status)}, every {arguments.watch:g} s[/]")
    return status
