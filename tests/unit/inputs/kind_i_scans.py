"""Scans that cannot be what they say: strays, gaps, volumes that measured nothing."""

import gzip
import json

import h5py
import numpy as np

from tests.support.bad_inputs import Kind
from tests.support.scans import AFFINE, BrainStudy, noise_scan, run_of, values_of, write_image

KIND = Kind(
    "Scans",
    "A volume stands at its time or is marked as not measured; what is no volume of the scan is "
    "left out by name, and what looks odd is said with its volumes.",
)
N = 60
DATA = noise_scan()
ROWS = DATA.reshape(-1, N).T


def series(folder, data=DATA, name="vol_{:04d}.nii", numbers=None):
    """One file for each volume, its TR in the header."""
    for k, number in enumerate(numbers or range(1, data.shape[3] + 1)):
        volume = data[..., k].astype(np.float32)[..., None]
        write_image(folder / name.format(number), volume, tr_s=1.5)
    return folder


def scan(folder, data, name="bold.nii", **options):
    tr_s = 1.5 if data.ndim == 4 else None
    return write_image(folder / name, data, **{"tr_s": tr_s, **options})


def kept(values, rows, but=()):
    """Values are those of the file, in the volumes that are not in question."""
    which = np.setdiff1d(np.arange(len(rows)), but)
    np.testing.assert_array_equal(values[which], rows[which])


# Files of a series


@KIND.warned(
    "the mean image that SPM leaves among the volumes",
    "…: 1 file(s) whose names differ from those of the 60 volumes are left out: meanvol_0001.nii: "
    "name the volumes by a pattern, such as '…vol_*.nii', in column bold if that is not what you "
    "want",
)
def _(folder):
    series(folder / "spm")
    scan(folder / "spm", DATA.mean(-1), "meanvol_0001.nii")
    kept(values_of(folder, folder / "spm"), ROWS)


@KIND.warned("an anatomy and a mask among the volumes", "…2 file(s) …: T1.nii, mask.nii…")
def _(folder):
    series(folder / "spm")
    scan(folder / "spm", DATA[..., 0], "T1.nii")
    scan(folder / "spm", DATA[..., 0], "mask.nii")
    kept(values_of(folder, folder / "spm"), ROWS)


@KIND.refused(
    "volumes before and after a step of SPM in one folder",
    "…: holds files of 2 kinds of names (6 like rvol_0001.nii; 6 like vol_0001.nii), so that it "
    "is not clear which are the volumes of the scan: name them by a pattern, such as "
    "'…rvol_*.nii', in column bold",
)
def _(folder):
    series(folder / "spm", DATA[..., :6])
    series(folder / "spm", DATA[..., :6], "rvol_{:04d}.nii")
    values_of(folder, folder / "spm")


@KIND.refused(
    "volumes of two subjects in one folder",
    "…: several numbers count in the names of the files (1 to 2 and 1 to 6), as of several series "
    "in one place: name the volumes of one by a pattern in column bold",
)
def _(folder):
    for subject in ("01", "02"):
        series(folder / "spm", DATA[..., :6], f"sub{subject}_{{:04d}}.nii")
    values_of(folder, folder / "spm")


@KIND.read("one of two subjects in a folder, by a pattern")
def _(folder):
    for subject in ("01", "02"):
        series(folder / "spm", DATA[..., :6], f"sub{subject}_{{:04d}}.nii")
    kept(values_of(folder, f"{folder}/spm/sub02_*.nii"), ROWS[:6])


@KIND.refused("files whose names have nothing in common", "…: holds files of 3 kinds of names …")
def _(folder):
    for name in ("first", "second", "third"):
        scan(folder / "spm", DATA[..., :4], f"{name}.nii")
    values_of(folder, folder / "spm")


@KIND.read("numbers of volume and time that count together, as SPM's import writes them")
def _(folder):
    for k in range(12):
        name = f"fM0123-0005-{k + 1:05d}-{k + 1:06d}-01.nii"
        scan(folder / "spm", DATA[..., k : k + 1], name)
    kept(values_of(folder, folder / "spm"), ROWS[:12])


@KIND.read("hidden files that macOS leaves beside the volumes")
def _(folder):
    series(folder / "spm", DATA[..., :6])
    for k in range(1, 7):
        (folder / "spm" / f"._vol_{k:04d}.nii").write_bytes(b"\0\5\26\7Mac OS X")
    kept(values_of(folder, folder / "spm"), ROWS[:6])
    kept(values_of(folder, f"{folder}/spm/*.nii"), ROWS[:6])


