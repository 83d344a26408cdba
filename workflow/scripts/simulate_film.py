"""Make the film of one run and the table that describes it."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.simulate.film import make_film

    params = {key: value for key, value in j.params.items() if key != "code"}
    make_film(j.output.movie, j.output.annotations, run=j.wildcards.run, **params)
