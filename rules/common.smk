"""What all rules share: the checked configuration, the tables, names and helpers."""

import hashlib
import json
import os
import signal

from snakemake.exceptions import WorkflowError

from giblet import config as giblet_config
from giblet import jobs, notices, paths, tables
from giblet.brain.series import series_files
from giblet.errors import GibletError, TableError
from giblet.fingerprint import CodeIndex

try:
    paths.check_checkout(workflow.basedir)
    giblet_config.refuse_repeated_keys(workflow.configfiles)
    giblet_config.complete(config)
    # Jobs read the tables again; what is odd about them is said once.
    with notices.collected(shown=workflow.is_main_process) as TABLE_NOTICES:
        RUNS, SCANS = tables.load_study(config)
    tables.check_unseen(config["train"]["unseen_subjects"], SCANS)
    MODALITIES = tables.study_modalities(config["modalities"], RUNS)
except GibletError as error:
    raise WorkflowError(f"{type(error).__name__}: {error}") from error

CODE = CodeIndex(workflow.basedir, kept=".snakemake/giblet-code.json")
# For runs with `--software-deployment-method conda`.
ENVIRONMENT = "../environment.yml"
RESULTS = f"results/{config['dataset']}"
LOGS = f"logs/{config['dataset']}"
BENCHMARKS = f"{LOGS}/benchmarks"
RUN_NAMES = list(RUNS["run"])
SUBJECTS = list(dict.fromkeys(SCANS["subject"]))
SCAN_PAIRS = list(zip(SCANS["subject"], SCANS["run"], strict=True))
# Runs that show what an earlier one showed.
REPEATS = tables.shown_again(RUNS)
TEXTS = tables.pieces_of_texts(RUNS)
RUN_ROWS, SCAN_ROWS = tables.lookups(RUNS, SCANS)

if workflow.is_main_process:
    # Local jobs watch this process and stop when it is gone (giblet.jobs).
    os.environ.update(GIBLET_MAIN_PROCESS=f"{os.uname().nodename}:{os.getpid()}")
else:
    jobs.stop_with_main_process()
if not workflow.is_main_process and "SLURM_JOB_ID" in os.environ:
    # Before a time limit Slurm sends this to all processes of a job, the Snakemake in it too, which
    # would die of it and take the training along. Training itself listens.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


wildcard_constraints:
    run="|".join(RUN_NAMES),
    subject="|".join(SUBJECTS),


def settings(*paths):
    """Config keys as scalar params, each named by the last part of its path."""
    return giblet_config.flat(config, *paths)


def settings_but(left_out, *paths):
    """The same without some keys."""
    return {k: v for k, v in settings(*paths).items() if k not in left_out}


def code(script):
    """Fingerprint of a script and the library modules behind it, for `params`."""
    return CODE.fingerprint(f"workflow/scripts/{script}")


def of_run(column):
    """Input or param: a column of the runs table for the job's run; [] when empty."""
    return lookup(dpath=f"{{run}}/{column}", within=RUN_ROWS)


def of_text(index):
    """Param function: what the runs table says of the text of the job's run as a whole."""

    def look_up(wildcards):
        return TEXTS.get(RUN_ROWS[wildcards.run]["text"] or "", (1, False))[index]

    return look_up


def of_scan(column):
    """Input or param: a column of the scans table for the job's scan; [] when empty."""
    return lookup(dpath=f"{{subject}}/{{run}}/{column}", within=SCAN_ROWS)


def of_training(plans, name):
    """Param: a setting of the job's own training; `lookup` would walk all of them for each."""

    def setting(wildcards):
        variants = plans[wildcards.ablation]
        return variants[wildcards.variant][wildcards.number][name]

    return setting


def per_run(pattern):
    """Paths for every run of the study."""
    return expand(pattern, run=RUN_NAMES)


def if_has(modality, paths):
    """Paths, or none when the study lacks the modality."""
    return paths if modality in MODALITIES else []


def per_scan(pattern):
    """Paths for every scan of the study."""
    return [pattern.format(subject=subject, run=run) for subject, run in SCAN_PAIRS]


def files_of(bold):
    """Files behind a cell of the scans table: one, or those of its folder or pattern."""
    try:
        return paths.without_wildcards(series_files(bold), f"{bold}:", TableError)
    except GibletError as error:
        raise WorkflowError(f"{type(error).__name__}: {error}") from error


def scan_files(wildcards):
    """Files of a scan: the one in the table, or those of its folder or pattern."""
    return files_of(SCAN_ROWS[wildcards.subject][wildcards.run]["bold"])


def with_names(fingerprint, items):
    """Param function: the fingerprint and a digest of all params of the job, by name."""

    def code_and_params(wildcards):
        values = {
            name: value(wildcards) if callable(value) else value
            for name, value in items.items()
        }
        text = json.dumps(values, sort_keys=True, default=str)
        return f"{fingerprint} {hashlib.sha256(text.encode()).hexdigest()[:16]}"

    return code_and_params


def count_by_name(job_rule):
    """Join a rule's `code` param by its other params."""
    items = dict(job_rule.params.items())
    place = next(
        at for at, value in enumerate(job_rule.params) if value is items["code"]
    )
    joined = with_names(items.pop("code"), items)
    job_rule.params[place] = joined
    setattr(job_rule.params, "code", joined)
