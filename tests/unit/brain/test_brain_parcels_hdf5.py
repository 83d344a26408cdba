"""Any damage to a parcels file is said with the file's name, or leaves its values as they were."""

import random

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.brain.parcels import open_parcels
from giblet.errors import BrainError

VALUES = np.random.default_rng(0).standard_normal((40, 3))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("parcels") / "bold.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a/bold", data=VALUES, chunks=(16, 3), compression="gzip")
        file["a/bold"].attrs["labels"] = ["V1", "A1", "STG"]
    return path


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), cut=st.booleans())
def test_damage_is_refused_by_the_files_name(whole, seed, cut):
    drawn = random.Random(seed)
    data = bytearray(whole.read_bytes())
    if cut:
        del data[drawn.randrange(len(data)) :]
    else:
        for _ in range(drawn.randint(1, 8)):
            data[drawn.randrange(len(data))] = drawn.randrange(256)
    path = whole.with_name("damaged.h5")
    path.write_bytes(data)
    said = None
    try:
        parcels = open_parcels(path)
        blocks = [values for _, values in parcels.blocks(0, parcels.n_volumes)]
        assert all(block.shape[1] == len(parcels.labels) for block in blocks)
    except BrainError as error:
        said = str(error)
    assert said is None or (str(path) in said and "\n" not in said)
