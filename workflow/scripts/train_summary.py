"""Put what the networks of all seeds left into one history and one set of figures."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.train.seeds import summarise

    summarise(
        j.input.histories,
        j.input.metrics,
        history=j.output.history,
        figures=j.output.metrics,
        table=j.output.seeds,
        seeds=j.params.seeds,
    )
