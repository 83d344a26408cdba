# stimulus: what was seen, heard and said, in scanner time, one TR after the other


rule stimulus_video:
    input:
        movie=of_run("movie"),
    output:
        frames=f"{RESULTS}/stimulus/{{run}}/frames.h5",
    log:
        f"{LOGS}/stimulus/{{run}}_video.log",
    benchmark:
        f"{BENCHMARKS}/stimulus/{{run}}_video.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        **settings("tr_s", "stimulus", "stimulus/video"),
        n_trs=of_run("n_trs"),
        movie_onset_s=of_run("movie_onset_s"),
        code=code("stimulus_video.py"),
    script:
        "../workflow/scripts/stimulus_video.py"


rule stimulus_audio:
    input:
        movie=of_run("movie"),
    output:
        sound=f"{RESULTS}/stimulus/{{run}}/audio.wav",
    log:
        f"{LOGS}/stimulus/{{run}}_audio.log",
    benchmark:
        f"{BENCHMARKS}/stimulus/{{run}}_audio.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    params:
        **settings(
            "tr_s", "stimulus", "stimulus/audio", "features/audio/sample_rate_hz"
        ),
        n_trs=of_run("n_trs"),
        movie_onset_s=of_run("movie_onset_s"),
        code=code("stimulus_audio.py"),
    script:
        "../workflow/scripts/stimulus_audio.py"


rule stimulus_text:
    input:
        # The film gives the run's length where the runs table does not.
        movie=of_run("movie"),
        text=of_run("text"),
    output:
        text=f"{RESULTS}/stimulus/{{run}}/text.tsv",
    log:
        f"{LOGS}/stimulus/{{run}}_text.log",
    benchmark:
        f"{BENCHMARKS}/stimulus/{{run}}_text.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        **settings("tr_s", "stimulus", "stimulus/text"),
        n_trs=of_run("n_trs"),
        movie_onset_s=of_run("movie_onset_s"),
        text_part=of_run("text_part"),
        text_parts=of_text(0),
        text_shared=of_text(1),
        code=code("stimulus_text.py"),
    script:
        "../workflow/scripts/stimulus_text.py"
