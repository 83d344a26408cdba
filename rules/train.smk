"""train: the network, from the study file alone, once for each seed."""

from giblet.config import training_seeds

NETWORK = f"{RESULTS}/train/{config['model']['name']}"
OF_SEED = f"{NETWORK}/seed-{{train_seed}}"
SEEDS = training_seeds(config)


wildcard_constraints:
    train_seed=r"\d+",


rule train_network:
    input:
        study=f"{RESULTS}/align/study.h5",
    output:
        model=f"{OF_SEED}/model.safetensors",
        last=f"{OF_SEED}/last.safetensors",
        kwargs=f"{OF_SEED}/model.json",
        history=f"{OF_SEED}/history.csv",
        metrics=f"{OF_SEED}/metrics.json",
    log:
        f"{LOGS}/train/{config['model']['name']}_seed-{{train_seed}}.log",
    benchmark:
        f"{BENCHMARKS}/train/{config['model']['name']}_seed-{{train_seed}}.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=3000,
        runtime=1440,
    params:
        **settings_but({"seeds"}, "model", "train"),
        # Outside the outputs, which Snakemake deletes when a job fails.
        # The job's own seed is in its path, so that one more seed trains one more network.
        seed="{train_seed}",
        checkpoints=f"{RESULTS}/train/.checkpoints",
        code=code("train_network.py"),
    script:
        "../workflow/scripts/train_network.py"


rule train_summary:
    input:
        histories=expand(f"{OF_SEED}/history.csv", train_seed=SEEDS),
        metrics=expand(f"{OF_SEED}/metrics.json", train_seed=SEEDS),
    output:
        history=f"{NETWORK}/history.csv",
        metrics=f"{NETWORK}/metrics.json",
        seeds=f"{NETWORK}/seeds.csv",
    log:
        f"{LOGS}/train/{config['model']['name']}.log",
    benchmark:
        f"{BENCHMARKS}/train/{config['model']['name']}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        seeds=SEEDS,
        code=code("train_summary.py"),
    script:
        "../workflow/scripts/train_summary.py"
