"""align: stimulus and brain on one time axis, split, and stored as training reads them."""

FRAMES = if_has("video", f"{RESULTS}/stimulus/{{run}}/frames.h5")
AUDIO_FEATURES = if_has("audio", f"{RESULTS}/features/{{run}}/audio.h5")
TEXT_FEATURES = if_has("text", f"{RESULTS}/features/{{run}}/text.h5")
# Features of a video backbone replace the picture summaries when one is configured.
VIDEO_FEATURES = if_has(
    "video",
    branch(
        lookup(dpath="features/video/backbone", within=config),
        cases={"none": []},
        otherwise=f"{RESULTS}/features/{{run}}/video.h5",
    ),
)


rule align_splits:
    input:
        frames=per_run(FRAMES),
        audio=per_run(AUDIO_FEATURES),
        text=per_run(TEXT_FEATURES),
        scans=per_scan(f"{RESULTS}/brain/{{subject}}/{{run}}.h5"),
    output:
        splits=f"{RESULTS}/align/splits.tsv",
    log:
        f"{LOGS}/align/splits.log",
    benchmark:
        f"{BENCHMARKS}/align/splits.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        # All runs' pictures, very small, at once.
        mem_mb=1500,
        runtime=60,
    params:
        **settings(
            "tr_s",
            "align/scheme",
            "align/held_out",
            "align/test_fraction",
            "align/val_fraction",
            "align/n_blocks",
            "align/val_every_runs",
            "align/gap_s",
            "align/max_missing_trs",
            "align/delays_trs",
        ),
        runs=RUN_NAMES,
        run_splits=list(RUNS["split"]),
        repeats=REPEATS,
        scan_names=per_scan("{subject}/{run}"),
        code=code("align_splits.py"),
    script:
        "../workflow/scripts/align_splits.py"


rule align_regressors:
    input:
        frames=FRAMES,
        audio=AUDIO_FEATURES,
        text=TEXT_FEATURES,
        video=VIDEO_FEATURES,
    output:
        regressors=f"{RESULTS}/align/{{run}}/regressors.h5",
    log:
        f"{LOGS}/align/{{run}}_regressors.log",
    benchmark:
        f"{BENCHMARKS}/align/{{run}}_regressors.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        **settings(
            "tr_s",
            "align/hrf",
            "align/delays_trs",
            "align/grid_height",
            "align/grid_width",
        ),
        code=code("align_regressors.py"),
    script:
        "../workflow/scripts/align_regressors.py"


rule align_study:
    input:
        splits=f"{RESULTS}/align/splits.tsv",
        frames=per_run(FRAMES),
        audio=per_run(AUDIO_FEATURES),
        text=per_run(TEXT_FEATURES),
        video=per_run(VIDEO_FEATURES),
        scans=per_scan(f"{RESULTS}/brain/{{subject}}/{{run}}.h5"),
        space=f"{RESULTS}/brain/space.h5",
    output:
        study=f"{RESULTS}/align/study.h5",
    log:
        f"{LOGS}/align/study.log",
    benchmark:
        f"{BENCHMARKS}/align/study.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=120,
    params:
        **settings("tr_s"),
        runs=RUN_NAMES,
        repeats=REPEATS,
        scan_names=per_scan("{subject}/{run}"),
        code=code("align_study.py"),
    script:
        "../workflow/scripts/align_study.py"
