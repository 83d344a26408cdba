"""train and validate: the heads of sound, compared. Only run when asked for."""

HEADS = f"{RESULTS}/train/ablation_audio"
HEARD = f"{HEADS}/{{variant}}/seed-{{number}}"
SOUNDTRACKS = per_run(f"{RESULTS}/stimulus/{{run}}/audio.wav")


rule validate_ablation_audio:
    input:
        study=STUDY,
        model=f"{HEARD}/model.safetensors",
        kwargs=f"{HEARD}/model.json",
        audio=SOUNDTRACKS,
    output:
        scores=f"{HEARD}/scores.tsv",
    log:
        f"{LOGS}/validate/ablation_audio/{{variant}}_{{number}}.log",
    benchmark:
        f"{BENCHMARKS}/validate/ablation_audio/{{variant}}_{{number}}.tsv"
    wildcard_constraints:
        variant="|".join(ABLATIONS["audio"]),
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
        scores=expand(
            f"{HEARD}/scores.tsv",
            variant=ABLATIONS["audio"],
            number=range(1, N_SEEDS + 1),
        ),
    output:
        table=f"{HEADS}/ablation.csv",
        page=f"{HEADS}/ablation.md",
    log:
        f"{LOGS}/validate/ablation_audio/table.log",
    benchmark:
        f"{BENCHMARKS}/validate/ablation_audio/table.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **settings("seed", "validate/audio/clip_trs", "validate/statistics/n_bootstrap"),
        code=code("validate_ablation_audio_table.py"),
    script:
        "../workflow/scripts/validate_ablation_audio_table.py"
