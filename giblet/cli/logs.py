"""Last lines of the logs of jobs that failed, or of any job: its own log and Slurm's."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from giblet.cli.status import add_study_arguments, chosen_study
from giblet.errors import WatchError

if TYPE_CHECKING:
    from giblet.watching.tails import JobLogs

HELP = "last lines of the logs of failed jobs, or of one"
# Up to this many jobs are shown at once; more are listed to choose from.
MAX_SHOWN = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser."""
    parser.add_argument(
        "job",
        nargs="?",
        metavar="RULE|JOB",
        help="a rule, a job id of Snakemake or Slurm, or a part of the log's path; "
        "left out: all that failed",
    )
    parser.add_argument(
        "-n", "--lines", type=int, default=20, metavar="LINES", help="20 by default"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is appended")
    add_study_arguments(parser)


def _lines(text: str) -> int:
    lines = int(text)
    if lines < 0:
        raise argparse.ArgumentTypeError("0 or more")
    return lines


def run(arguments: argparse.Namespace) -> int:
    """Show the logs."""
    from giblet.watching.collect import find_run
    from giblet.watching.tails import find

    study = chosen_study(arguments)
    newest = find_run(study, study.dataset)
    if newest is None:
        raise WatchError(f"nothing has run in {study.results} yet, so there are no logs")
    found = find(newest, study.results, arguments.job)
    if not found:
        print(f"No job failed and none is running in the newest run ({newest.path.name}).")
    if arguments.job is not None and len(found) > MAX_SHOWN:
        print(f"{arguments.job} is {len(found)} jobs; name one by its number or its log:")
        for one in found:
            print(f"  {one.title}  {' '.join(map(_shown, one.paths))}")
        return 0
    places: dict[Path, int] = {}
    for one in found:
        places |= _show(one, arguments.lines)
    if arguments.follow and places:
        _follow(places)
    return 0


def _show(one: JobLogs, n_lines: int) -> dict[Path, int]:
    """Print the end of a job's logs; up to where each was read."""
    from giblet.watching.tails import last_lines

    print(one.title)
    if one.job.message:
        print(f"  {one.job.message}")
    if not one.paths:
        print("  no log yet")
    places = {}
    for path in one.paths:
        lines, places[path] = last_lines(path, n_lines)
        print(f"==> {_shown(path)} <==")
        print("\n".join(lines) if lines else "(empty)")
    print(flush=True)
    return places


def _follow(places: dict[Path, int]) -> None:
    from giblet.watching.tails import follow

    before = None
    try:
        for path, text in follow(places):
            if path != before and len(places) > 1:
                print(f"\n==> {_shown(path)} <==")
            before = path
            print(text, end="", flush=True)
    except KeyboardInterrupt:
        print()


def _shown(path: Path) -> str:
    """A path as it can be typed here."""
    short = os.path.relpath(path)
    return str(path) if short.startswith("..") else short
