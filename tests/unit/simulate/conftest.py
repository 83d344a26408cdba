"""Small simulated studies, made once for all tests of the stage."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import h5py
import nibabel
import numpy as np
import pytest

from giblet.simulate.bold import noiseless, write_scans
from giblet.simulate.truth import write_truth
from tests.support.stimulus_files import write_stimulus

RUNS = ("run-1", "run-2")
SUBJECTS = ("sub-01", "sub-02")
N_TRS = (220, 180)
TRUTH = {
    "tr_s": "1.5",
    "voxel_mm": 15.0,
    "responsive_share": 0.6,
    "subject_share": 0.6,
    "signal": 1.0,
    "ceiling_low": 0.3,
    "ceiling_high": 0.8,
    "delay_s": 5.0,
    "delay_jitter_s": 0.7,
    "ar1": 0.4,
    "seed": 3,
}
SCAN = {"tr_s": "1.5", "drift": 1.0, "motion": 0.5, "seed": 3}


class Study(SimpleNamespace):
    """Folder of a small study, and its truth and scans read back."""

    def load(self, subject: str, run: str) -> np.ndarray:
        """Measured BOLD in percent of each voxel's mean, (n_trs, n_voxels)."""
        image = nibabel.load(self.bold[subject, run])
        data = np.asarray(image.get_fdata(dtype=np.float32))[tuple(self.truth["ijk"].T)].T
        return 100 * (data / data.mean(axis=0) - 1)

    def clean(self, subject: str, run: str) -> np.ndarray:
        """Noiseless response, (n_trs, n_voxels)."""
        with h5py.File(self.path) as file:
            return noiseless(file, subject, run)


@pytest.fixture(scope="session")
def film_files(tmp_path_factory):
    """Function that gives the stimulus files of both runs, made once for each kind of film."""

    @cache
    def make(words: bool, sound: bool) -> dict[str, list[Path]]:
        folder = tmp_path_factory.mktemp("film")
        files = [
            write_stimulus(folder, run, n, words=words, sound=sound)
            for run, n in zip(RUNS, N_TRS, strict=True)
        ]
        return {name: [part[name] for part in files] for name in ("frames", "audio", "text")}

    return make


@pytest.fixture(scope="session")
def make_study(tmp_path_factory, film_files):
    """Function that makes a study: what its film has, and settings of truth and scans."""

    def make(
        *, words=False, sound=True, scan=None, subjects=("sub-01",), scans=True, **truth
    ) -> Study:
        folder = tmp_path_factory.mktemp("study")
        stimulus = film_files(words, sound)
        path = folder / "truth.h5"
        write_truth(path, runs=RUNS, subjects=subjects, **stimulus, **{**TRUTH, **truth})
        bold = {(s, r): folder / f"{s}_{r}_bold.nii.gz" for s in subjects for r in RUNS}
        tables = {(s, r): folder / f"{s}_{r}_confounds.tsv" for s in subjects for r in RUNS}
        for subject in subjects if scans else ():
            scan_subject(path, subject, bold, tables, **(scan or {}))
        with h5py.File(path) as file:
            names = ("ijk", "region", "responds", "delay_s", "ceiling", "noise_sd", "affine")
            values = {name: file[name][:] for name in names}
            values |= {"attrs": dict(file.attrs), "weights": file["weights_shared"][:]}
            values |= {"names": [name.decode() for name in file["region_names"][:]]}
        return Study(path=path, truth=values, bold=bold, tables=tables, stimulus=stimulus)

    return make


def scan_subject(truth: Path, subject: str, bold: dict, tables: dict, **settings) -> None:
    """Scan one subject in all runs."""
    write_scans(
        truth,
        [bold[subject, run] for run in RUNS],
        [tables[subject, run] for run in RUNS],
        subject=subject,
        runs=RUNS,
        **{**SCAN, **settings},
    )


@pytest.fixture(scope="session")
def study(make_study) -> Study:
    """A study with picture, sound and words."""
    import torch

    torch.set_num_threads(1)
    return make_study(words=True, subjects=SUBJECTS)


@pytest.fixture(scope="session")
def wordless(make_study) -> Study:
    """A study with picture and sound alone, in which heads lie still."""
    return make_study(scan={"motion": 0.0})


@pytest.fixture(scope="session")
def silent(make_study) -> Study:
    """A study without signal, drift and motion."""
    return make_study(signal=0.0, scan={"drift": 0.0, "motion": 0.0})
