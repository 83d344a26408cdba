"""Draw brain maps, network against ridge, and regions."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.fmri_figures import draw_fmri

    params = {k: v for k, v in j.params.items() if k != "code"}
    folder = Path(j.output.scatter).parent
    draw_fmri(j.input.voxels, j.input.region_table, j.input.partition_table, folder, **params)
