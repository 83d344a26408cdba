"""Frames seen during each TR of a run."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.stimulus.video import extract_frames

    params = {key: value for key, value in j.params.items() if key != "code"}
    extract_frames(j.input.movie, j.output.frames, run=j.wildcards.run, **params)
