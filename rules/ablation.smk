"""train and validate: networks that differ in one thing, compared. Only run when asked for."""

from giblet.train.variants import ABLATIONS, PLAIN, plans

ABLATION = f"{RESULTS}/train/ablation_{{ablation}}"
ABLATED = f"{ABLATION}/{{variant}}/seed-{{number}}"
TRAINING = settings_but({"seeds"}, "seed", "model", "train")
N_SEEDS = config["train"]["ablation"]["n_seeds"]
# ablation -> variant -> number of the seed -> all settings of that training.
PLANS = plans(TRAINING, N_SEEDS)


wildcard_constraints:
    ablation="|".join(ABLATIONS),
    variant="|".join(name for names in ABLATIONS.values() for name in names),
    number="[1-9][0-9]*",


# A setting of a job's training, by name.
OF_TRAINING = {name: of_training(PLANS, name) for name in TRAINING}
# ablation -> scores of its networks; those that the others are held against come first.
NETWORKS = {
    name: expand(
        f"{ABLATED}/scores.h5",
        ablation=name,
        variant=variants,
        number=range(1, N_SEEDS + 1),
    )
    for name, variants in ABLATIONS.items()
}


rule train_ablation:
    input:
        study=STUDY,
    output:
        model=f"{ABLATED}/model.safetensors",
        last=f"{ABLATED}/last.safetensors",
        kwargs=f"{ABLATED}/model.json",
        history=f"{ABLATED}/history.csv",
        metrics=f"{ABLATED}/metrics.json",
    log:
        f"{LOGS}/train/ablation_{{ablation}}/{{variant}}_{{number}}.log",
    benchmark:
        f"{BENCHMARKS}/train/ablation_{{ablation}}/{{variant}}_{{number}}.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=4000,
        runtime=1440,
    params:
        **OF_TRAINING,
        checkpoints=f"{ABLATION}/.checkpoints/{{variant}}",
        code=code("train_network.py"),
    script:
        "../workflow/scripts/train_network.py"


rule validate_ablation:
    input:
        study=STUDY,
        model=f"{ABLATED}/model.safetensors",
        kwargs=f"{ABLATED}/model.json",
        metrics=f"{ABLATED}/metrics.json",
        ceiling=f"{RESULTS}/brain/ceiling.h5",
        truth=TRUTH,
    output:
        scores=f"{ABLATED}/scores.h5",
    log:
        f"{LOGS}/validate/ablation_{{ablation}}/{{variant}}_{{number}}.log",
    benchmark:
        f"{BENCHMARKS}/validate/ablation_{{ablation}}/{{variant}}_{{number}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        **settings(
            "seed",
            "validate/statistics/n_bootstrap",
            "validate/statistics/block_trs",
            "validate/fmri/min_ceiling",
            "train/spectrum_trs",
            *(f"train/{name}" for name in PLAIN),
        ),
        code=code("validate_ablation.py"),
    script:
        "../workflow/scripts/validate_ablation.py"


rule validate_ablation_table:
    input:
        scores=lookup(dpath="{ablation}", within=NETWORKS),
    output:
        table=f"{ABLATION}/ablation.csv",
        page=f"{ABLATION}/ablation.md",
    log:
        f"{LOGS}/validate/ablation_{{ablation}}/table.log",
    benchmark:
        f"{BENCHMARKS}/validate/ablation_{{ablation}}/table.tsv"
    wildcard_constraints:
        # The heads of sound have a table of their own.
        ablation="(?!audio)[a-z_]+",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        ablation="{ablation}",
        code=code("validate_ablation_table.py"),
    script:
        "../workflow/scripts/validate_ablation_table.py"
