"""Compare two runs of a study: scores side by side, paired differences, what was changed."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "compare two runs: scores, differences with paired intervals, what was changed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two results folders, and how the comparison is shown."""
    parser.add_argument("run_a", metavar="RUN_A", help="results folder, such as results/demo")
    parser.add_argument("run_b", metavar="RUN_B", help="results folder of the other run")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print everything as JSON")
    shown.add_argument("--all", action="store_true", help="print every score, not the main ones")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page with everything")
    parser.add_argument(
        "--other-study",
        action="store_true",
        help="compare runs of different studies too; differences then have no intervals",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare and print."""
    from giblet.validate.compare.page import write_page
    from giblet.validate.compare.table import compare_runs
    from giblet.validate.compare.words import as_json, as_text

    found = compare_runs(arguments.run_a, arguments.run_b, allow_other_study=arguments.other_study)
    if arguments.html is not None:
        write_page(found, arguments.html)
    print(as_json(found) if arguments.json else as_text(found, every=arguments.all))
    return 0
