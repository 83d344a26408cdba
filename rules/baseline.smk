"""train: the linear baseline beside the network."""


rule train_baseline:
    input:
        study=f"{RESULTS}/align/study.h5",
        regressors=per_run(f"{RESULTS}/align/{{run}}/regressors.h5"),
    output:
        baseline=f"{RESULTS}/train/ridge/baseline.h5",
    log:
        f"{LOGS}/train/baseline.log",
    benchmark:
        f"{BENCHMARKS}/train/baseline.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        **settings("tr_s", "seed", "align/gap_s", "train/baseline"),
        code=code("train_baseline.py"),
    script:
        "../workflow/scripts/train_baseline.py"


rule train_partition:
    input:
        study=f"{RESULTS}/align/study.h5",
        regressors=per_run(f"{RESULTS}/align/{{run}}/regressors.h5"),
        baseline=f"{RESULTS}/train/ridge/baseline.h5",
    output:
        partition=f"{RESULTS}/train/ridge/partition.h5",
    log:
        f"{LOGS}/train/partition.log",
    benchmark:
        f"{BENCHMARKS}/train/partition.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        **settings(
            "tr_s",
            "seed",
            "align/gap_s",
            "train/baseline/n_weightings",
            "train/baseline/n_alphas",
            "train/baseline/min_log10_alpha",
            "train/baseline/max_log10_alpha",
            "train/baseline/n_folds",
            "train/baseline/batch_voxels",
        ),
        code=code("train_partition.py"),
    script:
        "../workflow/scripts/train_partition.py"
