"""Scan one simulated subject in all runs."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.simulate.bold import write_scans

    params = {key: value for key, value in j.params.items() if key != "code"}
    write_scans(
        j.input.truth,
        list(j.output.bold),
        list(j.output.confounds),
        subject=j.wildcards.subject,
        **params,
    )
