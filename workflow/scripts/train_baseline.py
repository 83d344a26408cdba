"""Fit the linear baseline on the study and predict every TR with it."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.train.baseline import train_baseline

    params = {k: v for k, v in j.params.items() if k != "code"}
    train_baseline(j.output.baseline, study=j.input.study, regressors=j.input.regressors, **params)
