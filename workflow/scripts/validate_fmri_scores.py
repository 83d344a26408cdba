"""Score the predicted BOLD of the test TRs, voxel by voxel."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.validate.fmri import score_fmri
    from giblet.validate.single import add_singles

    params = {k: v for k, v in j.params.items() if k != "code"}
    score_fmri(
        j.input.study,
        j.input.predictions,
        j.input.baseline,
        j.input.ceiling,
        j.input.partition,
        j.input.regressors,
        j.input.truth,
        metrics=j.output.metrics,
        trs=j.output.trs,
        voxels=j.output.voxels,
        region_table=j.output.region_table,
        run_table=j.output.run_table,
        partition_table=j.output.partition_table,
        **params,
    )
    add_singles(j.output.metrics, j.input.get("singles", []))
