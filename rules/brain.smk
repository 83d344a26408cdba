"""brain: scans in; cleaned time courses per subject and run, and their ceiling, out."""

from giblet.brain.series import brain_masks_beside

BRAIN = config["brain"]

# What the other rules read of the space; parcels have no mask.
SPACE = {
    "voxels": {
        "space": f"{RESULTS}/brain/space.h5",
        "mask": f"{RESULTS}/brain/mask.nii.gz",
    },
    "parcels": {"space": f"{RESULTS}/brain/space.h5"},
}[BRAIN["kind"]]

# The scans that decide the space: all of them for a computed mask, none when a mask is given,
# the first for the labels of parcels.
N_DECIDING = {"voxels": 0 if BRAIN["mask"] else len(SCANS), "parcels": 1}[BRAIN["kind"]]
DECIDING = SCANS.head(N_DECIDING)


rule brain_space:
    input:
        scans=[file for bold in DECIDING["bold"] for file in files_of(bold)],
        mask=BRAIN["mask"] or [],
        brain_masks=brain_masks_beside(DECIDING["bold"]),
        atlas=BRAIN["atlas"] or [],
        atlas_labels=BRAIN["atlas_labels"] or [],
    output:
        **SPACE,
    log:
        f"{LOGS}/brain/space.log",
    benchmark:
        f"{BENCHMARKS}/brain/space.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **settings(
            "brain/kind",
            "brain/mask",
            "brain/mask_method",
            "brain/mask_fraction",
            "brain/resample",
            "brain/atlas",
            "brain/atlas_labels",
            "brain/parcels_dataset",
        ),
        bold=list(DECIDING["bold"]),
        first_volume=list(DECIDING["first_volume"]),
        n_volumes=list(DECIDING["n_volumes"]),
        code=code("brain_space.py"),
    script:
        "../workflow/scripts/brain_space.py"


rule brain_run:
    input:
        **SPACE,
        bold=scan_files,
        confounds=of_scan("confounds"),
    output:
        bold=f"{RESULTS}/brain/{{subject}}/{{run}}.h5",
    log:
        f"{LOGS}/brain/{{subject}}_{{run}}.log",
    benchmark:
        f"{BENCHMARKS}/brain/{{subject}}_{{run}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        **settings(
            "tr_s",
            "brain/kind",
            "brain/check_tr",
            "brain/resample",
            "brain/smoothing_fwhm_mm",
            "brain/confound_columns",
            "brain/high_pass_hz",
            "brain/detrend",
            "brain/parcels_dataset",
        ),
        first_volume=of_scan("first_volume"),
        n_volumes=of_scan("n_volumes"),
        code=code("brain_run.py"),
    script:
        "../workflow/scripts/brain_run.py"


rule brain_ceiling:
    input:
        scans=per_scan(f"{RESULTS}/brain/{{subject}}/{{run}}.h5"),
    output:
        ceiling=f"{RESULTS}/brain/ceiling.h5",
    log:
        f"{LOGS}/brain/ceiling.log",
    benchmark:
        f"{BENCHMARKS}/brain/ceiling.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        **settings(
            "tr_s",
            "seed",
            "brain/ceiling_from",
            "brain/isc_n_bootstrap",
            "brain/isc_block_trs",
        ),
        repeats=REPEATS,
        scan_names=[f"{subject}/{run}" for subject, run in SCAN_PAIRS],
        code=code("brain_ceiling.py"),
    script:
        "../workflow/scripts/brain_ceiling.py"
