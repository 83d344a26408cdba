"""Compare the variants of the heads of sound with each other, the floors and the ceiling."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.validate.ablation_table import compare_variants

    params = {k: v for k, v in j.params.items() if k != "code"}
    compare_variants(
        j.input.study,
        j.input.audio,
        j.input.scores,
        table=j.output.table,
        page=j.output.page,
        **params,
    )
