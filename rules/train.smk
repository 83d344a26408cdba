"""train: the network, from the study file alone."""

NETWORK = f"{RESULTS}/train/{config['model']['name']}"


rule train_network:
    input:
        study=f"{RESULTS}/align/study.h5",
    output:
        model=f"{NETWORK}/model.safetensors",
        last=f"{NETWORK}/last.safetensors",
        kwargs=f"{NETWORK}/model.json",
        history=f"{NETWORK}/history.csv",
        metrics=f"{NETWORK}/metrics.json",
    log:
        f"{LOGS}/train/{config['model']['name']}.log",
    benchmark:
        f"{BENCHMARKS}/train/{config['model']['name']}.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=3000,
        runtime=1440,
    params:
        **settings("seed", "model", "train"),
        # Outside the outputs, which Snakemake deletes when a job fails.
        checkpoints=f"{RESULTS}/train/.checkpoints",
        code=code("train_network.py"),
    script:
        "../workflow/scripts/train_network.py"
