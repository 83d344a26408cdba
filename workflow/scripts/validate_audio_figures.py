"""Draw spectrograms of the original and decoded sounds."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.audio_figures import draw_audio

    params = {k: v for k, v in j.params.items() if k != "code"}
    draw_audio(j.input.wavs, Path(j.output.spectrograms[0]).parent, **params)
