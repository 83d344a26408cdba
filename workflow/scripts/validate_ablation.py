"""Score one network of an ablation on held-out TRs, block by block."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.ablation_fit import score_network

    score_network(
        j.input.study,
        Path(j.input.model).parent,
        j.input.ceiling,
        j.input.truth,
        j.output.scores,
        **{k: v for k, v in j.params.items() if k != "code"},
    )
