"""An audio codec of one's own, in the layout that from_pretrained reads."""

from giblet.jobs import job

with job(snakemake) as j:
    from pathlib import Path

    from giblet.features.codec_run import train_codec

    params = {k: v for k, v in j.params.items() if k != "code"}
    train_codec(Path(j.output.config).parent, **params, n_threads=j.threads)
