"""Train the network; a killed job resumes from its last checkpoint."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.train.loop import train_network

    params = {k: v for k, v in j.params.items() if k != "code"}
    train_network(
        j.input.study,
        j.output.model,
        j.output.last,
        j.output.kwargs,
        j.output.history,
        j.output.metrics,
        seed=int(params.pop("seed")),
        **params,
    )
