"""Put stimulus, features, BOLD and split into the one file that training reads."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.align.lengths import named_scans
    from giblet.align.study import write_study

    write_study(
        j.output.study,
        runs=j.params.runs,
        splits=j.input.splits,
        frames=j.input.frames,
        audio=j.input.audio,
        text=j.input.text,
        video=j.input.video,
        scans=named_scans(j.params.scan_names, j.input.scans),
        space=j.input.space,
        tr_s=j.params.tr_s,
        repeats=j.params.repeats,
    )
