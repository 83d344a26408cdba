"""train and validate: the heads of sound, compared. Only run when asked for."""

from giblet.train.variants import PLAIN, VARIANTS

ABLATION = f"{RESULTS}/train/ablation_audio"
SOUNDTRACKS = per_run(f"{RESULTS}/stimulus/{{run}}/audio.wav")


rule train_ablation_audio:
    input:
        study=STUDY,
    output:
        model=f"{ABLATION}/{{variant}}/model.safetensors",
        last=f"{ABLATION}/{{variant}}/last.safetensors",
        kwargs=f"{ABLATION}/{{variant}}/model.json",
        history=f"{ABLATION}/{{variant}}/history.csv",
        metrics=f"{ABLATION}/{{variant}}/metrics.json",
    log:
        f"{LOGS}/train/ablation_audio_{{variant}}.log",
    benchmark:
        f"{BENCHMARKS}/train/ablation_audio_{{variant}}.tsv"
    wildcard_constraints:
        variant="|".join(VARIANTS),
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=4000,
        runtime=1440,
    params:
        # The variant says what the settings of the heads are, the configuration all others.
        **settings_but({*PLAIN, "seeds"}, "seed", "model", "train"),
        variant="{variant}",
        checkpoints=f"{RESULTS}/train/.checkpoints",
        code=code("train_ablation_audio.py"),
    script:
        "../workflow/scripts/train_ablation_audio.py"


rule validate_ablation_audio:
    input:
        study=STUDY,
        model=f"{ABLATION}/{{variant}}/model.safetensors",
        kwargs=f"{ABLATION}/{{variant}}/model.json",
        audio=SOUNDTRACKS,
    output:
        scores=f"{ABLATION}/{{variant}}/scores.tsv",
    log:
        f"{LOGS}/validate/ablation_audio_{{variant}}.log",
    benchmark:
        f"{BENCHMARKS}/validate/ablation_audio_{{variant}}.tsv"
    wildcard_constraints:
        variant="|".join(VARIANTS),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        **settings("validate/audio/clip_trs"),
        variant="{variant}",
        code=code("validate_ablation_audio.py"),
    script:
        "../workflow/scripts/validate_ablation_audio.py"


rule validate_ablation_audio_table:
    input:
        study=STUDY,
        audio=SOUNDTRACKS,
        scores=expand(f"{ABLATION}/{{variant}}/scores.tsv", variant=VARIANTS),
    output:
        table=f"{ABLATION}/ablation.csv",
        page=f"{ABLATION}/ablation.md",
    log:
        f"{LOGS}/validate/ablation_audio_table.log",
    benchmark:
        f"{BENCHMARKS}/validate/ablation_audio_table.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **settings("validate/audio/clip_trs"),
        code=code("validate_ablation_audio_table.py"),
    script:
        "../workflow/scripts/validate_ablation_audio_table.py"
