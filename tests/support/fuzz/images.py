"""Images of scans, masks and atlases."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.fuzz.headers import HEADER, gzip_members, inside_gzip
from tests.support.fuzz.kinds import Kind, choice, mixture, once
from tests.support.fuzz.plain import BYTES
from tests.support.scans import BrainStudy, write_image

SHAPE = (6, 7, 5)


def brain() -> np.ndarray:
    """A box of brain in the grid."""
    inside = np.zeros(SHAPE, bool)
    inside[1:5, 1:6, 1:4] = True
    return inside


def aids(folder: Path) -> BrainStudy:
    """A good scan, a mask, an atlas and the space that they make, in a folder of their own."""
    study = BrainStudy(folder / "aids")
    rng = np.random.default_rng(0)
    values = rng.normal(1000, 10, (*SHAPE, 24)) * brain()[..., None]
    study.scan(values.astype(np.float32))
    study.mask(brain())
    write_image(
        folder / "aids/atlas.nii.gz", (np.arange(210).reshape(SHAPE) // 53 + 1).astype("i2")
    )
    study.space(mask=folder / "aids/given.nii.gz")
    return study


def scan_files(folder: Path, suffix: str) -> list[Path]:
    """A scan of floats, one of scaled integers, and one whose background is not empty."""
    aids(folder)
    rng = np.random.default_rng(1)
    values = rng.normal(1000, 10, (*SHAPE, 24))
    for number, array in enumerate((values * brain()[..., None], values)):
        write_image(folder / f"good{number}{suffix}", array.astype(np.float32), tr_s=1.5)
    scaled = np.round(values * brain()[..., None] * 4) / 4
    write_image(folder / f"good2{suffix}", scaled, tr_s=1.5, slope=0.25)
    return list(folder.glob("good*"))


def read_run(file: Path, good: Path) -> None:
    """As a run's job reads its scan."""
    from giblet.brain.run import make_run
    from tests.support.scans import RUN_KEYS, defaults

    make_run(
        file.parent / "out.h5",
        bold=[str(file)],
        space=good / "aids/space.h5",
        mask=good / "aids/mask.nii.gz",
        confounds=None,
        run="run-1",
        tr_s="1.5",
        first_volume=0,
        n_volumes=choice(file, 0, 20),
        **{**defaults(*RUN_KEYS), "resample": choice(file, False, False, True)},
    )


def deciding_files(folder: Path) -> list[Path]:
    """Scans that a mask can be computed from."""
    made = scan_files(folder, ".nii.gz")
    (folder / "good1.nii.gz").unlink()
    return made


def read_space(file: Path, good: Path) -> None:
    """As the space's job reads all scans for the mask."""
    BrainStudy(file.parent).space(
        file, good / "aids/bold.nii.gz", resample=choice(file, False, True)
    )


def mask_files(folder: Path) -> list[Path]:
    """Masks of whole numbers and of floats, compressed or not."""
    aids(folder)
    write_image(folder / "good0.nii.gz", brain().astype(np.uint8))
    write_image(folder / "good1.nii", brain().astype(np.float32))
    return list(folder.glob("good*"))


def read_mask(file: Path, _: Path) -> None:
    """As the space's job reads a mask that is given."""
    BrainStudy(file.parent).space(mask=str(file))


def atlas_files(folder: Path) -> list[Path]:
    """Atlases, compressed or not."""
    aids(folder)
    labels = np.arange(210).reshape(SHAPE) // 53
    write_image(folder / "good0.nii.gz", labels.astype(np.int16))
    write_image(folder / "good1.nii", labels.astype(np.float64))
    return list(folder.glob("good*"))


def read_atlas(file: Path, good: Path) -> None:
    """As the space's job reads an atlas."""
    BrainStudy(file.parent).space(mask=str(good / "aids/given.nii.gz"), atlas=str(file))


def either(rng, data: bytes) -> bytes:  # type: ignore[no-untyped-def]
    """Header fields or bytes, inside the compression or of it."""
    if data[:2] == b"\x1f\x8b":
        return PACKED(rng, data)
    return NIFTI(rng, data)


NIFTI = mixture((3, HEADER), (2, BYTES))
PACKED = once((3, inside_gzip(HEADER)), (1, inside_gzip(BYTES)), (2, BYTES), (1, gzip_members))
KINDS = [
    Kind("nii", lambda folder: scan_files(folder, ".nii"), NIFTI, read_run, 6),
    Kind("nii.gz", lambda folder: scan_files(folder, ".nii.gz"), PACKED, read_run, 6),
    Kind("computed mask", deciding_files, PACKED, read_space, 4, r"aids/bold\.nii\.gz"),
    Kind("mask", mask_files, either, read_mask, 5),
    Kind("atlas", atlas_files, either, read_atlas, 5),
]
