"""The HTML report over everything that validate wrote."""

from giblet.jobs import job

with job(snakemake) as j:
    from giblet.stamps import notices_of
    from giblet.validate.report.page import build_report

    told = dict.fromkeys([*j.input.told, j.input.ceiling, j.input.splits])
    shown = [path for path in j.input if path not in set(j.input.told)]
    build_report(
        j.output.html,
        shown,
        notices=[*j.params.table_notices, *notices_of(told)],
        settings_json=j.params.settings_json,
        modalities=j.params.modalities,
        clip_s=j.params.clip_s,
        n_media_runs=j.params.n_media_runs,
        n_sentences=j.params.n_sentences,
        audio_format=j.params.audio_format,
        max_mb=j.params.max_mb,
    )
