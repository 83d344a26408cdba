"""Codec codes, latents and log-mel bands of a run's sound."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.features.audio import extract_audio

    params = {k: v for k, v in j.params.items() if k not in ("code", "weights")}
    extract_audio(j.input.audio, j.output.audio, run=j.wildcards.run, **params)
