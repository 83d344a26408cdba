"""validate: the scores of the brain as maps and figures."""


rule validate_fmri_maps:
    input:
        voxels=f"{VALIDATE}/fmri/voxels.h5",
    output:
        maps=expand(
            f"{VALIDATE}/fmri/{{subject}}_{{name}}.nii.gz",
            subject=SUBJECTS,
            name=VOLUMES,
        ),
    log:
        f"{LOGS}/validate/fmri_maps.log",
    benchmark:
        f"{BENCHMARKS}/validate/fmri_maps.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code("validate_fmri_maps.py"),
    script:
        "../workflow/scripts/validate_fmri_maps.py"


rule validate_fmri_figures:
    input:
        voxels=f"{VALIDATE}/fmri/voxels.h5",
        metrics=f"{VALIDATE}/fmri/metrics.csv",
        region_table=f"{VALIDATE}/fmri/by_region.csv",
        run_table=f"{VALIDATE}/fmri/by_run.csv",
        partition_table=f"{VALIDATE}/fmri/partition.csv",
    output:
        maps=report(
            expand(
                f"{VALIDATE}/fmri/{{subject}}_{{name}}.png",
                subject=SUBJECTS,
                name=[*MAPS, "delay_s", "best"],
            ),
            category="fMRI",
            caption="../workflow/report/validate_maps.rst",
        ),
        glass=report(
            expand(
                f"{VALIDATE}/fmri/glass_{{name}}.png",
                name=["r", "r_ridge", "delay"] + UNIQUE,
            ),
            category="fMRI",
            caption="../workflow/report/validate_figures.rst",
        ),
        scatter=report(
            f"{VALIDATE}/fmri/model_vs_ridge.png",
            category="fMRI",
            caption="../workflow/report/validate_figures.rst",
        ),
        partition=report(
            f"{VALIDATE}/fmri/partition.png",
            category="fMRI",
            caption="../workflow/report/validate_figures.rst",
        ),
        regions=report(
            f"{VALIDATE}/fmri/regions.png",
            category="fMRI",
            caption="../workflow/report/validate_figures.rst",
        ),
        subjects=report(
            f"{VALIDATE}/fmri/subjects.png",
            category="fMRI",
            caption="../workflow/report/validate_figures.rst",
        ),
        runs=report(
            f"{VALIDATE}/fmri/runs.png",
            category="fMRI",
            caption="../workflow/report/validate_figures.rst",
        ),
    log:
        f"{LOGS}/validate/fmri_figures.log",
    benchmark:
        f"{BENCHMARKS}/validate/fmri_figures.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        **settings("validate/fmri/figures"),
        code=code("validate_fmri_figures.py"),
    script:
        "../workflow/scripts/validate_fmri_figures.py"


rule validate_fmri_surface:
    input:
        voxels=f"{VALIDATE}/fmri/voxels.h5",
        # Its header says which space the study's grid is in.
        reference=BRAIN["mask"] or files_of(SCANS["bold"].iloc[0])[0],
    output:
        surfaces=report(
            expand(
                f"{VALIDATE}/fmri/surface_{{name}}.png",
                name=["r", "r_ridge", "r_normalised", "delay"],
            ),
            category="fMRI",
            caption="../workflow/report/validate_maps.rst",
        ),
    log:
        f"{LOGS}/validate/fmri_surface.log",
    benchmark:
        f"{BENCHMARKS}/validate/fmri_surface.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        **settings("brain/space", "validate/fmri/figures/dpi"),
        code=code("validate_fmri_surface.py"),
    script:
        "../workflow/scripts/validate_fmri_surface.py"
