"""train and validate: the heads of sound, compared. Only run when asked for."""

HEADS = f"{RESULTS}/train/ablation_audio"
# One network of each variant is listened to.
HEARD = f"{HEADS}/{{variant}}/seed-1"
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
        f"{LOGS}/validate/ablation_audio_{{variant}}.log",
    benchmark:
        f"{BENCHMARKS}/validate/ablation_audio_{{variant}}.tsv"
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
        scores=expand(f"{HEARD}/scores.tsv", variant=ABLATIONS["audio"]),
    output:
        table=f"{HEADS}/ablation.csv",
        page=f"{HEADS}/ablation.md",
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
