"""Decide how every voxel of every simulated subject responds to the film."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.simulate.truth import write_truth

    params = {key: value for key, value in j.params.items() if key != "code"}
    write_truth(
        j.output.truth,
        frames=list(j.input.frames),
        audio=list(j.input.audio),
        text=list(j.input.text),
        **params,
    )
