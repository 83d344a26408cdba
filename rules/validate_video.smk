"""validate: what comes back as pictures, scored and shown."""

from giblet.features.weights import weights_fingerprint


rule validate_video_scores:
    input:
        study=STUDY,
        predictions=PREDICTIONS,
        baseline=BASELINE,
        singles=SINGLES["video"],
    output:
        metrics=report(
            f"{VALIDATE}/video/metrics.csv",
            category="Video",
            caption="../workflow/report/validate_metrics.rst",
        ),
        trs=f"{VALIDATE}/video/trs.tsv",
        series=f"{VALIDATE}/video/series.h5",
    log:
        f"{LOGS}/validate/video_scores.log",
    benchmark:
        f"{BENCHMARKS}/validate/video_scores.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2500,
        runtime=120,
    params:
        **STATISTICS,
        **settings("validate/video/clip", "validate/video/clip_revision"),
        weights=weights_fingerprint(config["validate"]["video"]["clip"]),
        code=code("validate_video_scores.py"),
    script:
        "../workflow/scripts/validate_video_scores.py"


rule validate_video_figures:
    input:
        study=STUDY,
        predictions=PREDICTIONS,
        trs=f"{VALIDATE}/video/trs.tsv",
    output:
        examples=f"{VALIDATE}/video/examples.tsv",
        frames=report(
            expand(
                f"{VALIDATE}/video/frames_{{kind}}_{{number}}.png",
                kind=["best", "median", "worst", "random"],
                number=EXAMPLES,
            ),
            category="Video",
            caption="../workflow/report/validate_samples.rst",
        ),
        films=report(
            expand(
                f"{VALIDATE}/video/{{run}}_{{source}}.mp4", run=TEST_RUNS, source=FILMS
            ),
            category="Video",
            caption="../workflow/report/validate_samples.rst",
        ),
        scores=report(
            f"{VALIDATE}/video/scores.png",
            category="Video",
            caption="../workflow/report/validate_figures.rst",
        ),
        strips=report(
            expand(f"{VALIDATE}/video/{{run}}_strip.png", run=TEST_RUNS),
            category="Video",
            caption="../workflow/report/validate_samples.rst",
        ),
    log:
        f"{LOGS}/validate/video_figures.log",
    benchmark:
        f"{BENCHMARKS}/validate/video_figures.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **settings_but(["clip", "clip_revision"], "seed", "validate/video"),
        runs=TEST_RUNS,
        code=code("validate_video_figures.py"),
    script:
        "../workflow/scripts/validate_video_figures.py"


rule validate_video_triptychs:
    input:
        study=STUDY,
        predictions=PREDICTIONS,
        audio=if_has("audio", per_run(f"{RESULTS}/stimulus/{{run}}/audio.wav")),
    output:
        films=report(
            expand(f"{VALIDATE}/video/{{run}}_triptych.mp4", run=TEST_RUNS),
            category="Video",
            caption="../workflow/report/validate_samples.rst",
        ),
    log:
        f"{LOGS}/validate/video_triptychs.log",
    benchmark:
        f"{BENCHMARKS}/validate/video_triptychs.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **settings("seed", "validate/video/scale", "validate/video/crf"),
        runs=TEST_RUNS,
        code=code("validate_video_triptychs.py"),
    script:
        "../workflow/scripts/validate_video_triptychs.py"
