"""Parcels in HDF5 files of other programs."""

import os

import h5py
import numpy as np

from giblet.brain.parcels import open_parcels
from tests.support.bad_inputs import Kind

KIND = Kind(
    "Parcels in HDF5 files",
    "No value comes from outside the file, none that was never written is read as 0, and "
    "whatever HDF5 says of a file is said with its name.",
)
VALUES = np.arange(40.0).reshape(20, 2)


def values(path, dataset=""):
    """All time courses of a file."""
    parcels = open_parcels(path, dataset)
    return np.concatenate([block for _, block in parcels.blocks(0, parcels.n_volumes)])


def made(folder, name="bold.h5"):
    return h5py.File(folder / name, "w")


@KIND.read("a group that holds itself")
def _(folder):
    with made(folder) as file:
        file["a/b/bold"] = VALUES
        file["a/b/c"] = file["a"]
    np.testing.assert_array_equal(values(folder / "bold.h5"), VALUES)


@KIND.read("a second name for the same dataset")
def _(folder):
    with made(folder) as file:
        file["bold"] = VALUES
        file["again"] = file["bold"]
        file["soft"] = h5py.SoftLink("/bold")
    np.testing.assert_array_equal(values(folder / "bold.h5"), VALUES)
    np.testing.assert_array_equal(values(folder / "bold.h5", "again"), VALUES)


@KIND.read("labels that are numbers, bytes or padded with spaces")
def _(folder):
    for labels in ([7, 9], np.array([b"7", b"9 "]), ["7 ", "9"]):
        with made(folder) as file:
            file["bold"] = VALUES
            file["labels"] = labels
        assert open_parcels(folder / "bold.h5").labels == ("7", "9")


@KIND.refused("a link to another file", "…: 'bold' is a link to …:secret, which is not followed: …")
def _(folder):
    with made(folder, "other.h5") as file:
        file["secret"] = VALUES
    with made(folder) as file:
        file["bold"] = h5py.ExternalLink(str(folder / "other.h5"), "secret")
    values(folder / "bold.h5")


@KIND.refused(
    "a link to another file, under its name",
    "…: 'a/bold' is a link to …:secret, which is not followed: copy the dataset into the file …",
)
def _(folder):
    with made(folder) as file:
        file["a/bold"] = h5py.ExternalLink(str(folder / "other.h5"), "secret")
    values(folder / "bold.h5", "a/bold")


@KIND.refused(
    "a link within the file, where the dataset is named by it",
    "…: 'soft' is a link to /a/bold, which is not followed: … or set brain/parcels_dataset to "
    "'a/bold'",
)
def _(folder):
    with made(folder) as file:
        file["a/bold"] = VALUES
        file["soft"] = h5py.SoftLink("/a/bold")
    values(folder / "bold.h5", "soft")


@KIND.refused(
    "values kept in another file (external storage)",
    "…: dataset 'bold' keeps its values in other files, which are not read: export it into one",
)
def _(folder):
    (folder / "secret").write_bytes(os.urandom(VALUES.nbytes))
    with made(folder) as file:
        file.create_dataset(
            "bold", VALUES.shape, "f8", external=[(str(folder / "secret"), 0, VALUES.nbytes)]
        )
    values(folder / "bold.h5")


