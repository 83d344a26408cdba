"""One picture embedding per TR of a run, by a pretrained vision network."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.features.video import extract_video

    params = {k: v for k, v in j.params.items() if k not in ("code", "weights")}
    extract_video(j.input.frames, j.output.video, run=j.wildcards.run, **params)
