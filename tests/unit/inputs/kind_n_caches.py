"""Caches and intermediate files that are not what a job wrote."""

import json
import shutil
import subprocess
import sys

import h5py
import numpy as np

from giblet import store
from giblet.train.build import load_network
from giblet.train.seeds import summarise
from giblet.validate.report.files import read_json, read_table
from tests.support.bad_inputs import Kind

KIND = Kind(
    "Files between jobs that are not what a job wrote",
    "Caches carry a digest of their content, which every reader compares: what was written over "
    "them by hand, copied from another run or damaged is refused, and so the methods text never "
    "names what did not make the numbers. A cache that another program holds is kept.",
)
VALUES = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)


def cache(folder, run="run-1"):
    """A cache of text features."""
    path = folder / f"{run}.h5"
    with store.writing(path, stage="features", run=run, tr_s="1.5") as file:
        file.create_dataset("embedding", data=VALUES, chunks=(8, 3))
        file["valid"] = np.ones(20, bool)
    return path


def read(path, **expected):
    """Its embedding, as rules read it."""
    with store.reading(path, stage="features", tr_s="1.5", **expected) as file:
        return file["embedding"][:]


@KIND.read("a cache that was copied to another disk")
def _(folder):
    (folder / "new").mkdir()
    shutil.copyfile(cache(folder), folder / "new" / "run-1.h5")
    np.testing.assert_array_equal(read(folder / "new" / "run-1.h5", run="run-1"), VALUES)


@KIND.read("a cache that another program has open to read")
def _(folder):
    path = cache(folder)
    with h5py.File(path):
        np.testing.assert_array_equal(read(path), VALUES)


@KIND.warned(
    "arrays of one's own, put in with `giblet.store.changing`",
    "…: holds arrays that were put in by hand (embeddings of the lab's model), not those …",
)
def _(folder):
    path = cache(folder)
    with store.changing(path, "embeddings of the lab's model") as file:
        file["embedding"][:] = 2 * VALUES
    np.testing.assert_array_equal(read(path), 2 * VALUES)


@KIND.refused(
    "other arrays written over a cache",
    "…: the content of /embedding is not what was written; the settings no longer say what made "
    "it: delete it and run snakemake again, or put arrays of your own in with …",
)
def _(folder):
    path = cache(folder)
    read(path)
    with h5py.File(path, "r+") as file:
        file["embedding"][:] = np.random.default_rng(1).standard_normal(VALUES.shape)
    read(path)


@KIND.refused("one value changed", "…: the content of /valid is not what was written; …")
def _(folder):
    path = cache(folder)
    with h5py.File(path, "r+") as file:
        file["valid"][3] = False
    read(path)


@KIND.refused("a dataset added", "…: it had 2 datasets, now 3; …")
def _(folder):
    path = cache(folder)
    with h5py.File(path, "r+") as file:
        file["more"] = 1
    read(path)


@KIND.refused("an attribute changed", "…: its attributes or its structure are not what was …")
def _(folder):
    path = cache(folder)
    with h5py.File(path, "r+") as file:
        file.attrs["units"] = "mV"
    read(path)


@KIND.refused(
    "a file made by hand with a cache's attributes",
    "…: it carries no digest of its content, as all files that giblet writes do; …",
)
def _(folder):
    path = cache(folder)
    with h5py.File(path) as file, h5py.File(folder / "own.h5", "w") as own:
        own.attrs.update(file.attrs)
        own["embedding"] = VALUES
    read(folder / "own.h5")


@KIND.refused(
    "the cache of another run under this run's name",
    "…: holds run 'run-2', expected 'run-1': it was copied under this name: delete it and run …",
)
def _(folder):
    shutil.copyfile(cache(folder, "run-2"), cache(folder))
    read(folder / "run-1.h5", run="run-1")


@KIND.refused("a cache cut short", "…: not a readable HDF5 file (…truncated file…): delete it …")
def _(folder):
    path = cache(folder)
    path.write_bytes(path.read_bytes()[:-100])
    read(path)


@KIND.refused("an empty cache", "…: not a readable HDF5 file (…): delete it and run snakemake …")
def _(folder):
    cache(folder).write_bytes(b"")
    read(folder / "run-1.h5")


@KIND.refused(
    "a cache that another program has open to write",
    "…: another program has this HDF5 file open (…): close it there (…) and run again; the file "
    "is kept. If nothing has, its disk does not support locks: set the environment variable "
    "HDF5_USE_FILE_LOCKING=FALSE",
)
def _(folder):
    path = cache(folder)
    held = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", held, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline()
        try:
            read(path)
        finally:
            holder.kill()


def metrics(folder, text):
    (folder / "metrics.json").write_text(text)
    (folder / "history.csv").write_text("step,split,epoch\n1,val,0\n")
    summarise(
        [folder / "history.csv"],
        [folder / "metrics.json"],
        history=folder / "h.csv",
        figures=folder / "m.json",
        table=folder / "seeds.csv",
        seeds=[1],
    )


@KIND.refused("figures of a training cut short", "…metrics.json: not readable JSON (…): delete …")
def _(folder):
    metrics(folder, '{"loss": 0.')


@KIND.refused("figures without one that is read", "…metrics.json: has no '…'; found loss: …")
def _(folder):
    metrics(folder, '{"loss": 0.5}')


@KIND.refused("a network's settings cut short", "…model.json: not readable JSON (…): delete …")
def _(folder):
    (folder / "model.json").write_text("{")
    (folder / "model.safetensors").write_bytes(b"")
    load_network(folder)


@KIND.refused("settings of no network", "…model.json: describes no network (…): delete the folder…")
def _(folder):
    (folder / "model.json").write_text(json.dumps({"layers": 3}))
    (folder / "model.safetensors").write_bytes(b"")
    load_network(folder)


@KIND.refused("a JSON file in another encoding", "…: not readable JSON (…): delete it and run …")
def _(folder):
    (folder / "a.json").write_bytes('{"name": "é"}'.encode("utf-16"))
    read_json(folder / "a.json")


@KIND.refused("an empty table between jobs", "…: not the table that was written (…): delete it …")
def _(folder):
    (folder / "metrics.csv").write_text("")
    read_table(folder / "metrics.csv", ["value"])


@KIND.refused("a table with a row too long", "…: not the table that was written (…): delete it …")
def _(folder):
    (folder / "metrics.csv").write_text("value\n1\n1,2,3\n1,2\n")
    read_table(folder / "metrics.csv", ["value"])