@KIND.refused("a virtual dataset", "…: dataset 'bold' keeps its values in other files, which …")
def _(folder):
    with made(folder, "other.h5") as file:
        file["bold"] = VALUES
    layout = h5py.VirtualLayout(VALUES.shape, "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "bold", VALUES.shape)
    with made(folder) as file:
        file.create_virtual_dataset("bold", layout)
    values(folder / "bold.h5")


@KIND.refused("labels kept in another file", "…: 'labels' is a link to …, which is not followed: …")
def _(folder):
    with made(folder) as file:
        file["bold"] = VALUES
        file["labels"] = h5py.ExternalLink(str(folder / "other.h5"), "names")
    values(folder / "bold.h5")


@KIND.refused(
    "a dataset that was made but never filled",
    "…: dataset 'bold': 1 of its 1 parts were never written: export it again",
)
def _(folder):
    with made(folder) as file:
        file.create_dataset("bold", VALUES.shape, "f8")
    values(folder / "bold.h5")


@KIND.refused(
    "a dataset of which a part was never filled",
    "…: dataset 'bold': 3 of its 4 parts were never written: export it again",
)
def _(folder):
    with made(folder) as file:
        file.create_dataset("bold", VALUES.shape, "f8", chunks=(5, 2))[:5] = VALUES[:5]
    values(folder / "bold.h5")


@KIND.refused(
    "a shape that no study has",
    "…: dataset 'bold' has shape (1000000000000, 4); at most 1,000,000 volumes of 400,000 parcels",
)
def _(folder):
    with made(folder) as file:
        file.create_dataset("bold", (10**12, 4), "f8", chunks=(4, 4))
    values(folder / "bold.h5")


@KIND.refused("complex numbers", "…: dataset 'bold' holds complex128, expected real numbers: …")
def _(folder):
    with made(folder) as file:
        file["bold"] = VALUES + 1j
    values(folder / "bold.h5", "bold")


@KIND.refused(
    "a table of several columns (a compound type)",
    "…: not one dataset of shape (volumes, parcels); with two axes it has none: set …",
)
def _(folder):
    with made(folder) as file:
        file["bold"] = np.zeros((20, 2), [("a", "f8"), ("b", "i4")])
    values(folder / "bold.h5")


@KIND.refused(
    "labels that are references, as MATLAB stores cells",
    "…: dataset 'labels' holds object of shape (2,), expected one text for each of 2 parcels: …",
)
def _(folder):
    with made(folder) as file:
        file["bold"] = VALUES
        names = [file.create_dataset(f"refs/{name}", data=[1]).ref for name in "ab"]
        file.create_dataset("labels", data=names, dtype=h5py.ref_dtype)
    values(folder / "bold.h5")


@KIND.refused(
    "one text for all labels",
    "…: attribute 'labels' of 'bold' holds … of shape (), expected one text for each of 2 parcels",
)
def _(folder):
    with made(folder) as file:
        file["bold"] = VALUES
        file["bold"].attrs["labels"] = "left, right"
    values(folder / "bold.h5")


@KIND.refused(
    "labels in another encoding", "…: dataset 'labels': label 2 (…) is not UTF-8: export it again"
)
def _(folder):
    with made(folder) as file:
        file["bold"] = VALUES
        file["labels"] = np.array([b"V1", "Précunéus".encode("latin-1")])
    values(folder / "bold.h5")


@KIND.refused(
    "a compression that is not installed",
    "…: dataset 'bold' is compressed with filter 32123 (…), which is not installed: save it with",
)
def _(folder):
    made_with = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made_with.set_chunk((20, 2))
    made_with.set_filter(32123, h5py.h5z.FLAG_OPTIONAL)
    with made(folder) as file:
        space = h5py.h5s.create_simple(VALUES.shape)
        h5py.h5d.create(file.id, b"bold", h5py.h5t.IEEE_F64LE, space, made_with)
        h5py.Dataset(file["bold"].id)[:] = VALUES
    values(folder / "bold.h5")


@KIND.refused("a group where the dataset is named", "…: 'a' is a group, expected a dataset of …")
def _(folder):
    with made(folder) as file:
        file["a/bold"] = VALUES
    values(folder / "bold.h5", "a")


@KIND.refused(
    "a dataset with three axes",
    "…: dataset 'bold' has shape (20, 2, 1), expected (volumes, parcels): set …",
)
def _(folder):
    with made(folder) as file:
        file["bold"] = VALUES[..., None]
    values(folder / "bold.h5", "bold")


@KIND.refused(
    "an HDF5 file cut short", "…: not a readable HDF5 file (…truncated…): export it again"
)
def _(folder):
    with made(folder) as file:
        file["bold"] = np.zeros((200, 20))
    whole = (folder / "bold.h5").read_bytes()
    (folder / "bold.h5").write_bytes(whole[: len(whole) // 2])
    values(folder / "bold.h5")


@KIND.refused("a damaged chunk", "…: dataset 'bold', rows 1 to 20: …: export it again")
def _(folder):
    with made(folder) as file:
        file.create_dataset("bold", data=VALUES, chunks=(20, 2), compression="gzip")
        at = file["bold"].id.get_chunk_info(0).byte_offset
    with (folder / "bold.h5").open("rb+") as handle:
        handle.seek(at + 5)
        handle.write(b"\xff" * 8)
    values(folder / "bold.h5")
