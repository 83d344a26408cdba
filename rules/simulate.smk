# simulate: a study with known truth, a film and the brains that watched it (or any other film)


rule simulate_film:
    output:
        movie=f"{RESULTS}/simulate/{{run}}.mp4",
        annotations=f"{RESULTS}/simulate/{{run}}_annotations.tsv",
    log:
        f"{LOGS}/simulate/{{run}}_film.log",
    benchmark:
        f"{BENCHMARKS}/simulate/{{run}}_film.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=700,
        runtime=60,
    params:
        **settings(
            "seed",
            "tr_s",
            "simulate/film/width",
            "simulate/film/height",
            "simulate/film/frame_rate_hz",
            "simulate/film/sample_rate_hz",
            "simulate/film/scene_min_s",
            "simulate/film/scene_max_s",
            "simulate/film/annotated_share",
            "simulate/film/narrated_share",
        ),
        n_trs=of_run("n_trs"),
        code=code("simulate_film.py"),
    script:
        "../workflow/scripts/simulate_film.py"


rule simulate_truth:
    input:
        # What the study lacks drives no simulated voxel.
        frames=if_has("video", per_run(f"{RESULTS}/stimulus/{{run}}/frames.h5")),
        audio=if_has("audio", per_run(f"{RESULTS}/stimulus/{{run}}/audio.wav")),
        text=if_has("text", per_run(f"{RESULTS}/stimulus/{{run}}/text.tsv")),
    output:
        truth=f"{RESULTS}/simulate/truth.h5",
    log:
        f"{LOGS}/simulate/truth.log",
    benchmark:
        f"{BENCHMARKS}/simulate/truth.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **settings(
            "seed",
            "tr_s",
            "simulate/bold/voxel_mm",
            "simulate/bold/responsive_share",
            "simulate/bold/subject_share",
            "simulate/bold/signal",
            "simulate/bold/ceiling_low",
            "simulate/bold/ceiling_high",
            "simulate/bold/delay_s",
            "simulate/bold/delay_jitter_s",
            "simulate/bold/ar1",
        ),
        runs=RUN_NAMES,
        subjects=SUBJECTS,
        code=code("simulate_truth.py"),
    script:
        "../workflow/scripts/simulate_truth.py"


rule simulate_bold:
    input:
        truth=f"{RESULTS}/simulate/truth.h5",
    output:
        bold=per_run(f"{RESULTS}/simulate/{{{{subject}}}}_{{run}}_bold.nii.gz"),
        confounds=per_run(f"{RESULTS}/simulate/{{{{subject}}}}_{{run}}_confounds.tsv"),
    log:
        f"{LOGS}/simulate/{{subject}}_bold.log",
    benchmark:
        f"{BENCHMARKS}/simulate/{{subject}}_bold.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        **settings("seed", "tr_s", "simulate/bold/drift", "simulate/bold/motion"),
        runs=RUN_NAMES,
        code=code("simulate_bold.py"),
    script:
        "../workflow/scripts/simulate_bold.py"
