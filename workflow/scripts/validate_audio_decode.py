"""Turn decoded latents into sound, and write WAVs of the test blocks."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.audio_decode import decode_audio

    params = {k: v for k, v in j.params.items() if k != "code"}
    folder = Path(j.output.decoded).parent
    decode_audio(j.input.study, j.input.predictions, j.input.audio, folder=folder, **params)
