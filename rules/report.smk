"""The HTML report: one self-contained page over everything that validate wrote."""

import json

from giblet.validate.report.templating import templates_digest

REPORT_EXAMPLES = range(1, config["validate"]["video"]["n_examples"] + 1)
REPORT_TABLES = [
    "fmri/metrics.csv",
    "fmri/by_region.csv",
    "fmri/by_run.csv",
    "fmri/voxels.h5",
    "audio/metrics.csv",
    "audio/shown.tsv",
    "video/metrics.csv",
    "video/examples.tsv",
    "text/metrics.csv",
    "text/retrieved.tsv",
]
REPORT_PICTURES = [
    "fmri/glass_r.png",
    "fmri/glass_r_ridge.png",
    "fmri/glass_delay.png",
    "fmri/model_vs_ridge.png",
    "video/scores.png",
    "text/ranks.png",
]


rule validate_report:
    input:
        splits=f"{RESULTS}/align/splits.tsv",
        ceiling=f"{RESULTS}/brain/ceiling.h5",
        history=f"{RESULTS}/train/{config['model']['name']}/history.csv",
        training=f"{RESULTS}/train/{config['model']['name']}/metrics.json",
        baseline=f"{RESULTS}/train/ridge/baseline.h5",
        tables=expand(f"{VALIDATE}/{{name}}", name=REPORT_TABLES),
        pictures=expand(f"{VALIDATE}/{{name}}", name=REPORT_PICTURES),
        maps=expand(
            f"{VALIDATE}/fmri/{{subject}}_{{name}}.png",
            subject=SUBJECTS,
            name=["r", "r_normalised", "q"],
        ),
        frames=expand(
            f"{VALIDATE}/video/frames_{{kind}}_{{number}}.png",
            kind=["best", "median", "worst", "random"],
            number=REPORT_EXAMPLES,
        ),
        films=expand(
            f"{VALIDATE}/video/{{run}}_{{source}}.mp4",
            run=TEST_RUNS,
            source=["original", "model", "from_bold", "from_predicted"],
        ),
        sounds=expand(
            f"{VALIDATE}/audio/{{run}}_{{source}}.wav",
            run=TEST_RUNS,
            source=["original", "ceiling", "model", "from_bold", "from_predicted"],
        ),
        spectrograms=expand(f"{VALIDATE}/audio/{{run}}_spectrograms.png", run=TEST_RUNS),
    output:
        html=report(
            f"{VALIDATE}/report/index.html",
            category="Report",
            caption="../workflow/report/report.rst",
        ),
    log:
        f"{LOGS}/validate/report.log",
    benchmark:
        f"{BENCHMARKS}/validate/report.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        **settings("validate/report"),
        results=RESULTS,
        # The page states the configuration that was used, so all of it counts.
        settings_json=json.dumps(config, sort_keys=True),
        templates=templates_digest(),
        code=code("validate_report.py"),
    script:
        "../workflow/scripts/validate_report.py"
