"""validate: every network alone, when there are several; the same rules, another folder."""


use rule validate_predict as validate_predict_single with:
    input:
        study=STUDY,
        models=[f"{OF_SEED}/model.safetensors"],
        kwargs=[f"{OF_SEED}/model.json"],
    output:
        predictions=f"{SINGLE}/predictions.h5",
    log:
        f"{LOGS}/validate/predict_seed-{{train_seed}}.log",
    benchmark:
        f"{BENCHMARKS}/validate/predict_seed-{{train_seed}}.tsv"


use rule validate_fmri_scores as validate_fmri_scores_single with:
    input:
        study=STUDY,
        predictions=f"{SINGLE}/predictions.h5",
        baseline=BASELINE,
        ceiling=f"{RESULTS}/brain/ceiling.h5",
        partition=f"{RESULTS}/train/ridge/partition.h5",
        regressors=expand(f"{RESULTS}/align/{{run}}/regressors.h5", run=RUN_NAMES),
        truth=TRUTH,
    output:
        metrics=f"{SINGLE}/fmri/metrics.csv",
        trs=f"{SINGLE}/fmri/trs.tsv",
        voxels=f"{SINGLE}/fmri/voxels.h5",
        region_table=f"{SINGLE}/fmri/by_region.csv",
        run_table=f"{SINGLE}/fmri/by_run.csv",
        partition_table=f"{SINGLE}/fmri/partition.csv",
    log:
        f"{LOGS}/validate/fmri_scores_seed-{{train_seed}}.log",
    benchmark:
        f"{BENCHMARKS}/validate/fmri_scores_seed-{{train_seed}}.tsv"


use rule validate_audio_decode as validate_audio_decode_single with:
    input:
        study=STUDY,
        predictions=f"{SINGLE}/predictions.h5",
        audio=expand(f"{RESULTS}/stimulus/{{run}}/audio.wav", run=RUN_NAMES),
    output:
        decoded=f"{SINGLE}/audio/decoded.h5",
        shown=f"{SINGLE}/audio/shown.tsv",
        wavs=expand(
            f"{SINGLE}/audio/{{run}}_{{source}}.wav",
            run=TEST_RUNS,
            source=WAVS,
            allow_missing=True,
        ),
    log:
        f"{LOGS}/validate/audio_decode_seed-{{train_seed}}.log",
    benchmark:
        f"{BENCHMARKS}/validate/audio_decode_seed-{{train_seed}}.tsv"


use rule validate_audio_scores as validate_audio_scores_single with:
    input:
        study=STUDY,
        decoded=f"{SINGLE}/audio/decoded.h5",
        baseline=BASELINE,
        texts=expand(f"{RESULTS}/stimulus/{{run}}/text.tsv", run=RUN_NAMES),
    output:
        metrics=f"{SINGLE}/audio/metrics.csv",
        trs=f"{SINGLE}/audio/trs.tsv",
        clips=f"{SINGLE}/audio/clips.tsv",
        series=f"{SINGLE}/audio/series.h5",
    log:
        f"{LOGS}/validate/audio_scores_seed-{{train_seed}}.log",
    benchmark:
        f"{BENCHMARKS}/validate/audio_scores_seed-{{train_seed}}.tsv"


use rule validate_video_scores as validate_video_scores_single with:
    input:
        study=STUDY,
        predictions=f"{SINGLE}/predictions.h5",
        baseline=BASELINE,
    output:
        metrics=f"{SINGLE}/video/metrics.csv",
        trs=f"{SINGLE}/video/trs.tsv",
        series=f"{SINGLE}/video/series.h5",
    log:
        f"{LOGS}/validate/video_scores_seed-{{train_seed}}.log",
    benchmark:
        f"{BENCHMARKS}/validate/video_scores_seed-{{train_seed}}.tsv"


use rule validate_text_scores as validate_text_scores_single with:
    input:
        study=STUDY,
        predictions=f"{SINGLE}/predictions.h5",
        baseline=BASELINE,
        texts=expand(f"{RESULTS}/stimulus/{{run}}/text.tsv", run=RUN_NAMES),
    output:
        metrics=f"{SINGLE}/text/metrics.csv",
        trs=f"{SINGLE}/text/trs.tsv",
        retrieved=f"{SINGLE}/text/retrieved.tsv",
    log:
        f"{LOGS}/validate/text_scores_seed-{{train_seed}}.log",
    benchmark:
        f"{BENCHMARKS}/validate/text_scores_seed-{{train_seed}}.tsv"
