"""Images that are damaged, or are not what a header or a name says."""

import bz2
import gzip
from pathlib import Path

import nibabel
import numpy as np

from tests.support.bad_inputs import Kind
from tests.support.scans import (
    AFFINE,
    BrainStudy,
    noise_scan,
    patched,
    values_of,
    write_image,
)

KIND = Kind(
    "Images",
    "Every file is read as what it holds, its checksum included, or refused with its name; a "
    "header that says what cannot be is never repaired in silence.",
)
SHAPE = (5, 6, 4)
DATA = noise_scan(shape=(*SHAPE, 16))
ROWS = DATA.reshape(-1, 16).T
UNREADABLE = "…: not a readable NIfTI image (…): export it again"
IMPOSSIBLE = "…: the header says {}, which cannot be: the header is damaged; export the image again"
CHECKSUM = (
    "…: the compressed data do not agree with their checksum (…): the file was damaged on a disk "
    "or on its way; copy it again (gzip -t tells whether a copy is whole)"
)
SHORT = (
    "…: the data end or break before volume … of the 16 that the header announces (…): the file "
    "is cut short; copy it again"
)
FOREIGN = "…: not a readable NIfTI image (it is {}): {}"


def plain(folder, name="bold.nii", **options):
    return write_image(folder / name, DATA, **{"tr_s": 1.5, **options})


def packed(folder, name="bold.nii.gz"):
    """A compressed scan, and its bytes."""
    data = bytearray(gzip.compress(plain(folder).read_bytes(), 6, mtime=0))
    (folder / name).write_bytes(data)
    return folder / name, data


def same(values, rows=ROWS):
    np.testing.assert_array_equal(values, rows)


# Packed files


@KIND.read("a compressed scan of two gzip members, as parallel packers write it")
def _(folder):
    data = plain(folder).read_bytes()
    (folder / "b.nii.gz").write_bytes(gzip.compress(data[:9000]) + gzip.compress(data[9000:]))
    same(values_of(folder, folder / "b.nii.gz"))


@KIND.read("zeros behind the end of a compressed scan, as tapes leave them")
def _(folder):
    path, data = packed(folder)
    path.write_bytes(data + bytes(512))
    same(values_of(folder, path))


@KIND.read("other bytes behind the end of a compressed scan, which gzip leaves alone too")
def _(folder):
    path, data = packed(folder)
    path.write_bytes(data + b"signed by the archive")
    same(values_of(folder, path))


@KIND.read("a scan compressed by bzip2")
def _(folder):
    path = folder / "bold.nii.bz2"
    path.write_bytes(bz2.compress(plain(folder).read_bytes()))
    same(values_of(folder, path))


@KIND.read("a compressed scan named .nii")
def _(folder):
    _, data = packed(folder)
    (folder / "other.nii").write_bytes(data)
    same(values_of(folder, folder / "other.nii"))


@KIND.read("an uncompressed scan named .nii.gz")
def _(folder):
    same(values_of(folder, plain(folder).rename(folder / "b.nii.gz")))


@KIND.refused("a flipped bit in a compressed scan", CHECKSUM)
def _(folder):
    path, _ = packed(folder)
    # Within a stored block every bit is a value.
    data = bytearray(gzip.compress(plain(folder).read_bytes(), 0, mtime=0))
    data[4000] ^= 8
    path.write_bytes(data)
    values_of(folder, path)


@KIND.refused("a flipped bit behind the run, in a scan of several runs", CHECKSUM)
def _(folder):
    path, _ = packed(folder)
    data = bytearray(gzip.compress(plain(folder).read_bytes(), 0, mtime=0))
    data[-40] ^= 8
    path.write_bytes(data)
    values_of(folder, path, n_volumes=5)


@KIND.refused("a compressed scan without its last bytes, the checksum", CHECKSUM)
def _(folder):
    path, data = packed(folder)
    path.write_bytes(data[:-6])
    values_of(folder, path)


