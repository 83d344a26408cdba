"""Score the decoded embeddings of the test TRs and retrieve sentences for them."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.validate.single import add_singles
    from giblet.validate.text import score_text

    params = {k: v for k, v in j.params.items() if k != "code"}
    score_text(
        j.input.study,
        j.input.predictions,
        j.input.baseline,
        j.input.texts,
        metrics=j.output.metrics,
        trs=j.output.trs,
        retrieved=j.output.retrieved,
        **params,
    )
    add_singles(j.output.metrics, j.input.get("singles", []))
