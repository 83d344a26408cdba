"""The HTML report: one self-contained page over everything that validate wrote."""

import json

from giblet.validate.report.templating import templates_digest


rule validate_report:
    input:
        splits=f"{RESULTS}/align/splits.tsv",
        ceiling=f"{RESULTS}/brain/ceiling.h5",
        training=rules.train_summary.output,
        baseline=BASELINE,
        fmri=rules.validate_fmri_scores.output,
        maps=rules.validate_fmri_figures.output,
        surfaces=rules.validate_fmri_surface.output,
        sounds=if_has(
            "audio",
            [
                rules.validate_audio_decode.output.shown,
                rules.validate_audio_decode.output.wavs,
                rules.validate_audio_figures.output,
                rules.validate_audio_scores.output,
            ],
        ),
        films=if_has(
            "video",
            [
                rules.validate_video_scores.output.metrics,
                rules.validate_video_figures.output,
                rules.validate_video_triptychs.output,
            ],
        ),
        texts=if_has(
            "text",
            [
                rules.validate_text_scores.output,
                rules.validate_text_figures.output,
                rules.validate_text_regions.output,
            ],
        ),
        # Read for what their jobs said of the study's inputs (giblet.notices).
        told=[
            per_run(FRAMES),
            if_has("audio", per_run(rules.stimulus_audio.output.sound)),
            if_has("text", per_run(rules.stimulus_text.output.text)),
            per_run(AUDIO_FEATURES),
            per_run(TEXT_FEATURES),
            per_run(VIDEO_FEATURES),
            rules.brain_space.output[0],
            per_scan(rules.brain_run.output.bold),
            f"{RESULTS}/align/study.h5",
        ],
    output:
        html=report(
            f"{VALIDATE}/report/index.html",
            category="Report",
            caption="../workflow/report/validate_report.rst",
        ),
    log:
        f"{LOGS}/validate/report.log",
    benchmark:
        f"{BENCHMARKS}/validate/report.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        **settings("validate/report"),
        # The page states the configuration that was used, so all of it counts.
        settings_json=json.dumps(config, sort_keys=True),
        templates=templates_digest(),
        modalities=MODALITIES,
        table_notices=TABLE_NOTICES,
        code=code("validate_report.py"),
    script:
        "../workflow/scripts/validate_report.py"