@KIND.refused("a compressed scan cut short", SHORT)
def _(folder):
    path, data = packed(folder)
    path.write_bytes(data[: len(data) // 2])
    values_of(folder, path)


@KIND.refused(
    "a scan compressed twice", FOREIGN.format("compressed twice", "unpack it once (gzip -d)")
)
def _(folder):
    path, data = packed(folder)
    path.write_bytes(gzip.compress(data))
    values_of(folder, path)


@KIND.refused("a mask cut short", "…: the data end or break before volume 1 of the 1 that …")
def _(folder):
    study = BrainStudy(folder)
    path = study.mask(np.ones(SHAPE, bool), "given.nii")
    path.write_bytes(path.read_bytes()[:400])
    study.space(mask=path)


@KIND.refused("a flipped bit in a compressed mask", CHECKSUM)
def _(folder):
    study = BrainStudy(folder)
    path = study.mask(np.ones(SHAPE, bool), "given.nii")
    data = bytearray(gzip.compress(path.read_bytes(), 0, mtime=0))
    data[390] ^= 1
    (folder / "given.nii.gz").write_bytes(data)
    study.space(mask=folder / "given.nii.gz")


@KIND.refused("an atlas cut short", "…: the data end or break before volume 1 of the 1 that …")
def _(folder):
    study = BrainStudy(folder)
    path = write_image(folder / "atlas.nii", np.ones(SHAPE, np.int16))
    path.write_bytes(path.read_bytes()[:400])
    study.space(mask=study.mask(np.ones(SHAPE, bool)), atlas=path)


# What is no image


def foreign(what, content, fix, name="bold.nii.gz"):
    @KIND.refused(f"{what} under a scan's name", FOREIGN.format("…", fix))
    def _(folder):
        (folder / name).write_bytes(content)
        values_of(folder, folder / name)


foreign("a web page", b"<!DOCTYPE html><html><body>404</body></html>", "download it again")
foreign("an XML answer", b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code>', "download it again")
foreign("a JSON file", b'{"RepetitionTime": 1.5}', "name the image that lies beside it")
foreign(
    "a Git LFS pointer",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "run git lfs pull",
)
foreign("a git-annex pointer", b"/annex/objects/MD5E-s1--d4.nii.gz\n", "run datalad get or …")
foreign("a DICOM file", bytes(128) + b"DICM" + bytes(900), "convert the series with dcm2niix")
foreign("a zip archive", b"PK\x03\x04" + bytes(900), "unpack it and name the image in it")
foreign("an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(900), "if it holds parcels, set brain/kind: …")
foreign("zeros", bytes(5000), "copy it again", "bold.nii")
foreign("a text", b"sub-01 was not scanned that day\n", "export it again", "bold.nii")


@KIND.refused("an empty file", "…: is empty (0 bytes): copy it again")
def _(folder):
    (folder / "bold.nii.gz").touch()
    values_of(folder, folder / "bold.nii.gz")


@KIND.refused(
    "a link of git-annex whose content was not fetched",
    "…: is a link to …, which is not there: correct the link, or fetch the data first (datalad "
    "get, git annex get)",
)
def _(folder):
    (folder / "bold.nii.gz").symlink_to(".git/annex/objects/gone.nii.gz")
    values_of(folder, folder / "bold.nii.gz")


@KIND.refused(
    "a surface (GIFTI)",
    "…func.gii: a surface file (GIFTI, CIFTI or FreeSurfer), giblet reads volumes or parcels: name "
    "the volume (.nii.gz), or write its parcels into a table and set brain/kind: parcels",
)
def _(folder):
    arrays = [nibabel.gifti.GiftiDataArray(np.zeros(9, np.float32)) for _ in range(16)]
    nibabel.save(nibabel.gifti.GiftiImage(darrays=arrays), folder / "lh.func.gii")
    values_of(folder, folder / "lh.func.gii")


@KIND.refused("a dense series (CIFTI)", "…: a surface file (GIFTI, CIFTI or FreeSurfer), …")
def _(folder):
    axes = (
        nibabel.cifti2.SeriesAxis(0, 1.5, 16),
        nibabel.cifti2.BrainModelAxis.from_mask(np.ones(9, bool), "CORTEX_LEFT"),
    )
    image = nibabel.Cifti2Image(np.zeros((16, 9), np.float32), header=axes)
    nibabel.save(image, folder / "bold.dtseries.nii")
    # By its content, whatever it is called.
    (folder / "bold.dtseries.nii").rename(folder / "bold.nii")
    values_of(folder, folder / "bold.nii")


@KIND.refused("a MINC file", "….mnc: a MINC file: convert it to NIfTI (mnc2nii)")
def _(folder):
    values_of(folder, Path(nibabel.__file__).parent / "tests/data/minc1_4d.mnc")


@KIND.refused(
    "complex numbers", "…: holds complex numbers (complex64), not BOLD: export the magnitude image"
)
def _(folder):
    values_of(folder, write_image(folder / "bold.nii", DATA.astype(np.complex64), tr_s=1.5))


@KIND.refused("colours", "…: holds colours, not BOLD: correct the scans table")
def _(folder):
    colours = np.zeros((*SHAPE, 16), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, AFFINE), folder / "bold.nii")
    values_of(folder, folder / "bold.nii")


# Formats and number types


@KIND.read("five axes of which the fourth has length 1")
def _(folder):
    path = plain(folder)
    patched(path, (40, "<6h", 5, *SHAPE, 1, 16))
    same(values_of(folder, path))


@KIND.read("a last axis of length 1 behind the time")
def _(folder):
    same(values_of(folder, patched(plain(folder), (40, "<6h", 5, *SHAPE, 16, 1))))


@KIND.read("other bytes behind an uncompressed image")
def _(folder):
    path = plain(folder)
    path.write_bytes(path.read_bytes() + bytes(1000))
    same(values_of(folder, path))


@KIND.read("a NIfTI pair, named by its header or its image")
def _(folder):
    image = nibabel.Nifti1Pair(DATA, AFFINE)
    image.header.set_zooms((3, 3, 3, 1.5))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, folder / "bold.img")
    same(values_of(folder, folder / "bold.hdr"))
    same(values_of(folder, folder / "bold.img"))


@KIND.read("NIfTI-2")
def _(folder):
    image = nibabel.Nifti2Image(DATA, AFFINE)
    image.header.set_zooms((3, 3, 3, 1.5))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, folder / "bold.nii")
    same(values_of(folder, folder / "bold.nii"))


@KIND.read("FreeSurfer's .mgz")
def _(folder):
    image = nibabel.MGHImage(DATA, AFFINE)
    image.header.set_zooms((3, 3, 3, 1500))
    nibabel.save(image, folder / "bold.mgz")
    same(values_of(folder, folder / "bold.mgz"))


@KIND.read("numbers of 8 to 64 bits, whole and not, in either byte order")
def _(folder):
    whole = (np.arange(DATA.size) * 7 % 120).reshape(DATA.shape)
    for kind in ("u1", "i1", "<u2", ">i2", "<i8", ">u8", ">f4", "<f8"):
        header = nibabel.Nifti1Header(endianness=">" if str(kind).startswith(">") else "<")
        image = nibabel.Nifti1Image(whole.astype(kind), AFFINE, header)
        image.set_data_dtype(kind)
        image.header.set_zooms((3, 3, 3, 1.5))
        image.header.set_xyzt_units("mm", "sec")
        nibabel.save(image, folder / "bold.nii")
        same(values_of(folder, folder / "bold.nii"), whole.reshape(-1, 16).T)


@KIND.read("a scl_slope of 0 or NaN, which means none")
def _(folder):
    for slope in (0.0, np.nan):
        same(values_of(folder, patched(plain(folder), (112, "<f", slope))))


@KIND.read("a header in metres or micrometres")
def _(folder):
    for name, code, mm in (("metres", 1, 1e3), ("micrometres", 3, 1e-3)):
        path = plain(folder, f"{name}.nii", affine=np.diag([1 / mm, 1 / mm, 1 / mm, 1]) @ AFFINE)
        patched(path, (123, "<B", code | 8))
        same(values_of(folder, path))


@KIND.warned(
    "millimetres that the header calls metres",
    "…: the header says voxels of 3 x 3 x 3 metres; taken as millimetres: correct its xyzt_units",
)
def _(folder):
    same(values_of(folder, patched(plain(folder), (123, "<B", 1 | 8))))


# Headers

UNPLACED = (252, "<2h", 0, 0)


@KIND.warned(
    "a header without sform and qform",
    "…: the header does not say where the image lies (sform_code and qform_code are 0), so left "
    "and right are a guess: convert it again with its orientation, or set sform and qform",
)
def _(folder):
    study = BrainStudy(folder)
    scan = patched(plain(folder), UNPLACED)
    study.space(mask=patched(study.mask(np.ones(SHAPE, bool), "given.nii"), UNPLACED))
    study.raw(scan)


@KIND.warned("an Analyze 7.5 pair", "…: the header does not say where the image lies (Analyze …")
def _(folder):
    image = nibabel.AnalyzeImage(DATA, np.diag([3.0, 3, 3, 1]))
    nibabel.save(image, folder / "bold.img")
    mask = nibabel.AnalyzeImage(np.ones(SHAPE, np.uint8), np.diag([3.0, 3, 3, 1]))
    nibabel.save(mask, folder / "given.img")
    study = BrainStudy(folder)
    study.space(mask=folder / "given.img")
    study.raw(folder / "bold.img")


@KIND.warned(
    "sform and qform at two places",
    "…: sform and qform disagree by 5 mm; the sform is used: set both alike if another program is "
    "to see the image at the same place",
)
def _(folder):
    image = nibabel.load(plain(folder))
    moved = AFFINE.copy()
    moved[0, 3] += 5
    image.set_qform(moved, 1)
    image.set_sform(AFFINE, 1)
    nibabel.save(image, folder / "moved.nii")
    same(values_of(folder, folder / "moved.nii"))


@KIND.read("sform and qform in two spaces, template and scanner")
def _(folder):
    image = nibabel.load(plain(folder))
    image.set_qform(np.diag([3.0, 3, 3, 1]), 1)
    image.set_sform(AFFINE, 4)
    nibabel.save(image, folder / "mni.nii")
    same(values_of(folder, folder / "mni.nii"))


@KIND.warned(
    "a header that announces fewer volumes than the file has",
    "…: the header announces 10 volumes, the file has room for 6 more, which are not read: check "
    "that its header is right",
)
def _(folder):
    same(values_of(folder, patched(plain(folder), (48, "<h", 10))), ROWS[:10])


def impossible(what, says, *changes):
    @KIND.refused(what, IMPOSSIBLE.format(says))
    def _(folder):
        values_of(folder, patched(plain(folder), *changes))


QFORM = (252, "<2h", 1, 0)
impossible("a negative length of an axis", "4 axes of length -5 x 6 x 4 x 16", (42, "<h", -5))
impossible("an axis of length 0", "4 axes of length 5 x 0 x 4 x 16", (44, "<h", 0))
impossible("more than seven axes", "… axes of length …", (40, "<h", 99))
impossible("no axes", "… axes of length …", (40, "<h", 0))
impossible("a scl_slope that is infinite", "a scl_slope of inf", (112, "<f", np.inf))
impossible("a vox_offset that is no number", "a vox_offset of nan", (108, "<f", np.nan))
impossible("an sform that is not finite", "an affine that is not finite", (280, "<f", np.nan))
impossible("an sform of zeros", "voxels of 0 x … mm", (280, "<12f", *[0.0] * 12))
impossible(
    "an sform with all axes in one plane",
    "an affine whose axes lie in one plane",
    (280, "<12f", 3, 3, 0, 0, 0, 0, 3, 0, 0, 0, 0.0, 0),
)
impossible("an image a kilometre away", "an origin at (1e+06, -12, -6) mm", (292, "<f", 1e6))
impossible("a code of sform that is none", "an sform_code of 77", (254, "<h", 77))
impossible("voxels of 0 mm, without an sform", "voxels of 0 x 3 x 3 mm", QFORM, (80, "<f", 0.0))
impossible("voxels of NaN mm, without an sform", "voxels of nan x …", QFORM, (80, "<f", np.nan))
impossible("a qfac of 5, without an sform", "a qfac (pixdim[0]) of 5", QFORM, (76, "<f", 5.0))
impossible(
    "a number type and a size of numbers that contradict each other",
    "numbers of 32 bits (bitpix) and of 16 (datatype 4)",
    (70, "<h", 4),
)
impossible(
    "voxels of micrometres",
    "voxels of 0.003 x …",
    (280, "<12f", *np.diag([0.003] * 3 + [1])[:3].ravel()),
)


def unreadable(what, *changes):
    @KIND.refused(what, UNREADABLE)
    def _(folder):
        values_of(folder, patched(plain(folder), *changes))


unreadable("a quaternion that is none", QFORM, (256, "<3f", 0.9, 0.9, 0.9))
unreadable("a scl_inter of NaN beside a slope", (112, "<2f", 1.0, np.nan))
unreadable("an unknown number type", (70, "<2h", 1, 1))
unreadable("numbers of 128 bits", (70, "<2h", 1536, 128))
unreadable("a vox_offset within the header", (108, "<f", 100.0))
unreadable("a number type of nibabel that is not NIfTI's", (70, "<2h", 9999, 32))


@KIND.refused(
    "more data announced than an uncompressed file holds",
    SHORT.replace("16", "3,000").replace("3,000", "3000"),
)
def _(folder):
    values_of(folder, patched(plain(folder), (48, "<h", 3000)))


@KIND.refused("a start of the data behind the file's end", SHORT)
def _(folder):
    values_of(folder, patched(plain(folder), (108, "<f", 2.0**20)))


@KIND.refused(
    "more data announced than a compressed file can hold",
    "…: the data end or break before volume 1 of the 30000 that the header announces (it needs …, "
    "the file has room for …): the file is cut short; copy it again",
)
def _(folder):
    path = patched(plain(folder), (40, "<5h", 4, 500, 500, 500, 30000))
    (folder / "b.nii.gz").write_bytes(gzip.compress(path.read_bytes()))
    values_of(folder, folder / "b.nii.gz")


@KIND.refused(
    "volumes larger than any head",
    "…: the header announces volumes of 30000 x 30000 x 30000 voxels, more than giblet reads (…): "
    "the header is damaged; export the image again",
)
def _(folder):
    values_of(folder, patched(plain(folder), (40, "<5h", 4, 30000, 30000, 30000, 9)))


@KIND.refused(
    "a header that ends before its end", "…: not a readable NIfTI image (…): export it again"
)
def _(folder):
    path = plain(folder)
    path.write_bytes(path.read_bytes()[:200])
    values_of(folder, path)


@KIND.read("an extension of the header that runs into the data, which has its own place")
def _(folder):
    path = plain(folder)
    data = bytearray(path.read_bytes())
    data[348] = 1
    path.write_bytes(data)
    same(values_of(folder, path))


@KIND.refused("a folder without images", "…: is a folder without .nii files: name an image")
def _(folder):
    (folder / "empty").mkdir()
    values_of(folder, folder / "empty")


ATLAS = "…: an atlas holds whole numbers, one per region, this image holds {}: name a label image …"


def no_labels(what, value, says):
    @KIND.refused(what, ATLAS.format(says))
    def _(folder):
        labels = np.ones(SHAPE)
        labels[1, 2, 3] = value
        study = BrainStudy(folder)
        atlas = write_image(folder / "atlas.nii", labels)
        study.space(mask=study.mask(np.ones(SHAPE, bool)), atlas=atlas)


no_labels("an atlas with an infinite label", np.inf, "inf")
no_labels("an atlas with a label of more than 32 bits", 3e9, "3000000000")
no_labels("an atlas with half a label, as interpolation makes it", 1.5, "1.5")
