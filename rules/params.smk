"""Params that count by name.

Snakemake compares the params of a job with its record as a set of values without names: with
`resample: false` beside it, a change of `check_tr` from true to false goes unseen when another
param is true. So every rule's `code` is joined by a digest of its params with their names.
"""

for named_rule in workflow.rules:
    if "code" in named_rule.params.keys():
        count_by_name(named_rule)

if workflow.is_main_process:
    CODE.keep()
