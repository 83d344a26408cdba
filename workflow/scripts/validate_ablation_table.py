"""Compare the variants of an ablation with each other."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.validate.ablation_compare import compare_networks

    params = {k: v for k, v in j.params.items() if k != "code"}
    compare_networks(j.input.scores, table=j.output.table, page=j.output.page, **params)
