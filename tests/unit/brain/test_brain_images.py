"""Laws of reading images: what is read is what was written, or a BrainError names the file."""

import gzip
import struct
import tracemalloc

import nibabel
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from giblet.brain.images import opened, read_image
from giblet.brain.scans import open_scan
from giblet.errors import BrainError
from tests.support.scans import AFFINE, noise_scan, write_image

DATA = noise_scan(shape=(5, 6, 4, 12))
# Opening and reading such a scan takes less than this.
MEMORY = 20 * 2**20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_image(folder / "good.nii", DATA, tr_s=1.5)
    return folder


def read(path):
    scan = open_scan(path)
    out = np.full((*scan.grid.shape, scan.n_volumes), np.nan)
    for offset, volumes in scan.chunks(0, scan.n_volumes):
        out[..., offset : offset + volumes.shape[3]] = volumes
    return out


def read_or_refused(path):
    """What is read, None if it is refused in one line that names the file."""
    tracemalloc.start()
    try:
        found, said = read(path), str(path)
    except BrainError as error:
        found, said = None, str(error)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY
    assert str(path) in said
    assert "\n" not in said
    return found


@settings(max_examples=60, deadline=None)
@given(bit=st.integers(0), level=st.sampled_from([0, 1, 6]))
def test_a_flipped_bit_in_a_compressed_scan_is_found(folder, bit, level):
    data = bytearray(gzip.compress((folder / "good.nii").read_bytes(), level, mtime=0))
    bit %= 8 * len(data)
    data[bit // 8] ^= 1 << bit % 8
    (folder / "flipped.nii.gz").write_bytes(data)
    found = read_or_refused(folder / "flipped.nii.gz")
    assert found is None or np.array_equal(found, DATA)


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), packed=st.booleans())
def test_a_scan_that_ends_early_is_refused(folder, share, packed):
    data = (folder / "good.nii").read_bytes()
    data = gzip.compress(data, 1, mtime=0) if packed else data
    path = folder / ("cut.nii.gz" if packed else "cut.nii")
    path.write_bytes(data[: int(share * len(data))])
    assert read_or_refused(path) is None


@settings(max_examples=80, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6)
)
@example(changes=[(41, 127)])
@example(changes=[(k, 255) for k in range(40, 56)])
def test_any_header_gives_values_or_a_refusal(folder, changes):
    data = bytearray((folder / "good.nii").read_bytes())
    for at, value in changes:
        data[at] = value
    (folder / "header.nii").write_bytes(data)
    found = read_or_refused(folder / "header.nii")
    touched = {at for at, _ in changes}
    # Axes, numbers' type, byte order, the data's place and scaling may be what is changed.
    shaping = {*range(0, 4), *range(40, 56), *range(70, 74), *range(108, 120), *range(344, 348)}
    if found is not None and not touched & shaping:
        np.testing.assert_array_equal(found, DATA)


@settings(max_examples=40, deadline=None)
@given(
    axes=st.lists(st.integers(-(2**15), 2**15 - 1), min_size=3, max_size=7),
    packed=st.booleans(),
    kind=st.sampled_from([2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280]),
)
def test_huge_axes_take_no_memory(folder, axes, packed, kind):
    data = bytearray((folder / "good.nii").read_bytes())
    struct.pack_into(f"<{1 + len(axes)}h", data, 40, len(axes), *axes)
    bits = 8 * nibabel.nifti1.data_type_codes.dtype[kind].itemsize
    struct.pack_into("<2h", data, 70, kind, bits)
    path = folder / ("huge.nii.gz" if packed else "huge.nii")
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    read_or_refused(path)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 5)] * 3, st.integers(2, 6)),
    kind=st.sampled_from(["u1", "i1", "<i2", ">i2", "<u2", "<i4", ">u4", "<f4", ">f8", "<i8"]),
    before=st.integers(0, 2),
    behind=st.integers(0, 2),
    scaling=st.sampled_from([(1.0, 0.0), (0.5, 100.0), (-2.0, 3.0)]),
    packed=st.booleans(),
)
def test_what_is_written_is_read(folder, shape, kind, before, behind, scaling, packed):
    """Any number type and byte order, axes of length 1 around the time, packed or not."""
    values = (np.arange(np.prod(shape)) * 37 % 120).reshape(shape).astype(kind)
    axes = (*shape[:3], *[1] * before, shape[3], *[1] * behind)[:7]
    header = nibabel.Nifti1Header(endianness=">" if kind.startswith(">") else "<")
    header.set_data_dtype(kind)
    header.set_data_shape(axes)
    header.set_sform(AFFINE, 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    header["scl_slope"], header["scl_inter"] = scaling
    data = header.binaryblock + bytes(4) + values.tobytes(order="F")
    path = folder / ("any.nii.gz" if packed else "any.nii")
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    np.testing.assert_allclose(read(path), values * scaling[0] + scaling[1])


def test_an_image_is_read_from_one_handle_to_its_end(folder, monkeypatch):
    """The file is opened once for its kind, and once for header, data and checksum together."""
    path = folder / "once.nii.gz"
    path.write_bytes(gzip.compress((folder / "good.nii").read_bytes(), 1))
    made = []
    original = gzip.GzipFile.__init__

    def counted(self, *args, **named):
        made.append(args)
        original(self, *args, **named)

    monkeypatch.setattr(gzip.GzipFile, "__init__", counted)
    with opened(path) as image:
        image.volumes(0, 3)
        image.finish()
    assert len(made) == 1


def test_masks_are_read_as_they_are(folder):
    inside = np.random.default_rng(0).random((5, 6, 4)) > 0.5
    path = write_image(folder / "mask.nii.gz", inside.astype(np.uint8)[..., None])
    data, grid = read_image(path, "mask")
    np.testing.assert_array_equal(data, inside)
    np.testing.assert_allclose(grid.affine, AFFINE)
