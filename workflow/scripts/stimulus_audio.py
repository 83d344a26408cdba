"""Sound heard during a run, mono, at the codec's rate."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.stimulus.audio import extract_audio

    params = {key: value for key, value in j.params.items() if key != "code"}
    extract_audio(j.input.movie, j.output.sound, **params)
