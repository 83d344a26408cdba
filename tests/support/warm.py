"""Run Snakemake so that its jobs start with the large libraries loaded.

    python warm.py ARGUMENTS    # as of snakemake

Each job of a workflow loads what it needs, two to eight seconds of torch, transformers or nilearn;
of the tiny study's whole time that is most. Here one process loads them once, and forks for each
job. The library under test is not among them: a job loads giblet itself, from its own checkout.
That jobs import what they use, and run with the threads of their rule, is proven by the studies
that run without this: the finished one, the killed one, the cluster's and the demo.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

LIBRARIES = (
    "av",
    "h5py",
    "hdf5plugin",
    "himalaya.kernel_ridge",
    "nibabel",
    "nilearn.masking",
    "nilearn.glm.first_level",
    "nilearn.plotting",
    "pandas",
    "pystoi",
    "scipy.signal",
    "scipy.stats",
    "skimage.metrics",
    "soundfile",
    "soxr",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.encodec.modeling_encodec",
)
POLL_S = 1.0


def serve(listening: socket.socket, parent: int) -> None:
    """Load the libraries, then fork for each request until the parent is gone."""
    for library in LIBRARIES:
        importlib.import_module(library)
    listening.settimeout(POLL_S)
    while os.getppid() == parent:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        with suppress(TimeoutError):
            connection, _ = listening.accept()
            if os.fork() == 0:
                answer(connection)
                os._exit(0)
            connection.close()


def answer(connection: socket.socket) -> None:
    """Run the script that is asked for in a process of its own: its number, then its exit code."""
    connection.settimeout(None)
    with connection.makefile("rw") as stream:
        request = json.loads(stream.readline())
        child = os.fork()
        if child == 0:
            run_script(**request)
        stream.write(f"{child}\n")
        stream.flush()
        _, status = os.waitpid(child, 0)
        stream.write(f"{os.waitstatus_to_exitcode(status)}\n")


def run_script(script: str, folder: str, variables: dict[str, str]) -> None:
    """Be the script, to its end."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = [script]
    sys.path.insert(0, str(Path(script).parent))
    code: Any = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def run_by(address: str) -> Any:
    """Method that runs a script of Snakemake through the process that has everything loaded."""

    def execute_script(self: Any, fname: str, edit: bool = False) -> None:
        from snakemake.benchmark import benchmarked

        request = {"script": str(fname), "folder": os.getcwd(), "variables": dict(os.environ)}
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(address)
            with connection.makefile("rw") as stream:
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                with benchmarked(int(stream.readline()), self.bench_record):
                    code = int(stream.readline() or 1)
        if code:
            raise subprocess.CalledProcessError(code, ["python", str(fname)])

    return execute_script


def main() -> None:
    """Start the process that loads, then be Snakemake."""
    # The folder of this file, whose names are none of the workflow's.
    del sys.path[0]
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder, "jobs"))
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(address)
        listening.listen()
        parent = os.getpid()
        if os.fork() == 0:
            try:
                serve(listening, parent)
            finally:
                os._exit(0)
        listening.close()
        import snakemake.api  # noqa: F401  Before its scripts, which need it loaded.
        from snakemake import cli, script

        script.PythonScript.execute_script = run_by(address)
        cli.main(sys.argv[1:])


if __name__ == "__main__":
    main()
