"""Every row of the table in docs/brain.md: this input gives this message."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from giblet.errors import GibletError
from tests.support.scans import AFFINE, noise_scan, write_image

PAGE = Path(__file__).resolve().parents[3] / "docs" / "brain.md"
SHAPE = (5, 6, 4)
ALL = np.ones(SHAPE, bool)
CASES = {}


def case(name):
    def register(build):
        CASES[name] = build
        return build

    return register


def documented():
    """Input to message, from the page's table."""
    table = PAGE.read_text().split("| input | message |")[1]
    rows = re.findall(r"^\| (?!---)(.+?) \| `(.+)` \|$", table, re.MULTILINE)
    return dict(rows)


def test_the_page_and_the_tests_list_the_same_inputs():
    assert list(documented()) == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_bad_input(study, name):
    with pytest.raises(GibletError) as caught:
        CASES[name](study)
    pattern = ".*".join(re.escape(part) for part in documented()[name].split("…"))
    assert re.search(pattern, str(caught.value)), str(caught.value)
    assert not (study.folder / "run.h5").exists()


def masked(study, inside=ALL):
    study.space(mask=study.mask(inside))
    return study


def moved(mm):
    affine = AFFINE.copy()
    affine[0, 3] += mm
    return affine


@case("a scan that is not there")
def _(study):
    masked(study).run(study.folder / "bold.nii.gz")


@case("a file that is no NIfTI image")
def _(study):
    path = study.folder / "bold.nii"
    path.write_text("not an image")
    masked(study).run(path)


@case("a compressed scan cut short")
def _(study):
    path = study.scan(noise_scan())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    masked(study).run(path)


@case("an uncompressed scan cut short")
def _(study):
    path = study.scan(noise_scan(), "bold.nii")
    path.write_bytes(path.read_bytes()[:-100])
    masked(study).run(path)


@case("one 3-D volume as a scan")
def _(study):
    masked(study).run(study.scan(noise_scan(shape=SHAPE), tr_s=None))


@case("five axes")
def _(study):
    masked(study).run(study.scan(noise_scan(shape=(5, 6, 4, 2, 30)), tr_s=None))


@case("a series with a volume of another grid")
def _(study):
    for k in range(1, 6):
        volume = noise_scan(shape=SHAPE)
        write_image(study.folder / f"vol_{k}.nii", volume, affine=moved(2.0 * (k == 3)))
    masked(study).run(*[study.folder / f"vol_{k}.nii" for k in range(1, 6)])


@case("fewer volumes than the table says")
def _(study):
    masked(study).run(study.scan(noise_scan()), first_volume=20, n_volumes=50)


@case("a run that starts after the end")
def _(study):
    masked(study).run(study.scan(noise_scan()), first_volume=60)


@case("another TR in the header")
def _(study):
    masked(study).run(study.scan(noise_scan(), tr_s=2.0))


@case("a scan of another grid than the mask")
def _(study):
    masked(study).run(study.scan(noise_scan(), affine=moved(1.0)))


@case("scans of two shapes, mask computed")
def _(study):
    study.space(
        study.scan(noise_scan(), "one.nii"), study.scan(noise_scan(shape=(6, 6, 4, 60)), "two.nii")
    )


@case("a subject of NaN only, mask computed")
def _(study):
    study.space(study.scan(np.full((*SHAPE, 60), np.nan, np.float32)))


@case("a subject of NaN only, mask given")
def _(study):
    masked(study).run(study.scan(np.full((*SHAPE, 60), np.nan, np.float32)))


@case("scans that share no voxel")
def _(study):
    left = np.zeros((*SHAPE, 1), np.float32)
    left[:2] = 1
    study.space(
        study.scan(noise_scan() * left, "one.nii"), study.scan(noise_scan() * (1 - left), "two.nii")
    )


@case("an empty mask")
def _(study):
    masked(study, ~ALL)


@case("a mask with more than two values")
def _(study):
    masked(study, np.arange(ALL.size).reshape(SHAPE))


