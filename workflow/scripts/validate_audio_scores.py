"""Score the decoded sound of the test TRs."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.validate.audio import score_audio
    from giblet.validate.single import add_singles

    params = {k: v for k, v in j.params.items() if k != "code"}
    score_audio(
        j.input.study,
        j.input.decoded,
        j.input.baseline,
        j.input.texts,
        metrics=j.output.metrics,
        trs=j.output.trs,
        clips=j.output.clips,
        series=j.output.series,
        **params,
    )
    add_singles(j.output.metrics, j.input.get("singles", []))
