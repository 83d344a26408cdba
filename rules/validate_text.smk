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


rule validate_text_figures:
    input:
        retrieved=f"{VALIDATE}/text/retrieved.tsv",
    output:
        ranks=report(
            f"{VALIDATE}/text/ranks.png",
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
        **settings("validate/text"),
        code=code("validate_text_figures.py"),
    script:
        "../workflow/scripts/validate_text_figures.py"
