"""What all rules share: the checked configuration, the tables, names and helpers."""

from giblet import config as giblet_config
from giblet import tables
from giblet.fingerprint import code_fingerprint
from snakemake.exceptions import WorkflowError

from giblet.errors import GibletError

try:
    giblet_config.complete(config)
    RUNS, SCANS = tables.load_study(config)
except GibletError as error:
    raise WorkflowError(f"{type(error).__name__}: {error}") from error

RESULTS = f"results/{config['dataset']}"
LOGS = f"logs/{config['dataset']}"
BENCHMARKS = f"{RESULTS}/benchmarks"
RUN_NAMES = list(RUNS["run"])
SUBJECTS = list(dict.fromkeys(SCANS["subject"]))
SCAN_PAIRS = list(zip(SCANS["subject"], SCANS["run"]))


wildcard_constraints:
    run="|".join(RUN_NAMES),
    subject="|".join(SUBJECTS),


def settings(*paths):
    """Config keys as scalar params, each named by the last part of its path."""
    return giblet_config.flat(config, *paths)


def code(script):
    """Fingerprint of a script and the library modules behind it, for `params`."""
    return code_fingerprint(f"workflow/scripts/{script}", workflow.basedir)


def of_run(column):
    """Param that looks a column of the runs table up for the job's run."""
    return lookup(query="run == '{run}'", within=RUNS, cols=column)


def of_scan(column):
    """Param that looks a column of the scans table up for the job's subject and run."""
    return lookup(query="subject == '{subject}' and run == '{run}'", within=SCANS, cols=column)
