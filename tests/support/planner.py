"""Plan workflows quickly: a process that has Snakemake loaded and forks for each plan.

Reads one JSON object a line (``cwd``, ``argv``) and answers one (``code``, ``output``). Loading
Snakemake takes seconds, planning a small study less than one: with hundreds of plans to make
the difference is that of a test that is run and one that is not.
"""

import json
import os
import sys
import tempfile
from pathlib import Path


def plan(cwd: str, argv: list[str], output: Path) -> None:
    """Run ``snakemake`` in this (forked) process, all that it prints going to a file."""
    with output.open("w") as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
    os.chdir(cwd)
    sys.path.insert(0, cwd)
    from snakemake.cli import main

    sys.argv = ["snakemake", *argv]
    main(argv)


def load() -> None:
    """Load all that a plan needs, except the library, which is that of the planned checkout."""
    import h5py  # noqa: F401
    import jsonschema  # noqa: F401
    import pandas  # noqa: F401
    import requests  # noqa: F401
    import smart_open  # noqa: F401
    import snakemake.cli
    import snakemake.workflow

    # Finds and loads Snakemake's plugins, a quarter of the time of a plan.
    snakemake.cli.get_argument_parser()


def serve() -> None:
    """Answer requests until the input ends."""
    load()
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            request = json.loads(line)
            output = Path(folder, "output")
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    plan(request["cwd"], request["argv"], output)
                    status = 0
                except SystemExit as error:
                    status = int(error.code or 0)
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(status)
            _, status = os.waitpid(child, 0)
            answer = {"code": os.waitstatus_to_exitcode(status), "output": output.read_text()}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
