"""Cleaned time courses of one subject in one run."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.brain.run import make_run

    params = {k: v for k, v in j.params.items() if k != "code"}
    make_run(
        j.output.bold,
        bold=j.input.bold,
        space=j.input.space,
        mask=j.input.get("mask"),
        confounds=j.input.get("confounds"),
        run=j.wildcards.run,
        subject=j.wildcards.subject,
        **params,
    )
