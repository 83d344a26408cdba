"""validate: scores, maps, sounds, films and sentences of the held-out film."""

VALIDATE = f"{RESULTS}/validate"
STUDY = f"{RESULTS}/align/study.h5"
BASELINE = f"{RESULTS}/train/ridge/baseline.h5"
PREDICTIONS = f"{VALIDATE}/predictions.h5"

# What was planted is known of simulated BOLD only.
TRUTH = branch(
    lookup(dpath="simulate/bold/make", within=config),
    then=[f"{RESULTS}/simulate/truth.h5"],
    otherwise=[],
)
# Only whole runs that are held out hold test TRs; with blocks all runs do.
TEST_RUNS = {
    "blocks": RUN_NAMES,
    "runs": list(RUNS.loc[RUNS["split"] == "test", "run"]),
    "leave_one_run_out": [config["align"]["held_out"] or RUN_NAMES[-1]],
}[config["align"]["scheme"]]
EXAMPLES = range(1, config["validate"]["video"]["n_examples"] + 1)
WAVS = ["original", "ceiling", "model", "from_bold", "from_predicted"]
FILMS = ["original", "model", "from_bold", "from_predicted"]
MAPS = ["r", "r_normalised", "q"]
UNIQUE = ["unique_video", "unique_audio", "unique_text"]
VOLUMES = [*MAPS, "delay_s", "delay_model_s", *UNIQUE]
STATISTICS = settings("seed", "validate/statistics")
# Of several networks each is scored on its own as well, and its scores are put into the tables.
SINGLE = f"{VALIDATE}/seeds/seed-{{train_seed}}"
SINGLES = {
    modality: expand(
        f"{SINGLE}/{modality}/metrics.csv", train_seed=SEEDS if SEEDS[1:] else []
    )
    for modality in ("fmri", "audio", "video", "text")
}


rule validate_predict:
    input:
        study=STUDY,
        models=expand(f"{OF_SEED}/model.safetensors", train_seed=SEEDS),
        kwargs=expand(f"{OF_SEED}/model.json", train_seed=SEEDS),
    output:
        predictions=PREDICTIONS,
    log:
        f"{LOGS}/validate/predict.log",
    benchmark:
        f"{BENCHMARKS}/validate/predict.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        code=code("validate_predict.py"),
    script:
        "../workflow/scripts/validate_predict.py"


rule validate_fmri_scores:
    input:
        study=STUDY,
        predictions=PREDICTIONS,
        baseline=BASELINE,
        ceiling=f"{RESULTS}/brain/ceiling.h5",
        partition=f"{RESULTS}/train/ridge/partition.h5",
        regressors=expand(f"{RESULTS}/align/{{run}}/regressors.h5", run=RUN_NAMES),
        truth=TRUTH,
        singles=SINGLES["fmri"],
    output:
        metrics=report(
            f"{VALIDATE}/fmri/metrics.csv",
            category="fMRI",
            caption="../workflow/report/validate_metrics.rst",
        ),
        trs=f"{VALIDATE}/fmri/trs.tsv",
        voxels=f"{VALIDATE}/fmri/voxels.h5",
        region_table=report(
            f"{VALIDATE}/fmri/by_region.csv",
            category="fMRI",
            caption="../workflow/report/validate_metrics.rst",
        ),
        run_table=report(
            f"{VALIDATE}/fmri/by_run.csv",
            category="fMRI",
            caption="../workflow/report/validate_metrics.rst",
        ),
        partition_table=report(
            f"{VALIDATE}/fmri/partition.csv",
            category="fMRI",
            caption="../workflow/report/validate_metrics.rst",
        ),
    log:
        f"{LOGS}/validate/fmri_scores.log",
    benchmark:
        f"{BENCHMARKS}/validate/fmri_scores.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        **STATISTICS,
        **settings("validate/fmri"),
        code=code("validate_fmri_scores.py"),
    script:
        "../workflow/scripts/validate_fmri_scores.py"


include: "validate_maps.smk"
include: "validate_audio.smk"
include: "validate_video.smk"
include: "validate_text.smk"
include: "validate_seeds.smk"
