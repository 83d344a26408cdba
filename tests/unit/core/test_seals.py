"""Whatever is changed in a cache after it was written, its readers notice."""

import os
import random
import time

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet import seals, store
from giblet.errors import StoreError

DTYPES = st.sampled_from(["f4", "f2", "i2", "u1", "bool", "f8", "text"])
LAYOUTS = st.sampled_from([{}, {"chunks": True}, {"chunks": True, "compression": "gzip"}, "zstd"])
PARTS = st.lists(
    st.tuples(DTYPES, st.lists(st.integers(1, 9), min_size=1, max_size=3), LAYOUTS),
    min_size=1,
    max_size=4,
)


def write(path, parts, seed=0):
    """A cache of one dataset a part, below two groups."""
    rng = np.random.default_rng(seed)
    with store.writing(path, stage="features", run="run-1", tr_s="1.5") as file:
        for number, (dtype, shape, layout) in enumerate(parts):
            name = f"{'ab'[number % 2]}/{number}"
            if dtype == "text":
                file[name] = [f"word {rng.integers(99)}" for _ in range(shape[0])]
                continue
            layout = {**store.image_compression(), "chunks": True} if layout == "zstd" else layout
            values = rng.integers(0, 2, shape).astype(dtype)
            file.create_dataset(name, data=values, **layout)


def change(file, drawn):
    """Change one value of one dataset, or one attribute."""
    names = []
    file.visititems(lambda name, part: names.append(name) if hasattr(part, "chunks") else None)
    part = file[drawn.choice(names)]
    if drawn.random() < 0.2:
        drawn.choice([file, part]).attrs["note"] = drawn.random()
        return
    where = tuple(drawn.randrange(n) for n in part.shape)
    value = part[where]
    part[where] = "another" if part.dtype.kind == "O" else 1 - value if value in (0, 1) else 0


@settings(max_examples=25, deadline=None)
@given(parts=PARTS, seed=st.integers(0, 2**32))
def test_a_changed_value_or_attribute_is_noticed(tmp_path_factory, parts, seed):
    path = tmp_path_factory.getbasetemp() / "changed.h5"
    write(path, parts)
    with store.reading(path, stage="features", run="run-1"):
        pass
    with h5py.File(path, "r+") as file:
        change(file, random.Random(seed))
    with pytest.raises(StoreError, match=r"changed\.h5: .* not what was written"):
        with store.reading(path):
            pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "x.h5"
    write(path, [("f4", [40, 3], {"chunks": True}), ("text", [4], {})])
    return path.read_bytes()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_flipped_byte_or_a_lost_end_is_noticed(tmp_path_factory, whole, seed):
    drawn = random.Random(seed)
    data = bytearray(whole)
    path = tmp_path_factory.getbasetemp() / "damaged.h5"
    place = drawn.randrange(seals.BLOCK_BYTES, len(data))
    if drawn.random() < 0.3:
        del data[place:]
    else:
        data[place] ^= 1 << drawn.randrange(8)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged\.h5: .*delete it and run snakemake again"):
        with store.reading(path):
            pass


def test_the_same_content_has_the_same_digest_and_other_content_another(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write(tmp_path / name, [("f4", [200], {})], seed)
    one, same, other = (seals.content_of(tmp_path / name) for name in "abc")
    assert one == same != other


def test_too_many_datasets_for_a_digest_each_are_checked_together(tmp_path, monkeypatch):
    monkeypatch.setattr(seals, "BLOCK_BYTES", 512)
    path = tmp_path / "x.h5"
    write(path, [("u1", [2], {})] * 64)
    with store.reading(path):
        pass
    with h5py.File(path, "r+") as file:
        file["a/0"][0] = 7
    with pytest.raises(StoreError, match="its content is not what was written"):
        with store.reading(path):
            pass


def test_bytes_are_compared_once_and_again_after_a_change(tmp_path):
    path = tmp_path / "x.h5"
    with store.writing(path, stage="brain") as file:
        file["bold"] = np.zeros(20_000_000, np.float32)
    times = []
    for _ in range(2):
        before = time.process_time()
        with store.reading(path):
            pass
        times.append(time.process_time() - before)
    assert times[1] < times[0] / 2
    with h5py.File(path, "r+") as file:
        file["bold"][3] = 1
    with pytest.raises(StoreError, match="/bold"), store.reading(path):
        pass


def test_arrays_of_ones_own_say_so_and_are_whole_or_absent(tmp_path):
    path = tmp_path / "x.h5"
    write(path, [("f4", [3], {})])
    with pytest.raises(RuntimeError), store.changing(path, "mine") as file:
        file["a/0"][:] = 7
        raise RuntimeError
    with store.reading(path) as file:
        assert file["a/0"][0] != 7
    with store.changing(path, "mine") as file:
        file["a/0"][:] = 7
    with pytest.warns(match=r"x\.h5: holds arrays that were put in by hand \(mine\)"):
        with store.reading(path) as file:
            assert file["a/0"][0] == 7
    assert os.listdir(tmp_path) == ["x.h5"]
