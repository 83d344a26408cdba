"""Variance partitioning: the areas of a Venn diagram whose truth is known."""

import json
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giblet.validate.partition import MODALITIES, PART_NAMES, SUBSETS, partition_subject, parts_of
from giblet.validate.settings import Settings
from giblet.validate.statistics import centred

N = 400


def areas(values):
    """What each subset explains when the areas of the diagram are given."""
    area = dict(zip(SUBSETS, values, strict=True))
    return area, {
        subset: sum(np.float64(a) for s, a in area.items() if set(s) & set(subset))
        for subset in SUBSETS
    }


@given(st.lists(st.floats(-1, 1), min_size=7, max_size=7))
def test_parts_are_the_areas_that_were_drawn(values):
    area, explained = areas(values)
    found = parts_of(explained)
    for subset in SUBSETS:
        assert found[subset] == pytest.approx(area[subset], abs=1e-9)
    assert sum(found.values()) == pytest.approx(explained[MODALITIES], abs=1e-9)


class Tests:
    """Test TRs of one run, as far as the partition asks for them."""

    runs = ("run-1",)
    lengths = (N // 2, N // 2)

    @staticmethod
    def blocks(block_trs):
        return np.arange(N) // block_trs

    @staticmethod
    def n_blocks(block_trs):
        return (N - 1) // block_trs + 1


def ridge(bands, y, subset):
    x = np.concatenate([bands[name] for name in subset], axis=1)
    return x @ np.linalg.lstsq(x, y, rcond=None)[0]


@pytest.fixture
def study(tmp_path):
    """Voxels that follow one band alone, a column two bands have in common, and nothing."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(N, 1))
    bands = {name: rng.normal(size=(N, 3)) for name in MODALITIES}
    bands["video"] = np.concatenate([bands["video"], common], axis=1)
    bands["audio"] = np.concatenate([bands["audio"], common], axis=1)
    noise = 0.6 * rng.normal(size=(N, 5))
    drive = [bands[name][:, 0] for name in MODALITIES]
    y = np.stack([*drive, common[:, 0], np.zeros(N)], axis=1) + noise

    def write(names):
        path = tmp_path / f"{'_'.join(names)}.h5"
        with h5py.File(path, "w") as file:
            file.attrs["bands"] = json.dumps(names)
            for subset in SUBSETS:
                if set(subset) < set(names):
                    file[f"bold/{'_'.join(subset)}/sub-01/run-1"] = ridge(bands, y, subset)
        return path, ridge(bands, y, names)

    return SimpleNamespace(y=y, write=write)


def partition(study, names, valid=None):
    path, whole = study.write(names)
    settings = Settings(0, 100, 100, 10, 10, 15)
    valid = np.ones(5, bool) if valid is None else valid
    regions = {"first": np.arange(5) == 0, "rest": np.arange(5) > 0}
    with h5py.File(path) as file:
        y = centred(study.y, Tests.lengths)
        return partition_subject(file, Tests, "sub-01", y, whole, regions, valid, settings)


def test_each_voxel_is_explained_by_what_was_planted(study):
    found = partition(study, MODALITIES)
    signal = 1 / 1.36
    assert list(found.best()[:3]) == [0, 1, 2]
    for voxel, subset in enumerate([("video",), ("audio",), ("text",), ("video", "audio")]):
        for other in SUBSETS:
            expected = signal if other == subset else 0
            assert found.parts[other][voxel] == pytest.approx(expected, abs=0.08), (voxel, other)
    assert sum(p[4] for p in found.parts.values()) < 0.1


def test_a_modality_the_film_lacks_explains_nothing(study):
    found = partition(study, ("video", "audio"))
    for subset in SUBSETS:
        if "text" in subset:
            np.testing.assert_allclose(found.parts[subset], 0, atol=1e-9)
    assert found.parts[("video",)][0] > 0.6
    assert found.parts[("video", "audio")][3] > 0.6


def test_one_modality_only_has_all_of_it(study):
    found = partition(study, ("audio",))
    np.testing.assert_allclose(found.parts[("audio",)], found.explained[MODALITIES])
    assert sum(abs(found.parts[s]).max() for s in SUBSETS if s != ("audio",)) == 0


def test_intervals_hold_the_value_and_regions_the_right_voxels(study):
    found = partition(study, MODALITIES)
    draws = found.draws["first"][("video",)]
    low, high = np.percentile(draws, [2.5, 97.5])
    assert low < found.parts[("video",)][0] < high
    assert abs(found.draws["rest"][("text",)].mean() - found.parts[("text",)][1:].mean()) < 0.05


def test_invalid_voxels_are_not_counted(study):
    found = partition(study, MODALITIES, np.array([True, True, True, True, False]))
    assert np.isnan(found.parts[("video",)][4])
    assert found.regions["rest"].sum() == 3


def test_rows_stand_in_the_tables(inputs, tmp_path, statistics):
    from tests.unit.validate.test_validate_fmri import score, value

    paths = score(inputs, tmp_path, statistics)
    table = pd.read_csv(paths["metrics"])
    for name in MODALITIES:
        assert value(table, f"own_modality_{name}", "ridge") == 1
    parts = pd.read_csv(paths["partition_table"])
    assert set(parts["part"]) == set(PART_NAMES.values())
    mean = parts.groupby(["region", "part"])["value"].mean()
    assert mean["picture", "unique_video"] > 0.3 > 0.1 > abs(mean["nothing", "unique_video"])
