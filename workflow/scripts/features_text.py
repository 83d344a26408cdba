"""One sentence embedding per TR of a run."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.features.text import extract_text

    params = {k: v for k, v in j.params.items() if k not in ("code", "weights")}
    extract_text(j.input.text, j.output.text, run=j.wildcards.run, **params)
