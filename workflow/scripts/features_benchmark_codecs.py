"""Ways to store the study's sound, compared."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.features.bakeoff import benchmark_codecs

    params = {k: v for k, v in j.params.items() if k not in ("code", "weights")}
    folder = Path(j.output.scores).parent
    benchmark_codecs(j.input.audio, j.input.text, folder=folder, **params)
