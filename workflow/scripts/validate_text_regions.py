"""Decode words from the BOLD of each region alone."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.validate.text_regions import score_text_regions

    params = {k: v for k, v in j.params.items() if k != "code"}
    score_text_regions(
        j.input.study,
        j.input.texts,
        j.input.truth,
        table=j.output.region_table,
        said=j.output.said,
        **params,
    )
