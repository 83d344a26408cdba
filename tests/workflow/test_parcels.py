"""A study of parcels, one table per scan, from its tables to the report."""

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.support.checkout import TINY

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

N_PARCELS = 100


@pytest.fixture
def study(finished, tmp_path):
    """The finished study's scans as means over parcels, and the tables that name them."""
    copy = finished.copy(tmp_path / "giblet")
    made = copy.folder / "results" / "tiny"
    mask = nibabel.load(made / "brain" / "mask.nii.gz").get_fdata() > 0
    label = np.arange(mask.sum()) % N_PARCELS
    scans = ["subject\trun\tbold"]
    for subject in ("sub-01", "sub-02"):
        for run in ("run-1", "run-2"):
            bold = nibabel.load(made / "simulate" / f"{subject}_{run}_bold.nii.gz")
            voxels = bold.get_fdata()[mask].T
            parcels = np.stack([voxels[:, label == k].mean(1) for k in range(N_PARCELS)], 1)
            name = f"{subject}_{run}_parcels.tsv"
            columns = [f"parcel-{k}" for k in range(N_PARCELS)]
            pd.DataFrame(parcels, columns=columns).to_csv(copy.folder / name, sep="\t", index=False)
            scans.append(f"{subject}\t{run}\t{name}")
    runs = ["run\tmovie\ttext\tn_trs"]
    for run in ("run-1", "run-2"):
        film = f"results/tiny/simulate/{run}"
        runs.append(f"{run}\t{film}.mp4\t{film}_annotations.tsv\t100")
    (copy.folder / "bold.tsv").write_text("\n".join(scans) + "\n")
    (copy.folder / "runs.tsv").write_text("\n".join(runs) + "\n")
    settings = {
        "dataset": "parcels",
        "runs": "runs.tsv",
        "scans": "bold.tsv",
        "simulate": {"film": {"make": False}, "bold": {"make": False}},
        "brain": {"kind": "parcels", "confound_columns": []},
        "model": {"bottleneck": 64, "parcel_width": 128},
    }
    (copy.folder / "parcels.yaml").write_text(yaml.safe_dump(settings))
    return copy


def test_parcels_reach_the_report(study):
    code, output = study.snakemake(*TINY, "parcels.yaml", warm=True)
    assert code == 0, output[-4000:]
    validate = study.folder / "results" / "parcels" / "validate"
    assert (validate / "report" / "index.html").exists()
    by_region = pd.read_csv(validate / "fmri" / "by_region.csv")
    assert by_region["region"].nunique() == N_PARCELS