@KIND.warned(
    "a volume missing in the numbers of a series",
    "…: 1 of 60 volumes are missing by the numbers of the files (volumes 16, counted from 0); they "
    "count as not measured: add them if you have them",
)
def _(folder):
    series(folder / "spm")
    (folder / "spm" / "vol_0017.nii").unlink()
    values, unmeasured = run_of(folder, folder / "spm")
    assert unmeasured == [16]
    kept(values, ROWS, [16])


@KIND.read("numbers of a series in steps of three, as of every third echo")
def _(folder):
    series(folder / "spm", DATA[..., :8], numbers=range(2, 26, 3))
    kept(values_of(folder, folder / "spm"), ROWS[:8])


@KIND.refused(
    "numbers of a series that jump",
    "…vol_1001.nii: the numbers of the series jump from 5 to 1001, with 10 files in all: name the "
    "volumes of one scan by a pattern in column bold",
)
def _(folder):
    numbers = [*range(1, 6), *range(1001, 1006)]
    series(folder / "spm", DATA[..., :10], numbers=numbers)
    values_of(folder, folder / "spm")


@KIND.read("a volume that is there packed and unpacked")
def _(folder):
    series(folder / "spm", DATA[..., :6])
    plain = folder / "spm" / "vol_0003.nii"
    (folder / "spm" / "vol_0003.nii.gz").write_bytes(gzip.compress(plain.read_bytes()))
    kept(values_of(folder, folder / "spm"), ROWS[:6])


@KIND.refused(
    "two files of one number that differ",
    "…: has the same number as …: take one of them away, or name the volumes by a pattern in "
    "column bold",
)
def _(folder):
    series(folder / "spm", DATA[..., :6])
    scan(folder / "spm", DATA[..., 40], "vol_0003.nii.gz")
    values_of(folder, folder / "spm")


@KIND.refused("one number in two spellings", "…: has the same number as …")
def _(folder):
    series(folder / "spm", DATA[..., :6])
    scan(folder / "spm", DATA[..., 40], "vol_3.nii")
    values_of(folder, folder / "spm")


@KIND.refused(
    "a volume that lies elsewhere than the others, as after a rotation",
    "…vol_0004.nii has 5 x 6 x 4 voxels with affine […], … has 5 x 6 x 4 voxels with affine […]: "
    "bring all scans and masks to one grid, or set brain/resample: true",
)
def _(folder):
    series(folder / "spm", DATA[..., :6])
    turned = AFFINE.copy()
    turned[:2, :2] = turned[:2, :2] @ [[0.998, -0.06], [0.06, 0.998]]
    scan(folder / "spm", DATA[..., 3:4], "vol_0004.nii", affine=turned)
    values_of(folder, folder / "spm")


@KIND.refused(
    "the whole scan among its volumes",
    "…: holds 60 volumes, … beside it one: name either the series or the 4-D file in column bold",
)
def _(folder):
    series(folder / "spm", DATA[..., :6])
    scan(folder / "spm", DATA, "vol_0007.nii")
    values_of(folder, folder / "spm")


@KIND.refused(
    "scans of two subjects that a pattern matches",
    "… and … are scans of their own (they differ in the number after '…sub-'), not parts of one: "
    "give each a row of the scans table",
)
def _(folder):
    for subject in ("01", "02"):
        scan(folder, DATA, f"sub-{subject}_task-film_bold.nii")
    values_of(folder, f"{folder}/sub-*_bold.nii")


@KIND.warned(
    "two runs in one folder, which is named",
    "…: 2 files of 20, 40 volumes are read as one scan, one after the other: name one of them in "
    "column bold if they are runs of their own",
)
def _(folder):
    scan(folder / "func", DATA[..., :20], "sub-01_run-1_bold.nii")
    scan(folder / "func", DATA[..., 20:], "sub-01_run-2_bold.nii")
    kept(values_of(folder, folder / "func"), ROWS)


@KIND.read("a scan in parts of several volumes")
def _(folder):
    scan(folder / "func", DATA[..., :20], "part_1.nii")
    scan(folder / "func", DATA[..., 20:], "part_2.nii")
    kept(values_of(folder, folder / "func"), ROWS)


@KIND.refused("a part missing between others", "…: a part is missing between it and …")
def _(folder):
    for k in (1, 2, 3, 5):
        scan(folder / "func", DATA[..., 10 * k : 10 * k + 10], f"part_{k}.nii")
    values_of(folder, folder / "func")


# Volumes that measured nothing


