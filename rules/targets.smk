"""What users ask for by name. Each target is a list of files that the stages make."""

SHOWN_MAPS = {
    "voxels": expand(
        f"{VALIDATE}/fmri/{{subject}}_{{name}}.nii.gz", subject=SUBJECTS, name=VOLUMES
    ),
    # Parcels have no image to put a map in.
    "parcels": [],
}[config["brain"]["kind"]]


# On a cluster these run where Snakemake runs: they read tables of a few kB.
localrules:
    train_summary,
    validate_ablation_table,


rule stimulus:
    input:
        if_has("video", per_run(rules.stimulus_video.output.frames)),
        if_has("audio", per_run(rules.stimulus_audio.output.sound)),
        if_has("text", per_run(rules.stimulus_text.output.text)),


rule features:
    input:
        per_run(AUDIO_FEATURES),
        per_run(TEXT_FEATURES),
        per_run(VIDEO_FEATURES),


rule brain:
    input:
        SPACE.values(),
        per_scan(rules.brain_run.output.bold),
        rules.brain_ceiling.output,


rule align:
    input:
        rules.align_splits.output,
        per_run(rules.align_regressors.output.regressors),
        rules.align_study.output,


rule train:
    input:
        expand(rules.train_network.output, train_seed=SEEDS),
        rules.train_summary.output,
        rules.train_baseline.output,


rule baseline:
    input:
        rules.train_baseline.output,
        rules.train_partition.output,


rule ablation_audio:
    input:
        rules.validate_ablation_audio_table.output,


rule ablation_temporal:
    input:
        expand(rules.validate_ablation_table.output, ablation="temporal"),


rule ablation_hrf:
    input:
        expand(rules.validate_ablation_table.output, ablation="hrf"),


rule ablation_modality_dropout:
    input:
        expand(rules.validate_ablation_table.output, ablation="modality_dropout"),


rule validate_fmri:
    input:
        rules.validate_fmri_scores.output,
        rules.validate_fmri_figures.output,
        rules.validate_fmri_surface.output,
        SHOWN_MAPS,


rule validate_audio:
    input:
        if_has("audio", rules.validate_audio_decode.output),
        if_has("audio", rules.validate_audio_scores.output),
        if_has("audio", rules.validate_audio_figures.output),


rule validate_video:
    input:
        if_has("video", rules.validate_video_scores.output),
        if_has("video", rules.validate_video_figures.output),
        if_has("video", rules.validate_video_triptychs.output),


rule validate_text:
    input:
        if_has("text", rules.validate_text_scores.output),
        if_has("text", rules.validate_text_regions.output),
        if_has("text", rules.validate_text_figures.output),


rule validate:
    input:
        rules.validate_fmri.input,
        rules.validate_audio.input,
        rules.validate_video.input,
        rules.validate_text.input,
        rules.validate_report.output,
