"""Params that count by name.

Snakemake compares the params of a job with its record as a set of values without names: with
`resample: false` beside it, a change of `check_tr` from true to false goes unseen when another
param is true. So every rule's `code` is joined by a digest of its params with their names.
"""

import hashlib
import json


def with_names(fingerprint, items):
    """Param function: the fingerprint and a digest of all params of the job, by name."""

    def code_and_params(wildcards):
        values = {
            name: value(wildcards) if callable(value) else value
            for name, value in items.items()
        }
        text = json.dumps(values, sort_keys=True, default=str)
        return f"{fingerprint} {hashlib.sha256(text.encode()).hexdigest()[:16]}"

    return code_and_params


def count_by_name(job_rule):
    """Join a rule's `code` param by its other params."""
    items = dict(job_rule.params.items())
    place = next(
        at for at, value in enumerate(job_rule.params) if value is items["code"]
    )
    joined = with_names(items.pop("code"), items)
    job_rule.params[place] = joined
    setattr(job_rule.params, "code", joined)


for named_rule in workflow.rules:
    if "code" in named_rule.params.keys():
        count_by_name(named_rule)
