"""Inter-subject correlation and the ceiling of prediction that follows from it."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.brain.ceiling import make_ceiling

    params = {k: v for k, v in j.params.items() if k != "code"}
    make_ceiling(j.output.ceiling, list(j.input.scans), **params)
