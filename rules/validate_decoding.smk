"""validate: what comes back as sound, picture and words, scored and shown."""


rule validate_audio_decode:
    input:
        study=STUDY,
        predictions=PREDICTIONS,
        audio=expand(f"{RESULTS}/stimulus/{{run}}/audio.wav", run=RUN_NAMES),
    output:
        decoded=f"{VALIDATE}/audio/decoded.h5",
        shown=f"{VALIDATE}/audio/shown.tsv",
        wavs=report(
            expand(
                f"{VALIDATE}/audio/{{run}}_{{source}}.wav", run=TEST_RUNS, source=WAVS
            ),
            category="Audio",
            caption="../workflow/report/validate_samples.rst",
        ),
    log:
        f"{LOGS}/validate/audio_decode.log",
    benchmark:
        f"{BENCHMARKS}/validate/audio_decode.tsv"
    threads: 2
    resources:
        mem_mb=2500,
        runtime=120,
    params:
        **settings("seed", "validate/audio/decode_from"),
        runs=TEST_RUNS,
        code=code("validate_audio_decode.py"),
    script:
        "../workflow/scripts/validate_audio_decode.py"


rule validate_audio_scores:
    input:
        study=STUDY,
        decoded=f"{VALIDATE}/audio/decoded.h5",
        baseline=BASELINE,
    output:
        metrics=report(
            f"{VALIDATE}/audio/metrics.csv",
            category="Audio",
            caption="../workflow/report/validate_metrics.rst",
        ),
        clips=f"{VALIDATE}/audio/clips.tsv",
    log:
        f"{LOGS}/validate/audio_scores.log",
    benchmark:
        f"{BENCHMARKS}/validate/audio_scores.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=120,
    params:
        **STATISTICS,
        **settings("validate/audio/clip_trs"),
        code=code("validate_audio_scores.py"),
    script:
        "../workflow/scripts/validate_audio_scores.py"


rule validate_audio_figures:
    input:
        wavs=expand(
            f"{VALIDATE}/audio/{{run}}_{{source}}.wav", run=TEST_RUNS, source=WAVS
        ),
    output:
        spectrograms=expand(f"{VALIDATE}/audio/{{run}}_spectrograms.png", run=TEST_RUNS),
    log:
        f"{LOGS}/validate/audio_figures.log",
    benchmark:
        f"{BENCHMARKS}/validate/audio_figures.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        **settings("validate/audio/figures"),
        code=code("validate_audio_figures.py"),
    script:
        "../workflow/scripts/validate_audio_figures.py"


rule validate_video_scores:
    input:
        study=STUDY,
        predictions=PREDICTIONS,
        baseline=BASELINE,
    output:
        metrics=report(
            f"{VALIDATE}/video/metrics.csv",
            category="Video",
            caption="../workflow/report/validate_metrics.rst",
        ),
        trs=f"{VALIDATE}/video/trs.tsv",
    log:
        f"{LOGS}/validate/video_scores.log",
    benchmark:
        f"{BENCHMARKS}/validate/video_scores.tsv"
    threads: 1
    resources:
        mem_mb=2500,
        runtime=120,
    params:
        **STATISTICS,
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
        films=expand(
            f"{VALIDATE}/video/{{run}}_{{source}}.mp4", run=TEST_RUNS, source=FILMS
        ),
        scores=f"{VALIDATE}/video/scores.png",
    log:
        f"{LOGS}/validate/video_figures.log",
    benchmark:
        f"{BENCHMARKS}/validate/video_figures.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **settings("seed", "validate/video"),
        runs=TEST_RUNS,
        code=code("validate_video_figures.py"),
    script:
        "../workflow/scripts/validate_video_figures.py"


rule validate_text_scores:
    input:
        study=STUDY,
        predictions=PREDICTIONS,
        baseline=BASELINE,
        texts=expand(f"{RESULTS}/stimulus/{{run}}/text.tsv", run=RUN_NAMES),
    output:
        metrics=report(
            f"{VALIDATE}/text/metrics.csv",
            category="Text",
            caption="../workflow/report/validate_metrics.rst",
        ),
        retrieved=report(
            f"{VALIDATE}/text/retrieved.tsv",
            category="Text",
            caption="../workflow/report/validate_samples.rst",
        ),
    log:
        f"{LOGS}/validate/text_scores.log",
    benchmark:
        f"{BENCHMARKS}/validate/text_scores.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **STATISTICS,
        code=code("validate_text_scores.py"),
    script:
        "../workflow/scripts/validate_text_scores.py"


rule validate_text_figures:
    input:
        retrieved=f"{VALIDATE}/text/retrieved.tsv",
    output:
        ranks=f"{VALIDATE}/text/ranks.png",
    log:
        f"{LOGS}/validate/text_figures.log",
    benchmark:
        f"{BENCHMARKS}/validate/text_figures.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=20,
    params:
        **settings("validate/text"),
        code=code("validate_text_figures.py"),
    script:
        "../workflow/scripts/validate_text_figures.py"
