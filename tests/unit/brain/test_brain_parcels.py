"""Parcel tables and HDF5 files in place of voxels."""

import h5py
import numpy as np
import pytest

from giblet.brain import parcels_hdf5, parcels_table
from tests.support.scans import BrainStudy

LABELS = ("V1 left", "V1 right", "A1, left")


@pytest.fixture
def values():
    return 100 + np.random.default_rng(0).standard_normal((50, 3))


class ParcelStudy(BrainStudy):
    def space(self, *bold, **changes):
        return super().space(*bold, kind="parcels", **changes)

    def run(self, *bold, **changes):
        return super().run(*bold, kind="parcels", **changes)


@pytest.fixture
def study(tmp_path):
    return ParcelStudy(tmp_path)


def table(path, values, labels=LABELS):
    separator = "," if path.suffix == ".csv" else "\t"
    quoted = [f'"{label}"' if "," in label else label for label in labels]
    rows = [separator.join("n/a" if np.isnan(x) else repr(float(x)) for x in row) for row in values]
    path.write_text("\n".join([separator.join(quoted), *rows, ""]))
    return path


def hdf5(path, values, *, where="bold", attribute=None, names=None, **others):
    with h5py.File(path, "w") as file:
        file[where] = values
        if attribute:
            file[where].attrs["labels"] = list(attribute)
        if names:
            file["labels"] = list(names)
        for name, data in others.items():
            file[name] = data
    return path


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt", ".h5"])
def test_every_form_gives_the_same(study, values, suffix, monkeypatch):
    for read in (parcels_hdf5, parcels_table):
        monkeypatch.setattr(read, "ROWS", 7)
    path = study.folder / f"bold{suffix}"
    if suffix == ".h5":
        hdf5(path, values, attribute=LABELS)
    else:
        table(path, values)
    with h5py.File(study.space(path)) as file:
        assert tuple(file["labels"].asstr()[:]) == LABELS
        assert file.attrs["kind"] == "parcels"
        assert set(file) == {"labels"}
    assert not (study.folder / "mask.nii.gz").exists()
    with h5py.File(study.raw(path, first_volume=11, n_volumes=30)) as file:
        np.testing.assert_allclose(file["bold"][:], values[11:41], rtol=1e-6)


def test_parcels_are_cleaned_and_counted(study, values):
    values += 3 * np.arange(50)[:, None]
    values[4, 0] = np.nan
    values[:, 2] = 7
    path = table(study.folder / "bold.tsv", values)
    study.space(path)
    with h5py.File(study.run(path)) as file:
        assert (file.attrs["n_nan"], file.attrs["n_constant"]) == (1, 1)
        np.testing.assert_array_equal(file["valid"][:], [False, True, False])
        assert np.polyfit(np.arange(50), file["bold"][:, 1], 1)[0] == pytest.approx(0, abs=1e-4)


def test_labels_of_hdf5_files(study, values):
    path = study.folder / "bold.h5"
    for options, expected in (
        ({"names": LABELS}, LABELS),
        ({}, ("parcel-1", "parcel-2", "parcel-3")),
    ):
        hdf5(path, values, **options)
        with h5py.File(study.space(path)) as file:
            assert tuple(file["labels"].asstr()[:]) == expected


def test_the_dataset_can_be_named(study, values):
    path = hdf5(study.folder / "b.h5", values, where="ts/cleaned", raw=np.zeros((50, 3)))
    study.space(path, parcels_dataset="ts/cleaned")
    with h5py.File(study.raw(path, parcels_dataset="/ts/cleaned")) as file:
        np.testing.assert_allclose(file["bold"][:], values, rtol=1e-6)


def test_windows_tables_are_read(study, values):
    path = table(study.folder / "bold.csv", values)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    study.space(path)
    with h5py.File(study.raw(path)) as file:
        np.testing.assert_allclose(file["bold"][:], values, rtol=1e-6)
