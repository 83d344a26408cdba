"""Score one variant of the heads of sound on held-out TRs."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.validate.ablation_scores import score_variant

    params = {k: v for k, v in j.params.items() if k != "code"}
    folder = Path(j.input.model).parent
    score_variant(j.input.study, folder, j.input.audio, j.output.scores, **params)
