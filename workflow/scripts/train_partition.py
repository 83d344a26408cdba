"""Fit the linear baseline on every subset of the modalities and predict the test TRs."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.train.baseline_partition import partition_baseline

    params = {k: v for k, v in j.params.items() if k != "code"}
    partition_baseline(
        j.output.partition,
        study=j.input.study,
        regressors=j.input.regressors,
        baseline=j.input.baseline,
        **params,
    )
