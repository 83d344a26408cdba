"""Reading scans: headers, series, ranges, and volumes that come in a few at a time."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giblet.brain import scans
from giblet.brain.scans import header_tr_s, open_scan, volume_range
from giblet.brain.series import series_files
from giblet.errors import BrainError
from tests.support.scans import AFFINE, noise_scan, write_image


def read(bold, first=0, count=None):
    scan = open_scan(bold)
    count = scan.n_volumes - first if count is None else count
    out = np.full((*scan.grid.shape, count), np.nan)
    for offset, volumes in scan.chunks(first, count):
        out[..., offset : offset + volumes.shape[3]] = volumes
    return out


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_chunks_put_together_are_the_file(tmp_path, suffix, monkeypatch):
    data = noise_scan()
    path = write_image(tmp_path / f"bold{suffix}", data, tr_s=1.5)
    # Room for seven volumes.
    monkeypatch.setattr(scans, "CHUNK_BYTES", 8 * 5 * 6 * 4 * 7)
    monkeypatch.setattr(scans, "CHUNKS_PER_RUN", 1)
    sizes = [volumes.shape[3] for _, volumes in open_scan(path).chunks(0, 60)]
    assert sizes == [7] * 8 + [4]
    np.testing.assert_array_equal(read(path), data)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("first", "count"), [(0, 60), (0, 25), (25, 35), (59, 1), (13, 2)])
def test_a_range_is_a_slice(tmp_path, suffix, first, count):
    data = noise_scan()
    path = write_image(tmp_path / f"bold{suffix}", data, tr_s=1.5)
    np.testing.assert_array_equal(read(path, first, count), data[..., first : first + count])


def test_nothing_is_decompressed_twice(tmp_path, monkeypatch):
    data = noise_scan(shape=(20, 20, 20, 40))
    scan = open_scan(write_image(tmp_path / "bold.nii.gz", data, tr_s=1.5))
    sizes = []
    read = gzip._GzipReader.read

    def counted(self, size=-1):
        out = read(self, size)
        sizes.append(len(out))
        return out

    monkeypatch.setattr(gzip._GzipReader, "read", counted)
    assert len(list(scan.chunks(0, 40))) > 10
    assert data.nbytes < sum(sizes) < 1.1 * data.nbytes


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_scaled_integers_are_scaled(tmp_path, suffix):
    data = np.arange(5 * 6 * 4 * 20, dtype=np.float32).reshape(5, 6, 4, 20) * 0.25 - 300
    path = write_image(tmp_path / f"bold{suffix}", data, tr_s=1.5, slope=0.25)
    image = nibabel.load(path)
    assert image.get_data_dtype() == np.int16
    assert image.dataobj.slope == 0.25
    np.testing.assert_array_equal(read(path), data)


def test_a_series_reads_like_the_4d_file(tmp_path):
    data = noise_scan(shape=(5, 6, 4, 12))
    whole = write_image(tmp_path / "whole.nii.gz", data, tr_s=1.5)
    for k in range(12):
        suffix = ".nii.gz" if k % 2 else ".nii"
        write_image(tmp_path / "series" / f"vol_{k + 1}{suffix}", data[..., k])
    for bold in (tmp_path / "series", str(tmp_path / "series" / "vol_*")):
        assert open_scan(bold).n_volumes == 12
        np.testing.assert_array_equal(read(bold, 3, 7), read(whole, 3, 7))
    assert open_scan(tmp_path / "series").tr_s is None


def test_series_of_4d_files_follow_each_other(tmp_path):
    data = noise_scan(shape=(5, 6, 4, 12))
    write_image(tmp_path / "a_1.nii", data[..., :5], tr_s=1.5)
    write_image(tmp_path / "a_2.nii", data[..., 5:], tr_s=1.5)
    np.testing.assert_array_equal(read(str(tmp_path / "a_?.nii"), 2, 8), data[..., 2:10])


@given(st.lists(st.integers(0, 10**6), min_size=1, unique=True))
@settings(max_examples=25, deadline=None)
def test_files_stand_in_the_order_of_their_numbers(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("series")
    for number in numbers:
        (folder / f"vol_{number}.nii").touch()
    (folder / "notes.txt").touch()
    found = [int(Path(name).stem[4:]) for name in series_files(folder)]
    assert found == sorted(numbers)
    assert series_files(f"{folder}/vol_*.nii") == series_files(folder)


def test_a_path_that_is_not_there_stays_as_it_is(tmp_path):
    assert series_files(tmp_path / "bold.nii") == [str(tmp_path / "bold.nii")]
    assert series_files(f"{tmp_path}/*.nii") == [f"{tmp_path}/*.nii"]


def test_brackets_in_a_name_are_no_pattern(tmp_path):
    path = tmp_path / "what? [a] 'b'.nii"
    path.touch()
    assert series_files(path) == [str(path)]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1.5, "sec", 1.5),
        (1500, "msec", 1.5),
        (1_500_000, "usec", 1.5),
        (1500, "unknown", 1.5),
        (2.5, "unknown", 2.5),
        (1, "unknown", None),
        (0, "sec", None),
        (1, "sec", 1.0),
    ],
)
def test_the_header_tr_in_seconds(value, unit, expected):
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2, 3), np.float32), AFFINE)
    image.header.set_zooms((3, 3, 3, value))
    image.header.set_xyzt_units("mm", unit)
    assert header_tr_s(image) == (None if expected is None else pytest.approx(expected))


@given(st.integers(1, 50), st.integers(0, 60), st.integers(0, 60))
def test_a_volume_range_lies_in_the_file_or_is_refused(available, first, count):
    fits = first < available and first + count <= available
    if not fits:
        with pytest.raises(BrainError, match=f"has {available} volumes"):
            volume_range("x.nii", available, first, count)
        return
    start, n = volume_range("x.nii", available, first, count)
    assert start == first
    assert n == (count or available - first)
