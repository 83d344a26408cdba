"""The volume view holds the maps as they are, at their places, in a bounded part of the page."""

import base64
import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from giblet.validate.report.files import Files
from giblet.validate.report.media import Budget
from giblet.validate.report.volume import LEVELS, MAPS, volume_view
from tests.support.caches import edited
from tests.support.validate_files import make_validate_files

ROOM = 100_000_000


def files_of(folder, **changes):
    make_validate_files(folder / "validate", **changes)
    return Files(folder, [folder / "validate/fmri/voxels.h5"])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volume")
    files = files_of(folder)
    # A scan whose first axis runs right to left and whose axes are in another order.
    with edited(folder / "validate/fmri/voxels.h5") as file:
        ijk = np.stack(np.unravel_index(np.arange(6 * 4 * 9), (6, 4, 9)), axis=1)
        affine = np.array([[0, 0, -3.0, 12], [2.0, 0, 0, -7], [0, 4.0, 0, 5], [0, 0, 0, 1]])
        file.attrs["grid_shape"] = [10, 8, 12]
        file["ijk"][:] = ijk + np.array([3, 2, 1])
        file["affine"][:] = affine
        file["sub-01/r"][5] = np.nan
        file["sub-01/q"][:4] = [1.0, 0.05, 0.001, 1e-7]
    view = volume_view(files, Budget(ROOM))
    return SimpleNamespace(
        view=view, page=json.loads(view.data), path=folder / "validate/fmri/voxels.h5"
    )


def decoded(text):
    return np.frombuffer(base64.b64decode(text), np.uint8)


def values_at(page, subject, name):
    """Place in the cut grid -> value, as the page's script works it out."""
    about = next(one for one in page["maps"] if one["name"] == name)
    volume = next(one for one in page["volumes"] if one["subject"] == subject)
    levels = decoded(volume["values"][name]).astype(float)
    values = about["low"] + (levels - 1) / LEVELS * (about["high"] - about["low"])
    if about["colours"] == "q":
        values = 10**values
    bits = np.unpackbits(decoded(page["mask"]), bitorder="little")
    cells = np.flatnonzero(bits[: np.prod(page["shape"])])
    places = zip(*np.unravel_index(cells, page["shape"]))
    return {p: (v if k else np.nan) for p, v, k in zip(places, values, levels)}


def test_every_voxel_has_its_value_at_its_place_in_mm(made):
    found = values_at(made.page, "sub-01", "r")
    with h5py.File(made.path) as file:
        r, ijk, affine = file["sub-01/r"][:], file["ijk"][:], file["affine"][:]
    mm = ijk @ affine[:3, :3].T + affine[:3, 3]
    true = {tuple(np.round(place, 3)): value for place, value in zip(mm, r)}
    turned = np.array(made.page["affine"])
    assert (np.argmax(np.abs(turned[:3, :3]), axis=0) == [0, 1, 2]).all()
    assert (np.diag(turned)[:3] > 0).all()
    step = (np.nanmax(r) - np.nanmin(r)) / LEVELS
    assert len(found) == len(r)
    for place, value in found.items():
        expected = true[tuple(np.round(turned[:3, :3] @ place + turned[:3, 3], 3))]
        assert value == pytest.approx(expected, abs=float(step), nan_ok=True)


def test_the_scans_own_voxel_is_named(made):
    """axes, flips and offset lead from the place in the cut grid to the scan's index."""
    page = made.page
    with h5py.File(made.path) as file:
        affine = file["affine"][:]
        known = {tuple(one) for one in file["ijk"][:].tolist()}
    turned, seen = np.array(page["affine"]), set()
    for place in values_at(page, "sub-01", "r"):
        own = [0, 0, 0]
        for axis in range(3):
            own[page["axes"][axis]] = page["offset"][axis] + page["flips"][axis] * int(place[axis])
        mm = turned[:3, :3] @ place + turned[:3, 3]
        np.testing.assert_allclose(affine[:3, :3] @ own + affine[:3, 3], mm, atol=1e-4)
        seen.add(tuple(own))
    assert seen == known


def test_q_keeps_its_small_values_apart(made):
    with h5py.File(made.path) as file:
        q = file["sub-01/q"][:]
    found = sorted(values_at(made.page, "sub-01", "q").values())
    expected = np.sort(np.maximum(q, 1e-4))
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_mean_is_over_the_subjects_that_have_a_value(made):
    mean = values_at(made.page, "mean of 2 subjects", "r")
    assert np.isfinite(list(mean.values())).all()
    assert "q" not in made.page["volumes"][0]["values"]
    assert [one["subject"] for one in made.page["volumes"]][1:] == ["sub-01", "sub-02"]


def test_colours_are_the_same_for_all_subjects_and_even_around_zero(made):
    for about in made.page["maps"]:
        low, high = about["limits"]
        assert (low == -high) == (about["colours"] == "diverging")
        assert high != low
    assert {about["name"] for about in made.page["maps"]} == {one.name for one in MAPS}


def test_a_page_with_little_room_keeps_the_mean_and_names_the_rest(tmp_path):
    files = files_of(tmp_path, subjects=("sub-01", "sub-02", "sub-03"))
    whole = sum(
        map(len, json.loads(volume_view(files, Budget(ROOM)).data)["volumes"][0]["values"].values())
    )
    budget = Budget(3 * 2 * whole)
    view = volume_view(files, budget)
    assert view.shown == ["mean of 3 subjects"]
    assert view.absent == ["sub-01", "sub-02", "sub-03"]
    assert budget.used == whole
    assert "max_mb" in volume_view(files, Budget(10)).reason


def test_parcels_have_no_volume_and_the_page_says_so(tmp_path):
    view = volume_view(files_of(tmp_path, kind="parcels"), Budget(ROOM))
    assert not view.data
    assert "parcels, which have no place in a volume" in view.reason


def test_regions_are_the_planted_ones_of_a_simulated_study_only(made, tmp_path):
    assert made.page["regions"]["names"] == ["seeing", "hearing", "nothing"]
    real = volume_view(files_of(tmp_path, simulated=False), Budget(ROOM))
    assert "regions" not in json.loads(real.data)
