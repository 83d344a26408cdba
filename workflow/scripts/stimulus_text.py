"""Text of each TR of a run."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.stimulus.text import extract_text

    params = {key: value for key, value in j.params.items() if key != "code"}
    # A run without text has an empty list here.
    extract_text(j.input.text or "", j.output.text, movie=j.input.movie, **params)
