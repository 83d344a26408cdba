"""Summarise a run's stimulus per TR, and filter the summaries with the HRF."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.align.regressors import write_regressors

    params = {k: v for k, v in j.params.items() if k != "code"}
    write_regressors(
        j.output.regressors,
        run=j.wildcards.run,
        # A modality that the study lacks has an empty list here.
        frames=j.input.frames or None,
        audio=j.input.audio or None,
        text=j.input.text or None,
        video=j.input.video or None,
        **params,
    )
