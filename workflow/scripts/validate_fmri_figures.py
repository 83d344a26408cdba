"""Draw brain maps, network against ridge, and regions."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.fmri_figures import draw_fmri

    params = {k: v for k, v in j.params.items() if k != "code"}
    draw_fmri(j.input.voxels, j.input.region_table, Path(j.output.scatter).parent, **params)
