"""The mask that is computed when none is given."""

import numpy as np

from giblet.brain.mask import ScanRange, compute_mask, load_mask
from tests.support.bad_inputs import Kind
from tests.support.heads import head
from tests.support.scans import BrainStudy, noise_scan, write_image

KIND = Kind(
    "The default mask",
    "The computed mask is the brain (Dice coefficient of 0.95 or more), whatever preprocessing "
    "left about it; one that cannot be a brain is said with its size.",
)
MM = 5


def mask_of(path, method="auto"):
    return compute_mask([ScanRange(str(path))], method=method, fraction=1.0, resample=False)[0]


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def written(folder, form, name="bold.nii", **options):
    made = head(form, voxel_mm=MM)
    return write_image(folder / name, made.bold, affine=made.affine, tr_s=1.5, **options), made


def found(what, form, least=0.95):
    @KIND.read(what)
    def _(folder):
        path, made = written(folder, form)
        assert dice(mask_of(path), made.brain) >= least


found("a brain without all else", "stripped", 1.0)
found("a brain in small noise, nothing outside a box about it", "noise in a box")
found("a brain smoothed after it was stripped", "blurred")
found("a brain amid what interpolation left of the air", "resampled")
found("a whole head, with scalp, neck and eyes", "head")
found("a head that the field of view cuts", "cut")


@KIND.read("a scan in MNI space by its name: what lies within the template's brain")
def _(folder):
    name = "sub-01_space-MNI152NLin2009cAsym_desc-preproc_bold.nii"
    path, made = written(folder, "head", name)
    assert dice(mask_of(path), made.brain) >= 0.98


@KIND.read("fMRIPrep's brain mask beside the scan, which is taken")
def _(folder):
    path, made = written(folder, "head", "sub-01_run-1_desc-preproc_bold.nii")
    inside = made.brain.copy()
    inside[:20] = False
    write_image(
        folder / "sub-01_run-1_desc-brain_mask.nii.gz", inside.astype(np.uint8), affine=made.affine
    )
    np.testing.assert_array_equal(mask_of(path), inside)


@KIND.read("empty volumes among the first, which say nothing of the brain")
def _(folder):
    made = head("stripped", voxel_mm=MM, n_volumes=12)
    made.bold[..., [0, 5, 6, 7]] = 0
    path = write_image(folder / "bold.nii", made.bold, affine=made.affine, tr_s=1.5)
    np.testing.assert_array_equal(mask_of(path), made.brain)


@KIND.warned(
    "a computed mask that is larger than a brain",
    "…bold.nii: the mask has 60,236 voxels, 7,529 ml, a brain has … ml at most: it takes in what "
    "is not brain; name a brain/mask (fMRIPrep writes ..._desc-brain_mask.nii.gz), or set "
    "brain/mask_method",
)
def _(folder):
    path, made = written(folder, "head")
    assert mask_of(path, "nonzero").sum() == made.brain.size


@KIND.warned("a given mask that is larger than a brain", "…head.nii: the mask has 60,236 voxels, …")
def _(folder):
    made = head("head", voxel_mm=MM)
    whole = np.ones(made.brain.shape, np.uint8)
    path = write_image(folder / "head.nii", whole, affine=made.affine)
    BrainStudy(folder).space(mask=path)
    assert load_mask(folder / "mask.nii.gz")[0].all()


@KIND.warned(
    "scans that hardly overlap",
    "the group mask has 24 voxels, 1 ml, single scans have 72 (median; the fewest, 72, …): check "
    "that all are registered to one space, or lower brain/mask_fraction",
)
def _(folder):
    rows = []
    for k, part in enumerate((slice(0, 3), slice(2, 5))):
        data = np.zeros_like(noise_scan())
        data[part] = noise_scan()[part]
        path = write_image(folder / f"{k}.nii", data, tr_s=1.5)
        rows.append(ScanRange(str(path)))
    found, _ = compute_mask(rows, method="auto", fraction=1.0, resample=False)
    assert found[2].all()
    assert found.sum() == 24


@KIND.refused(
    "a brain mask beside a scan in which nothing is filled",
    "…mask.nii.gz: no voxel of this brain mask is filled in … beside it: correct or remove it, or "
    "name a brain/mask",
)
def _(folder):
    data = noise_scan()
    data[0] = 0
    path = write_image(folder / "sub-01_bold.nii", data, tr_s=1.5)
    wrong = np.zeros(data.shape[:3], np.uint8)
    wrong[0] = 1
    write_image(folder / "sub-01_desc-brain_mask.nii.gz", wrong)
    mask_of(path)


@KIND.refused("a mask of negative values", "…: the mask is empty: no voxel is above 0; correct …")
def _(folder):
    path = write_image(
        folder / "m.nii", np.where(np.arange(120).reshape(5, 6, 4) > 9, -1, 0).astype(np.int16)
    )
    BrainStudy(folder).space(mask=path)


@KIND.read("denoised values about 0, with nothing outside the brain")
def _(folder):
    made = head("stripped", voxel_mm=MM)
    noise = np.random.default_rng(2).standard_normal(made.bold.shape)
    data = (20 * noise * made.brain[..., None]).astype(np.float32)
    path = write_image(folder / "bold.nii", data, affine=made.affine, tr_s=1.5)
    np.testing.assert_array_equal(mask_of(path), made.brain)
