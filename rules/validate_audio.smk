"""validate: what comes back as sound, to listen to and scored."""


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
    conda:
        ENVIRONMENT
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
        texts=expand(f"{RESULTS}/stimulus/{{run}}/text.tsv", run=RUN_NAMES),
        singles=SINGLES["audio"],
    output:
        metrics=report(
            f"{VALIDATE}/audio/metrics.csv",
            category="Audio",
            caption="../workflow/report/validate_metrics.rst",
        ),
        trs=f"{VALIDATE}/audio/trs.tsv",
        clips=f"{VALIDATE}/audio/clips.tsv",
        series=f"{VALIDATE}/audio/series.h5",
    log:
        f"{LOGS}/validate/audio_scores.log",
    benchmark:
        f"{BENCHMARKS}/validate/audio_scores.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=120,
    params:
        **STATISTICS,
        **settings(
            "validate/audio/clip_trs",
            "validate/audio/speech",
            "validate/audio/min_speech",
        ),
        code=code("validate_audio_scores.py"),
    script:
        "../workflow/scripts/validate_audio_scores.py"


rule validate_audio_figures:
    input:
        wavs=expand(
            f"{VALIDATE}/audio/{{run}}_{{source}}.wav", run=TEST_RUNS, source=WAVS
        ),
    output:
        spectrograms=report(
            expand(f"{VALIDATE}/audio/{{run}}_spectrograms.png", run=TEST_RUNS),
            category="Audio",
            caption="../workflow/report/validate_figures.rst",
        ),
    log:
        f"{LOGS}/validate/audio_figures.log",
    benchmark:
        f"{BENCHMARKS}/validate/audio_figures.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        **settings("validate/audio/figures"),
        code=code("validate_audio_figures.py"),
    script:
        "../workflow/scripts/validate_audio_figures.py"