@KIND.warned(
    "a scan that ended early and was filled up with zeros",
    "…: 15 of 60 volumes are no measurement: volumes 45 to 59 are empty (0 or missing in all or "
    "most voxels); they are marked as not measured and left out of cleaning: correct the scan, or "
    "cut it with first_volume and n_volumes",
)
def _(folder):
    data = DATA.copy()
    data[..., 45:] = 0
    values, unmeasured = run_of(folder, scan(folder, data))
    assert unmeasured == list(range(45, 60))
    kept(values, ROWS, unmeasured)


@KIND.warned("volumes of NaN", "…: 3 of 60 volumes are no measurement: volumes 7, 30 to 31 are …")
def _(folder):
    data = DATA.copy()
    data[..., [7, 30, 31]] = np.nan
    values, unmeasured = run_of(folder, scan(folder, data))
    assert unmeasured == [7, 30, 31]
    kept(values, ROWS, unmeasured)


@KIND.warned(
    "a volume of which only a few slices arrived", "…: 1 of 60 volumes are no measurement…"
)
def _(folder):
    data = DATA.copy()
    data[:, :, 1:, 20] = 0
    assert run_of(folder, scan(folder, data))[1] == [20]


@KIND.warned(
    "a scanner that sent the same volume again",
    "…: 4 of 60 volumes are no measurement: volumes 11, 40 to 42 are the volume before once more, "
    "to the last digit; …",
)
def _(folder):
    data = DATA.copy()
    data[..., 11] = data[..., 10]
    data[..., 40:43] = data[..., 39:40]
    values, unmeasured = run_of(folder, scan(folder, data))
    assert unmeasured == [11, 40, 41, 42]
    kept(values, ROWS, unmeasured)


@KIND.warned(
    "a scan whose end repeats one volume", "…: 20 of 60 volumes …volumes 40 to 59 are the …"
)
def _(folder):
    data = DATA.copy()
    data[..., 40:] = data[..., 39:40]
    assert run_of(folder, scan(folder, data))[1] == list(range(40, 60))


@KIND.refused(
    "a scan of zeros",
    "…: none of 120 voxels can be used in volumes 0 to 59: 0 hold NaN or infinite values, 120 do "
    "not vary: correct the scan or its volume range, or take it out of the scans table",
)
def _(folder):
    study = BrainStudy(folder)
    study.space(mask=study.mask(np.ones(DATA.shape[:3], bool)))
    study.run(study.scan(np.zeros_like(DATA)))


# Volumes that look odd


@KIND.warned(
    "volumes in which the head moved",
    "…: 2 volume(s) differ abruptly from the one before (volumes 12, 44; the change is up to … "
    "times the usual one), as when the head moves: they are used; …",
)
def _(folder):
    data = DATA.copy()
    data[..., [12, 44]] += 90 * np.sign(noise_scan(5)[..., [12, 44]] - 1000)
    values, unmeasured = run_of(folder, scan(folder, data))
    assert not unmeasured
    kept(values, data.reshape(-1, N).T)


@KIND.warned(
    "a volume that is a little brighter than all others",
    "…: 1 volume(s) differ abruptly from the one before (volumes 21; …",
)
def _(folder):
    data = DATA + 5 * (noise_scan(7) - 1000)
    data[..., 21] *= 1.1
    run_of(folder, scan(folder, data))


@KIND.read("JSON files beside the volumes that a pattern matches")
def _(folder):
    series(folder / "spm", DATA[..., :6])
    for k in range(1, 7):
        (folder / "spm" / f"vol_{k:04d}.json").write_text("{}")
    kept(values_of(folder, f"{folder}/spm/vol_*"), ROWS[:6])


@KIND.warned(
    "another scaling from half of the scan on",
    "…: the mean over voxels goes from … to … at volume 30 and stays there, as when two "
    "scans or two scalings were joined: check the scan, or cut it with first_volume and n_volumes",
)
def _(folder):
    data = DATA.copy()
    data[..., 30:] *= 2
    run_of(folder, scan(folder, data))


@KIND.warned(
    "first volumes before the steady state",
    "…: the first 3 volume(s) are up to 40% brighter than the rest, as before the steady state of "
    "magnetisation: start at first_volume 3 in the scans table (and shift the film's onset by as "
    "many TRs)",
)
def _(folder):
    data = DATA * np.r_[1.4, 1.15, 1.05, np.ones(N - 3)].astype(np.float32)
    run_of(folder, scan(folder, data))


@KIND.warned(
    "values cut off at the largest that 16 bits hold",
    "…: … values in 120 voxels are 32,767, the largest that int16 or the scanner's converter "
    "holds: they were cut off there; export the scan as float32, or mask these voxels out",
)
def _(folder):
    run_of(folder, scan(folder, np.clip(DATA * 32.7, 0, 32767).astype(np.int16)))


