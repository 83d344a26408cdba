"""Good files of the sizes that studies have, for benchmarks/readers.py."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

N_RUNS, N_SUBJECTS, N_VOLUMES, GRID = 12, 40, 300, (40, 48, 40)
FILM_S, FILM_HZ, SOUND_HZ = 30, 24, 48000
SENTENCE = "Two people in coats walk along a street in the rain and talk about a letter."


def make(folder: Path) -> None:
    """Write all files."""
    rng = np.random.default_rng(0)
    _study(folder)
    _confounds(folder / "confounds.tsv", rng)
    _annotation(folder)
    _subtitles(folder / "cues.srt")
    _film(folder / "film.mp4", rng)
    _images(folder, rng)
    _parcels(folder, rng)


def _table(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        delimiter = "," if path.suffix == ".csv" else "\t"
        csv.writer(handle, delimiter=delimiter, lineterminator="\n").writerows(rows)


def _study(folder: Path) -> None:
    """Tables of 12 runs and 480 scans."""
    names = [f"run-{number}" for number in range(1, N_RUNS + 1)]
    head = ["run", "movie", "movie_onset_s", "text", "text_part", "n_trs", "split"]
    rows = [[run, f"data/{run}.mp4", "3.5", "data/text.xlsx", 1, 300, ""] for run in names]
    _table(folder / "runs.tsv", [head, *rows])
    head = ["subject", "run", "bold", "first_volume", "n_volumes", "confounds"]
    scans = [
        [f"sub-{s:02d}", run, f"sub-{s:02d}/{run}.nii.gz", 0, 300, f"sub-{s:02d}/{run}.tsv"]
        for s in range(1, N_SUBJECTS + 1)
        for run in names
    ]
    _table(folder / "scans.tsv", [head, *scans])
    for path in [
        "data/text.xlsx",
        *(row[1] for row in rows),
        *(row[k] for row in scans for k in (2, 5)),
    ]:
        (folder / str(path)).parent.mkdir(exist_ok=True)
        (folder / str(path)).write_text(str(path))


def _confounds(path: Path, rng: np.random.Generator) -> None:
    """A table like fMRIPrep's: 250 columns of 600 volumes."""
    names = [*(f"{k}_{axis}" for k in ("trans", "rot") for axis in "xyz")]
    names += [f"a_comp_cor_{k:02d}" for k in range(244)]
    values = rng.normal(size=(600, len(names))).round(8).astype(str)
    values[0, 6:] = "n/a"
    _table(path, [names, *values.tolist()])


def _annotation(folder: Path) -> None:
    """1,000 rows of 23 columns, as of a film of 50 minutes."""
    import openpyxl

    rest = [f"Rater {k}" for k in range(20)]
    rows: list[list[Any]] = [["Start Time (s)", "End Time (s)", "Description", *rest]]
    for k in range(1000):
        rows.append([3 * k, 3 * k + 2.5, f"{k} {SENTENCE}", *[k % 5, "Indoor", "Ann"] * 6, 1, 2])
    _table(folder / "annotation.csv", rows)
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(folder / "annotation.xlsx")


def _subtitles(path: Path) -> None:
    """1,500 cues."""

    def clock(seconds: int) -> str:
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},500"

    cues = [
        f"{k + 1}\n{clock(2 * k)} --> {clock(2 * k + 1)}\n<i>{SENTENCE}</i>\nYes.\n"
        for k in range(1500)
    ]
    path.write_text("\n".join(cues), encoding="utf-8")


def _film(path: Path, rng: np.random.Generator) -> None:
    """30 s of 854 x 480 pictures that move, with stereo noise."""
    import av

    still = rng.integers(0, 255, (60, 160, 3)).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FILM_HZ)
        video.width, video.height, video.pix_fmt = 854, 480, "yuv420p"
        video.options = {"preset": "veryfast", "crf": "26"}
        audio = out.add_stream("aac", rate=SOUND_HZ, layout="stereo")
        for number in range(FILM_S * FILM_HZ):
            shown = np.ascontiguousarray(np.roll(still, 3 * number, axis=1)[:, :854])
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FILM_HZ)
            out.mux(video.encode(frame))
        for start in range(0, FILM_S * SOUND_HZ, 1024):
            noise = rng.normal(0, 0.1, (2, 1024)).astype(np.float32)
            sound = av.AudioFrame.from_ndarray(noise, format="fltp", layout="stereo")
            sound.sample_rate, sound.pts, sound.time_base = SOUND_HZ, start, Fraction(1, SOUND_HZ)
            out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
        out.mux(video.encode(None))


def _images(folder: Path, rng: np.random.Generator) -> None:
    """A run of 300 volumes of 16-bit integers, a head in air, and its mask."""
    import nibabel

    place = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID), indexing="ij"))
    head = (place**2).sum(0) < 0.7
    values = rng.normal(0, 12, (*GRID, N_VOLUMES)).astype(np.float32)
    values += np.where(head, 900, 40)[..., None]
    image = nibabel.Nifti1Image(np.clip(values, 0, None).astype(np.int16), np.diag([4, 4, 4, 1.0]))
    image.header.set_zooms((4, 4, 4, 1.5))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, folder / "bold.nii.gz")
    nibabel.save(nibabel.Nifti1Image(head.astype(np.uint8), image.affine), folder / "given.nii.gz")


def _parcels(folder: Path, rng: np.random.Generator) -> None:
    """400 parcels of 1,000 volumes."""
    import h5py

    labels = [f"parcel-{k}" for k in range(400)]
    values = rng.normal(100, 3, (1000, 400)).round(5)
    _table(folder / "parcels.tsv", [labels, *values.astype(str).tolist()])
    with h5py.File(folder / "parcels.h5", "w") as file:
        file["bold"] = values
        file["bold"].attrs["labels"] = labels
