"""Write the voxelwise scores as NIfTI images."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.fmri_maps import write_maps

    write_maps(j.input.voxels, Path(j.output.maps[0]).parent)
