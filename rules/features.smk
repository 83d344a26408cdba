"""Stage features: codec codes and latents of the sound, embeddings of words and pictures."""

from giblet.features.weights import weights_fingerprint


rule features_audio:
    input:
        audio=f"{RESULTS}/stimulus/{{run}}/audio.wav",
    output:
        audio=f"{RESULTS}/features/{{run}}/audio.h5",
    log:
        f"{LOGS}/features/{{run}}_audio.log",
    benchmark:
        f"{BENCHMARKS}/features/{{run}}_audio.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        **settings("tr_s", "features/audio"),
        weights=weights_fingerprint(config["features"]["audio"]["codec"]),
        code=code("features_audio.py"),
    script:
        "../workflow/scripts/features_audio.py"


rule features_text:
    input:
        text=f"{RESULTS}/stimulus/{{run}}/text.tsv",
    output:
        text=f"{RESULTS}/features/{{run}}/text.h5",
    log:
        f"{LOGS}/features/{{run}}_text.log",
    benchmark:
        f"{BENCHMARKS}/features/{{run}}_text.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **settings("tr_s", "features/text"),
        weights=weights_fingerprint(config["features"]["text"]["model"]),
        code=code("features_text.py"),
    script:
        "../workflow/scripts/features_text.py"


rule features_video:
    input:
        frames=f"{RESULTS}/stimulus/{{run}}/frames.h5",
    output:
        video=f"{RESULTS}/features/{{run}}/video.h5",
    log:
        f"{LOGS}/features/{{run}}_video.log",
    benchmark:
        f"{BENCHMARKS}/features/{{run}}_video.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        **settings("tr_s", "features/video"),
        weights=weights_fingerprint(config["features"]["video"]["backbone"]),
        code=code("features_video.py"),
    script:
        "../workflow/scripts/features_video.py"


rule train_codec:
    output:
        config=f"{RESULTS}/features/codec/config.json",
        model=f"{RESULTS}/features/codec/model.safetensors",
        history=f"{RESULTS}/features/codec/history.csv",
        card=f"{RESULTS}/features/codec/README.md",
    log:
        f"{LOGS}/features/train_codec.log",
    benchmark:
        f"{BENCHMARKS}/features/train_codec.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=4000,
        runtime=1440,
    params:
        **settings("features/train_codec"),
        code=code("features_train_codec.py"),
    script:
        "../workflow/scripts/features_train_codec.py"
