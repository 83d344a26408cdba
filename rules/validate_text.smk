"""validate: what comes back as words, scored and looked up."""


rule validate_text_scores:
    input:
        study=STUDY,
        predictions=PREDICTIONS,
        baseline=BASELINE,
        texts=expand(f"{RESULTS}/stimulus/{{run}}/text.tsv", run=RUN_NAMES),
        singles=SINGLES["text"],
    output:
        metrics=report(
            f"{VALIDATE}/text/metrics.csv",
            category="Text",
            caption="../workflow/report/validate_metrics.rst",
        ),
        trs=f"{VALIDATE}/text/trs.tsv",
        retrieved=report(
            f"{VALIDATE}/text/retrieved.tsv",
            category="Text",
            caption="../workflow/report/validate_samples.rst",
        ),
    log:
        f"{LOGS}/validate/text_scores.log",
    benchmark:
        f"{BENCHMARKS}/validate/text_scores.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **STATISTICS,
        code=code("validate_text_scores.py"),
    script:
        "../workflow/scripts/validate_text_scores.py"


rule validate_text_regions:
    input:
        study=STUDY,
        texts=per_run(f"{RESULTS}/stimulus/{{run}}/text.tsv"),
        truth=TRUTH,
    output:
        region_table=report(
            f"{VALIDATE}/text/by_region.csv",
            category="Text",
            caption="../workflow/report/validate_metrics.rst",
        ),
        said=report(
            f"{VALIDATE}/text/region_sentences.tsv",
            category="Text",
            caption="../workflow/report/validate_samples.rst",
        ),
    log:
        f"{LOGS}/validate/text_regions.log",
    benchmark:
        f"{BENCHMARKS}/validate/text_regions.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        **STATISTICS,
        **settings(
            "align/gap_s",
            "train/baseline/decode_delays_trs",
            "train/baseline/n_folds",
            "train/baseline/n_alphas",
            "train/baseline/min_log10_alpha",
            "train/baseline/max_log10_alpha",
            "train/baseline/batch_voxels",
            "validate/text/max_regions",
        ),
        code=code("validate_text_regions.py"),
    script:
        "../workflow/scripts/validate_text_regions.py"


rule validate_text_figures:
    input:
        retrieved=f"{VALIDATE}/text/retrieved.tsv",
        region_table=f"{VALIDATE}/text/by_region.csv",
    output:
        ranks=report(
            f"{VALIDATE}/text/ranks.png",
            category="Text",
            caption="../workflow/report/validate_figures.rst",
        ),
        regions=report(
            f"{VALIDATE}/text/regions.png",
            category="Text",
            caption="../workflow/report/validate_figures.rst",
        ),
    log:
        f"{LOGS}/validate/text_figures.log",
    benchmark:
        f"{BENCHMARKS}/validate/text_figures.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=500,
        runtime=20,
    params:
        **settings("validate/text/dpi"),
        code=code("validate_text_figures.py"),
    script:
        "../workflow/scripts/validate_text_figures.py"
