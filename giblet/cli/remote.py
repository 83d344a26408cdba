"""Run the workflow on another machine that `ssh NAME` reaches, and bring the results back.

Keys and agents only: no password is ever asked for, and host keys are checked as ever.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from giblet.remote.places import Host, Run

HELP = "run on another machine over ssh: setup, train, status, fetch, cancel"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``giblet remote``."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="ACTION")
    common = _common()
    _add_setup(verbs.add_parser("setup", parents=[common], help="check the host, install there"))
    _add_train(verbs.add_parser("train", parents=[common], help="send the code and start a run"))
    status = verbs.add_parser("status", parents=[common], help="how a run is; without --name, all")
    status.add_argument("--name", metavar="RUN", help="the run to tell more about")
    status.add_argument("--lines", type=int, default=10, help="last lines of its log (10)")
    status.add_argument("--json", action="store_true", help="for programs")
    fetch = verbs.add_parser("fetch", parents=[common], help="bring what is new of the results")
    _add_name(fetch)
    fetch.add_argument(
        "--what",
        default="train,validate",
        metavar="STAGES",
        help="results of which stages, with commas between, or all (train,validate)",
    )
    cancel = verbs.add_parser("cancel", parents=[common], help="end a run")
    _add_name(cancel)
    cancel.add_argument(
        "--grace", type=int, default=120, metavar="S", help="seconds it has to end by itself (120)"
    )


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--host", required=True, metavar="NAME", help="as in `ssh NAME`")
    common.add_argument(
        "--folder",
        default="giblet",
        help="of all runs on the host, from the root or in the home folder there (giblet)",
    )
    common.add_argument(
        "--ssh-config",
        default=os.environ.get("GIBLET_SSH_CONFIG") or None,
        metavar="FILE",
        help="ssh's configuration, in place of ~/.ssh/config (or set GIBLET_SSH_CONFIG)",
    )
    common.add_argument(
        "--dry-run", action="store_true", help="print the commands for the host and run none"
    )
    return common


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="run", metavar="RUN", help="name of the run (run)")


def _add_setup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--before",
        action="append",
        default=[],
        metavar="COMMAND",
        help="shell command that every run needs first ('module load python/3.11'); repeatable",
    )
    parser.add_argument(
        "--python", metavar="FILE", help="Python on the host that makes the environment"
    )
    parser.add_argument(
        "--environment",
        metavar="FOLDER",
        help="ready environment on the host (conda, venv), used as it is: nothing is installed",
    )
    _add_sent(parser, "also send new files, which git does not track")


def _add_sent(parser: argparse.ArgumentParser, dirty: str) -> None:
    parser.add_argument("--dirty", action="store_true", help=dirty)
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="PATH",
        help="send this file though it looks like a secret; repeatable",
    )


def _add_train(parser: argparse.ArgumentParser) -> None:
    _add_name(parser)
    parser.add_argument("--gpus", type=int, metavar="N", help="GPUs of one training, on each node")
    parser.add_argument("--nodes", type=int, metavar="N", help="nodes of one training; needs Slurm")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--slurm",
        dest="scheduler",
        action="store_const",
        const="slurm",
        help="jobs through Slurm (the default where sbatch is)",
    )
    where.add_argument(
        "--no-slurm",
        dest="scheduler",
        action="store_const",
        const="none",
        help="jobs on the host itself, though it has sbatch",
    )
    parser.add_argument("--target", default="train", help="what Snakemake is to make (train)")
    parser.add_argument("--configfile", nargs="+", default=[], metavar="FILE", help="of the study")
    parser.add_argument(
        "--send",
        action="append",
        default=[],
        metavar="PATH",
        help="inputs of the checkout that git does not track, to send along; repeatable",
    )
    _add_sent(parser, "also with uncommitted or unpushed changes, and send new files")
    parser.add_argument("--resume", action="store_true", help="go on with a run that has ended")
    parser.add_argument(
        "extra", nargs="*", metavar="-- SNAKEMAKE ARGUMENTS", help="handed on as they are"
    )
    parser.set_defaults(scheduler="auto")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; 0, or for ``status`` of one run 1 when that has failed."""
    from giblet.remote.places import Host, Run

    host = Host(arguments.host, arguments.folder, arguments.ssh_config)
    try:
        if arguments.verb == "status":
            return _status(arguments, host, Run(host, arguments.name) if arguments.name else None)
        _work(arguments, host, Run(host, getattr(arguments, "name", "run")))
    except KeyboardInterrupt:
        print("stopped here; what runs on the host goes on there")
        return 130
    return 0


def _work(arguments: argparse.Namespace, host: Host, chosen: Run) -> None:
    from giblet.remote import work

    dry_run = arguments.dry_run
    if arguments.verb == "setup":
        environment = work.Environment(
            arguments.python, arguments.environment, tuple(arguments.before)
        )
        work.setup(host, environment, arguments.dirty, arguments.allow, dry_run)
    elif arguments.verb == "train":
        launch = work.Launch(
            arguments.target,
            tuple(arguments.configfile),
            arguments.gpus,
            arguments.nodes,
            arguments.scheduler,
            tuple(arguments.extra),
        )
        work.train(
            chosen,
            launch,
            arguments.send,
            arguments.dirty,
            arguments.resume,
            arguments.allow,
            dry_run,
        )
    elif arguments.verb == "fetch":
        stages = [] if arguments.what == "all" else [s for s in arguments.what.split(",") if s]
        work.fetch(chosen, stages, work.here(), dry_run)
    else:
        work.cancel(chosen, arguments.grace, dry_run)


def _status(arguments: argparse.Namespace, host: Host, chosen: Run | None) -> int:
    from giblet.remote import watch

    found = watch.read_status(host, chosen, arguments.lines, arguments.json, arguments.dry_run)
    if arguments.dry_run:
        return 0
    if arguments.json:
        print(json.dumps(found if chosen is None else found[0], indent=1))
    elif chosen is None:
        print("\n".join(map(watch.in_short, found)) or f"{host.name} has no runs in {host.folder}")
    else:
        print(watch.in_full(found[0], host, chosen))
    return int(chosen is not None and found[0]["state"] in ("failed", "lost"))
