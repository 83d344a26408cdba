"""Caches: whole or absent, and honest about what they hold."""

import errno
import json
import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from giblet import store
from giblet.errors import StoreError


def test_round_trip_with_attributes(tmp_path, monkeypatch):
    monkeypatch.setenv("GIBLET_PROVENANCE", json.dumps({"params": {"width": 4}, "code": "abc"}))
    path = tmp_path / "new" / "x.h5"
    with store.writing(path, stage="brain", run="run-1", tr_s="3/2", units="z") as file:
        file["bold"] = np.arange(6.0).reshape(3, 2)
    with store.reading(path, stage="brain", tr_s=1.5) as file:
        assert store.dataset(file, "bold", shape=(None, 2), dtype="f8")[2, 1] == 5
        assert json.loads(file.attrs["params"]) == {"width": 4}
        assert file.attrs["code"] == "abc"
        assert "numpy" in json.loads(file.attrs["versions"])


def test_failing_block_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "x.h5"
    with store.writing(path, stage="brain") as file:
        file["a"] = 1
    with pytest.raises(RuntimeError), store.writing(path, stage="brain") as file:
        raise RuntimeError
    with store.reading(path) as file:
        assert file["a"][()] == 1
    assert os.listdir(tmp_path) == ["x.h5"]


def test_killed_writer_leaves_nothing_that_looks_finished(tmp_path):
    program = (
        "import sys, time\nfrom giblet import store\n"
        "with store.writing(sys.argv[1], stage='brain') as f:\n"
        "    f['a'] = 1; f.flush(); print('go', flush=True); time.sleep(60)\n"
    )
    path = tmp_path / "x.h5"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "go\n"
        process.send_signal(signal.SIGKILL)
    assert not path.exists()
    assert not list(tmp_path.glob("*.h5*")) or all(
        name.startswith(".partial-") for name in os.listdir(tmp_path)
    )


def test_full_disk_is_said_plainly_and_leaves_nothing(tmp_path):
    with pytest.raises(StoreError, match="no space left on the disk"):
        with store.replacing(tmp_path / "x.wav") as partial:
            partial.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_read_only_folder_names_the_remedy(tmp_path):
    with pytest.raises(StoreError, match="write permission"):
        with store.replacing(tmp_path / "x.wav"):
            raise PermissionError(errno.EACCES, "Permission denied")


def test_missing_file(tmp_path):
    with pytest.raises(StoreError, match="no such file"), store.reading(tmp_path / "no.h5"):
        pass


def test_damaged_file(tmp_path):
    path = tmp_path / "x.h5"
    path.write_bytes(b"not hdf5")
    with pytest.raises(StoreError, match="not a readable HDF5"), store.reading(path):
        pass


@pytest.fixture
def cache(tmp_path):
    path = tmp_path / "x.h5"
    with store.writing(path, stage="features", tr_s="1.5") as file:
        file["codes"] = np.zeros((8, 20), np.int16)
    return path


def test_other_stage(cache):
    with pytest.raises(StoreError, match="'features', expected 'brain'"):
        with store.reading(cache, stage="brain"):
            pass


def test_other_tr_names_both(cache):
    with pytest.raises(StoreError, match=r"TR of 1\.5 s, the study has 2\.0 s"):
        with store.reading(cache, tr_s=2):
            pass


@pytest.mark.parametrize(
    ("name", "expected", "message"),
    [
        ("latents", {}, "missing; the file holds"),
        ("codes", {"dtype": "f4"}, "dtype int16, expected float32"),
        ("codes", {"shape": (8, 21)}, r"shape \(8, 20\), expected \(8, 21\)"),
        ("codes", {"shape": (None,)}, "shape"),
    ],
)
def test_contents_that_differ_name_both_sides(cache, name, expected, message):
    with h5py.File(cache) as file, pytest.raises(StoreError, match=message):
        store.dataset(file, name, **expected)
