"""giblet: a film, what is said in it, the brains that watched it, and one network between."""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/simulate.smk"
include: "rules/stimulus.smk"
include: "rules/features.smk"
include: "rules/benchmark_codecs.smk"
include: "rules/brain.smk"
include: "rules/align.smk"
include: "rules/train.smk"
include: "rules/baseline.smk"
include: "rules/validate.smk"
include: "rules/ablation.smk"
include: "rules/ablation_audio.smk"
include: "rules/report.smk"
include: "rules/targets.smk"
include: "rules/params.smk"
include: "rules/unrecorded.smk"


rule all:
    default_target: True
    input:
        rules.validate_report.output,
        SHOWN_MAPS,