@KIND.warned("values cut off at the 12 bits of a converter", "…: … are 4,095, the largest that …")
def _(folder):
    run_of(folder, scan(folder, np.clip(DATA * 4.09, 0, 4095).astype(np.int16)))


@KIND.warned(
    "numbers too large for 16 bits, which went round",
    "…: … values change by nearly the whole range of int16 from one volume to the next, as when "
    "numbers too large for it go round: export the scan as float32",
)
def _(folder):
    run_of(folder, scan(folder, (DATA * 32.768).astype(np.int64).astype(np.int16)))


@KIND.warned("lost slices in one volume", "…: in 1 volume(s) up to 25% of the voxels are empty …")
def _(folder):
    data = DATA.copy()
    data[:, :, 0, 9] = 0
    run_of(folder, scan(folder, data))


@KIND.read("a scan with drift, noise and a slow response")
def _(folder):
    time = np.arange(N)
    course = 1 + 0.02 * time / N + 0.02 * np.sin(time / 4)
    values, unmeasured = run_of(folder, scan(folder, (DATA * course).astype(np.float32)))
    assert not unmeasured
    assert values.shape == (N, 120)


# The JSON file beside a scan


def beside(folder, header_tr_s=1.5, **content):
    (folder / "bold.json").write_text(json.dumps(content))
    return scan(folder, DATA, tr_s=header_tr_s)


@KIND.read("a header without a TR, and one in the JSON file beside it")
def _(folder):
    kept(values_of(folder, beside(folder, header_tr_s=0, RepetitionTime=1.5)), ROWS)


@KIND.read("a JSON file beside a scan that does not parse, and is not needed")
def _(folder):
    path = beside(folder)
    (folder / "bold.json").write_text("{")
    kept(values_of(folder, path), ROWS)


@KIND.refused(
    "another TR in the JSON file, and none in the header",
    "…bold.json: says a RepetitionTime of 2 s, the study has 1.5 s: correct tr_s in the "
    "configuration, or set brain/check_tr: false if the file is wrong",
)
def _(folder):
    values_of(folder, beside(folder, header_tr_s=0, RepetitionTime=2.0))


@KIND.warned(
    "another TR in the JSON file than in header and study",
    "…bold.json: says a RepetitionTime of 2 s, the header of the scan and the study 1.5 s, which "
    "is taken: correct the one that is wrong",
)
def _(folder):
    kept(values_of(folder, beside(folder, RepetitionTime=2.0)), ROWS)


@KIND.refused(
    "volumes at uneven times",
    "…bold.json: VolumeTiming has steps of different lengths, giblet needs one volume every TR: …",
)
def _(folder):
    times = [1.5 * k + (3 if k > 30 else 0) for k in range(N)]
    values_of(folder, beside(folder, VolumeTiming=times))


@KIND.warned(
    "fewer volumes than the JSON file says",
    "…bold.nii: has 60 volumes, …bold.json beside it says 80: the scan may have ended early, or "
    "volumes were taken off; check that times still hold",
)
def _(folder):
    kept(values_of(folder, beside(folder, NumberOfVolumes=80)), ROWS)


# Confounds of volumes that are not there


def with_confounds(folder, rows):
    """A series without its volume 17, and a table; the response follows the confound."""
    slow = np.random.default_rng(3).standard_normal(N)
    series(folder / "spm", (DATA + 30 * slow).astype(np.float32))
    (folder / "spm" / "vol_0017.nii").unlink()
    cells = ["n/a" if k == 16 else repr(float(slow[k])) for k in range(N)]
    cells = cells if rows == N else cells[:16] + cells[17:]
    (folder / "confounds.tsv").write_text("\n".join(["csf", *cells]) + "\n")
    study = BrainStudy(folder)
    study.space(mask=study.mask(np.ones(DATA.shape[:3], bool)))
    out = study.run(
        *sorted((folder / "spm").iterdir()),
        confounds=folder / "confounds.tsv",
        confound_columns=["csf"],
        high_pass_hz=0,
    )
    there = np.setdiff1d(np.arange(N), 16)
    with h5py.File(out) as file:
        bold = file["bold"][:]
    assert not bold[16].any()
    assert np.abs(np.corrcoef(bold[there].T, slow[there])[-1, :-1]).max() < 1e-3


@KIND.warned(
    "confounds without a value for a volume that is missing", "…1 of 60 volumes are missing…"
)
def _(folder):
    with_confounds(folder, N)


@KIND.warned(
    "confounds without a row for a volume that is missing", "…1 of 60 volumes are missing…"
)
def _(folder):
    with_confounds(folder, N - 1)
