"""Draw brain maps, network against ridge, and bars of regions, subjects and runs."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.fmri_figures import draw_fmri

    params = {k: v for k, v in j.params.items() if k != "code"}
    folder = Path(j.output.scatter).parent
    tables = [j.input[name] for name in ("metrics", "region_table", "run_table", "partition_table")]
    draw_fmri(j.input.voxels, *tables, folder, **params)
