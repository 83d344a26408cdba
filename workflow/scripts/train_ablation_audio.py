"""Train the network with one variant of the heads of sound."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.train.loop import train_network
    from giblet.train.variants import VARIANTS

    params = {k: v for k, v in j.params.items() if k not in ("code", "variant")}
    train_network(
        j.input.study,
        j.output.model,
        j.output.last,
        j.output.kwargs,
        j.output.history,
        j.output.metrics,
        **params,
        **VARIANTS[j.params.variant],
    )