@case("a 4-D mask")
def _(study):
    masked(study, np.ones((*SHAPE, 2)))


@case("an atlas that is no label image")
def _(study):
    atlas = write_image(study.folder / "atlas.nii", noise_scan(shape=SHAPE))
    study.space(mask=study.mask(ALL), atlas=atlas)


@case("an atlas of another part of space")
def _(study):
    atlas = write_image(study.folder / "atlas.nii", np.ones(SHAPE, np.int16), affine=moved(500))
    study.space(mask=study.mask(ALL), atlas=atlas)


@case("an atlas table without a label")
def _(study):
    atlas = write_image(study.folder / "atlas.nii", np.full(SHAPE, 7, np.int16))
    table = study.folder / "atlas.tsv"
    table.write_text("index\tname\n1\tV1\n")
    study.space(mask=study.mask(ALL), atlas=atlas, atlas_labels=table)


def confounds(study, rows, columns=("trans_x", "csf")):
    path = study.folder / "confounds.tsv"
    lines = ["\t".join(columns), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@case("confounds of another length")
def _(study):
    table = confounds(study, [(k, -k) for k in range(59)])
    scan = study.scan(noise_scan())
    masked(study).run(scan, confounds=table, confound_columns=["csf"], n_volumes=40)


@case("a confound that is not in the table")
def _(study):
    table = confounds(study, [(k, -k) for k in range(60)])
    masked(study).run(study.scan(noise_scan()), confounds=table, confound_columns=["trans_X"])


@case("a confound with a missing value")
def _(study):
    table = confounds(study, [(k, "n/a" if k == 7 else k) for k in range(60)])
    masked(study).run(study.scan(noise_scan()), confounds=table, confound_columns=["csf"])


@case("a confound that is text")
def _(study):
    table = confounds(study, [(k, "awake") for k in range(60)], ("trans_x", "state"))
    masked(study).run(study.scan(noise_scan()), confounds=table, confound_columns=["state"])


@case("more regressors than volumes")
def _(study):
    rows = np.random.default_rng(0).standard_normal((6, 4))
    table = confounds(study, rows, ("a", "b", "c", "d"))
    scan = study.scan(noise_scan(shape=(*SHAPE, 6)))
    masked(study).run(scan, confounds=table, confound_columns=["?"])


def table(study, text, name="bold.tsv"):
    path = study.folder / name
    path.write_text(text)
    return path


GOOD = "a\tb\n" + "1\t2\n3\t4\n5\t7\n" * 10


@case("parcels in an unknown format")
def _(study):
    study.space(table(study, GOOD, "bold.mat"), kind="parcels")


@case("a parcel table without labels")
def _(study):
    study.space(table(study, "1.5\t2.5\n3\t4\n"), kind="parcels")


@case("a word among a parcel's numbers")
def _(study):
    path = table(study, GOOD.replace("3\t4", "3\tbad", 1))
    study.space(path, kind="parcels")
    study.run(path, kind="parcels")


@case("two parcels of one label")
def _(study):
    study.space(table(study, "a\ta\n1\t2\n"), kind="parcels")


@case("parcels of another parcellation")
def _(study):
    study.space(table(study, GOOD), kind="parcels")
    study.run(table(study, GOOD.replace("b", "x"), "other.tsv"), kind="parcels")


@case("fewer parcels than the study")
def _(study):
    study.space(table(study, GOOD), kind="parcels")
    study.run(table(study, "a\n1\n2\n", "other.tsv"), kind="parcels")


@case("several datasets in a parcel file")
def _(study):
    path = study.folder / "bold.h5"
    with h5py.File(path, "w") as file:
        file["one"] = file["two"] = np.zeros((5, 2))
    study.space(path, kind="parcels")


@case("a mask for parcels")
def _(study):
    study.space(table(study, GOOD), kind="parcels", mask=study.mask(ALL))


@case("smoothing of parcels")
def _(study):
    path = table(study, GOOD)
    study.space(path, kind="parcels")
    study.run(path, kind="parcels", smoothing_fwhm_mm=6)
