"""Results without Snakemake's own record are trusted only when their stamp agrees."""

from base64 import urlsafe_b64encode
from pathlib import Path

from snakemake.iocontainers import InputFiles

from giblet import stamps


def is_recorded(path, kind):
    """Whether Snakemake has a record of a file: `kind` is "metadata" or "incomplete"."""
    name = urlsafe_b64encode(path.encode()).decode()
    # Snakemake splits names that are too long for one path component.
    parts = [name[at : at + 254] for at in range(0, len(name), 254)]
    parts = [f"@{part}" for part in parts[:-1]] + parts[-1:]
    return Path(".snakemake", kind, *parts).exists()


def unrecorded_results():
    """Rule and path of each result on disk that Snakemake has no record of."""
    files = [str(path) for path in Path(RESULTS).glob("**/*") if path.is_file()]
    for path in sorted(files):
        hidden = any(part.startswith(".") for part in Path(path).parts)
        if hidden or is_recorded(path, "metadata") or is_recorded(path, "incomplete"):
            continue
        yield from ((rule, path) for rule in workflow.rules if rule.is_producer(path))


def refuse_strangers():
    """Stop before planning when an unrecorded result differs from the configuration."""
    for rule, path in unrecorded_results():
        wildcards = rule.get_wildcards(path)
        outputs, _ = rule.expand_output(wildcards)
        params, _ = rule.expand_params(wildcards, InputFiles(), outputs, None)
        differs = stamps.difference(outputs[0], dict(params.items()))
        if differs:
            raise WorkflowError(
                f"{path}: Snakemake has no record of this file, and {differs}. Delete it "
                f"(or the folder {RESULTS}) and run again, or set the configuration back."
            )


if workflow.is_main_process:
    refuse_strangers()
