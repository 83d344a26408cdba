"""Entry point of the command ``giblet``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from giblet.errors import GibletError

# Modules of giblet.cli, one a command, in the order they are listed to the user.
COMMANDS: tuple[str, ...] = (
    "compare",
    "logs",
    "remote",
    "status",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named on the command line.

    Returns
    -------
    exit status: 0, that of the command, 1 after a :class:`GibletError` (its message is printed
    without a traceback), or 2 for arguments that cannot be used
    """
    parser = argparse.ArgumentParser(
        prog="giblet", description="Around the workflow, which `snakemake` runs."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = importlib.import_module(f"giblet.cli.{name}")
        command = commands.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except GibletError as error:
        print(f"giblet {arguments.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output, `head` say, has seen enough
        return 0


if __name__ == "__main__":
    sys.exit(main())
