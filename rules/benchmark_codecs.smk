"""features: ways to store the study's sound, compared on excerpts of it."""

BAKEOFF = f"{RESULTS}/features/benchmark_codecs"
FURTHER_FILES = [
    path
    for kind in ("speech", "music", "mixed")
    for path in config["features"]["benchmark_codecs"][f"{kind}_files"]
]


rule benchmark_codecs:
    input:
        audio=per_run(f"{RESULTS}/stimulus/{{run}}/audio.wav"),
        text=per_run(f"{RESULTS}/stimulus/{{run}}/text.tsv"),
        # The job refuses a missing one in the words of the key that names it.
        files=[path for path in FURTHER_FILES if os.path.exists(path)],
    output:
        scores=f"{BAKEOFF}/scores.csv",
        table=f"{BAKEOFF}/table.csv",
        page=f"{BAKEOFF}/table.md",
        plot=f"{BAKEOFF}/codecs.png",
        sounds=directory(f"{BAKEOFF}/sounds"),
    log:
        f"{LOGS}/features/benchmark_codecs.log",
    benchmark:
        f"{BENCHMARKS}/features/benchmark_codecs.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        **settings(
            "seed",
            "tr_s",
            "features/audio/bandwidth_kbps",
            "features/audio/codec",
            "features/audio/n_codebooks",
            "features/audio/revision",
            "features/audio/sample_rate_hz",
            "features/benchmark_codecs",
        ),
        runs=RUN_NAMES,
        weights=[
            weights_fingerprint(name.rpartition("@")[0])
            for name in (
                f"{config['features']['audio']['codec']}@",
                *config["features"]["benchmark_codecs"]["codecs"],
            )
        ],
        code=code("features_benchmark_codecs.py"),
    script:
        "../workflow/scripts/features_benchmark_codecs.py"
