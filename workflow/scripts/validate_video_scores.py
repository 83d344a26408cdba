"""Score the decoded frames of the test TRs."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.validate.single import add_singles
    from giblet.validate.video import score_video

    params = {k: v for k, v in j.params.items() if k not in ("code", "weights")}
    score_video(
        j.input.study,
        j.input.predictions,
        j.input.baseline,
        metrics=j.output.metrics,
        trs=j.output.trs,
        series=j.output.series,
        **params,
    )
    add_singles(j.output.metrics, j.input.get("singles", []))
