"""Where the study's voxels or parcels are, and the group mask."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.brain.space import make_space

    params = {k: v for k, v in j.params.items() if k != "code"}
    make_space(j.output.space, j.output.get("mask"), **params)
