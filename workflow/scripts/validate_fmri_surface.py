"""Draw maps on the cortical surface."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.fmri_surface import draw_surfaces

    folder = Path(j.output.surfaces[0]).parent
    draw_surfaces(j.input.voxels, j.input.reference, folder, space=j.params.space, dpi=j.params.dpi)
