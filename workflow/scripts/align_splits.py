"""Decide which TRs of each run train, validate and test."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.align.lengths import named_scans
    from giblet.align.splits import write_splits

    params = {k: v for k, v in j.params.items() if k not in ("code", "scan_names")}
    write_splits(
        j.output.splits,
        frames=j.input.frames,
        audio=j.input.audio,
        text=j.input.text,
        scans=named_scans(j.params.scan_names, j.input.scans),
        **params,
    )
