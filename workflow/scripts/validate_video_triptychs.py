"""Write films of the original and what was decoded, side by side and with the sound."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.video_panels import write_triptychs

    params = {k: v for k, v in j.params.items() if k != "code"}
    folder = Path(j.output.films[0]).parent
    write_triptychs(j.input.study, j.input.predictions, j.input.audio, folder, **params)
