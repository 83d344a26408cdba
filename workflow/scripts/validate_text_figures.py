"""Draw how far down the list the true sentence stands, and how well each region knows it."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.validate.text_figures import draw_text, draw_text_regions

    draw_text(j.input.retrieved, j.output.ranks, dpi=j.params.dpi)
    draw_text_regions(j.input.region_table, j.output.regions, dpi=j.params.dpi)
