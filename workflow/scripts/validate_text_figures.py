"""Draw how far down the list the true sentence stands."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.validate.text_figures import draw_text

    draw_text(j.input.retrieved, j.output.ranks, dpi=j.params.dpi)
