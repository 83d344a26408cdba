"""Train the network; a killed job resumes from its last checkpoint."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.train.launch import train

    params = {k: v for k, v in j.params.items() if k != "code"}
    train(
        {**dict(j.input.items()), **dict(j.output.items())},
        seed=int(params.pop("seed")),
        settings=params,
        resources=dict(j.resources.items()),
        threads=j.threads,
        log=j.log[0],
    )
