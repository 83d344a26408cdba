"""Text of each TR of a run."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.stimulus.text import extract_text

    params = {key: value for key, value in j.params.items() if key != "code"}
    # A run without text, or without a film, has an empty list there.
    extract_text(j.input.text or "", j.output.text, movie=j.input.movie or "", **params)
