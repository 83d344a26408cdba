"""Tables and settings: of a study, of confounds, labels and parcels, and timed text."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.fuzz.hdf5 import change_contents
from tests.support.fuzz.kinds import Kind, choice, mixture, once
from tests.support.fuzz.plain import BYTES, TEXT
from tests.support.fuzz.values import change_json
from tests.support.fuzz.workbooks import change_parts

RUNS = [
    ["run", "movie", "movie_onset_s", "text", "text_part", "n_trs", "split"],
    ["run-1", "a film.mp4", "0", "a.srt", "1", "40", "train"],
    ["run-2", "b#2.mp4", "-3.5", "", "", "", "test"],
    ["run-3", "c.mkv", "1/3", "é.vtt", "2", "12", ""],
]
SCANS = [
    ["subject", "run", "bold", "first_volume", "n_volumes", "confounds"],
    ["sub-01", "run-1", "sub-01/vol_*.nii", "3", "20", "c.tsv"],
    ["sub-01", "run-2", "b.nii.gz", "", "", ""],
    ["sub-02", "run-1", "c.nii.gz", "0", "20", "n/a"],
]
TIMED = [
    ["onset", "duration", "text", "speaker"],
    *([str(1.5 * k), "1.2", f"Words, of row {k}.", "Ann" if k % 2 else ""] for k in range(8)),
]
CLOCKED = [
    ["Start Time", "End Time", "Description"],
    *([f"0:00:{k:02d},5", f"0:00:{k + 1:02d}", f"scene {k}"] for k in range(9)),
]
IN_TRS = [
    ["Start (TRs)", "End (TRs)", "Words"],
    *([str(k), str(k + 1), f"w{k}"] for k in range(1, 9, 2)),
]
IN_MS = [
    ["start", "end", "text"],
    *([str(1400 * k), str(1400 * k + 900), f"w{k}"] for k in range(9)),
]
# Of the annotations in this order, whose number begins the file's name; subtitles have none.
ANNOTATIONS = (TIMED, CLOCKED, IN_TRS, IN_MS)
UNITS = ("seconds", "clock", "trs", "milliseconds")
RICH = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: red; }

REGION
id:fred

NOTE a comment
on two lines

intro
00:01.000 --> 00:02.000 align:start line:0
<v Ann Lee>Hello &amp; <c.loud>bye</c>

00:00:03.000 --> 00:00:05.000
- <ruby>a<rt>b</rt></ruby>
- [door slams]

00:00:05.000 --> 01:00:06.000
<00:00:05.500><c>rolling</c>
"""
ATLAS_LABELS = [["index", "name"], *([str(k), f"Region {k}"] for k in range(1, 6))]
N_VOLUMES = 30


def delimited(rows: Sequence[Sequence[str]], separator: str) -> str:
    """A table as text, cells quoted where they need it."""
    cells = [[f'"{cell}"' if separator in cell else cell for cell in row] for row in rows]
    return "".join(separator.join(row) + "\n" for row in cells)


def workbook(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """A table as xlsx, numbers as numbers; the same on any day."""
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([_typed(cell) for cell in row])
    book.save(path)
    with zipfile.ZipFile(path) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as same:
        for name, part in parts.items():
            undated = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", b"2026-01-01T00:00:00Z", part)
            same.writestr(zipfile.ZipInfo(name), undated, zipfile.ZIP_DEFLATED)
    return path


def _typed(cell: str) -> str | float:
    try:
        return float(cell)
    except ValueError:
        return cell


def table_files(*tables: Sequence[Sequence[str]], name: str = "") -> Callable[[Path], list[Path]]:
    """A maker of each table as tsv and csv."""

    def make(folder: Path) -> list[Path]:
        made = []
        for number, rows in enumerate(tables):
            for suffix, separator in ((".tsv", "\t"), (".csv", ",")):
                path = folder / f"good{number}{ord(separator)}{name}{suffix}"
                path.write_text(delimited(rows, separator), encoding="utf-8")
                made.append(path)
        return made

    return make


def book_files(*tables: Sequence[Sequence[str]]) -> Callable[[Path], list[Path]]:
    """A maker of each table as xlsx."""
    return lambda folder: [
        workbook(folder / f"good{number}.xlsx", rows) for number, rows in enumerate(tables)
    ]


def read_runs(file: Path, _: Path) -> None:
    """As the workflow reads a runs table, and a job its run's length."""
    from giblet import tables
    from giblet.stimulus.text import extract_text

    runs = tables.load_runs(file)
    tables.study_modalities(None, runs)
    tables.shown_again(runs)
    tables.lookups(runs, tables.simulated_scans("tiny", runs, 1))
    for row in runs.to_dict("records"):
        if row["n_trs"]:
            times = {"movie_onset_s": row["movie_onset_s"], "n_trs": row["n_trs"]}
            extract_text("", file.parent / "out.tsv", tr_s="1.5", **times)


def read_scans(file: Path, _: Path) -> None:
    """As the workflow reads a scans table."""
    import pandas as pd

    from giblet import tables
    from giblet.brain.series import series_files

    runs = pd.DataFrame({"run": ["run-1", "run-2", "run-3"]})
    scans = tables.load_scans(file, runs)
    tables.check_unseen(["sub-01"], scans)
    for bold in scans["bold"]:
        series_files(bold)


def settings_files(folder: Path) -> list[Path]:
    """A whole configuration, and a short one, with tables that are right."""
    from giblet.config import complete

    for name, rows in (("runs", RUNS), ("scans", SCANS)):
        (folder / f"{name}.tsv").write_text(delimited(rows, "\t"))
    tables = {"runs": str(folder / "runs.tsv"), "scans": str(folder / "scans.tsv")}
    short = {"dataset": "tiny", "tr_s": 1.5, **tables}
    whole = complete(json.loads(json.dumps(short)))
    for name, settings in (("short", short), ("whole", whole)):
        (folder / f"good-{name}.json").write_text(json.dumps(settings))
    return list(folder.glob("good*.json"))


def read_settings(file: Path, _: Path) -> None:
    """As the workflow reads its configuration before it plans."""
    from giblet import tables
    from giblet.config import complete, training_seeds
    from giblet.timing import as_fraction

    config = json.loads(file.read_text())
    if not isinstance(config, dict):  # Snakemake refuses it
        return
    complete(config)
    runs, scans = tables.load_study(config)
    tables.check_unseen(config["train"]["unseen_subjects"], scans)
    tables.study_modalities(config["modalities"], runs)
    training_seeds(config)
    assert as_fraction(config["tr_s"]) > 0


def confounds_rows() -> list[list[str]]:
    """Head movement and a derivative, of 30 volumes."""
    rng = np.random.default_rng(0)
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    values = rng.normal(0, 0.1, (N_VOLUMES, len(names) + 1)).round(4).astype(str).tolist()
    values[0][-1] = "n/a"
    return [[*names, "trans_x_derivative1"], *values]


def read_confounds(file: Path, _: Path) -> None:
    """As a run's job reads its confounds."""
    from giblet.brain.clean import regressors
    from giblet.brain.confounds import load_confounds

    patterns = choice(file, ["trans_?", "rot_?"], ["trans_?", "*derivative1"], ["*"])
    found = load_confounds(file, patterns, first_volume=0, n_volumes=N_VOLUMES, n_in_file=N_VOLUMES)
    assert np.isfinite(found).all()
    regressors(N_VOLUMES, 1.5, high_pass_hz=0.008, detrend=True, confounds=found, name=str(file))


def read_labels(file: Path, _: Path) -> None:
    """As the space's job reads the names of an atlas."""
    from giblet.brain.atlas import region_names

    region_names(file, np.arange(6, dtype=np.int32))


def parcel_tables(folder: Path) -> list[Path]:
    """Time courses of 8 parcels."""
    values = np.random.default_rng(0).normal(100, 3, (N_VOLUMES, 8)).round(3).astype(str).tolist()
    values[2][3] = "n/a"
    return table_files([[f"parcel {k}" for k in range(8)], *values])(folder)


def parcel_hdf5(folder: Path) -> list[Path]:
    """The same in HDF5, with labels as an attribute, as a dataset, and without."""
    import h5py

    values = np.random.default_rng(0).normal(100, 3, (N_VOLUMES, 8))
    labels = [f"parcel {k}" for k in range(8)]
    for number in range(3):
        with h5py.File(folder / f"good{number}.h5", "w") as file:
            file.create_dataset("a/bold", data=values, chunks=(10, 8), compression="gzip")
            if number == 0:
                file["a/bold"].attrs["labels"] = labels
            elif number == 1:
                file["labels"] = labels
    return list(folder.glob("good*.h5"))


def read_parcels(file: Path, _: Path) -> None:
    """As the space's and the run's jobs read parcels."""
    from tests.support.scans import BrainStudy

    study = BrainStudy(file.parent)
    study.space(file, kind="parcels")
    study.run(file, kind="parcels", check_tr=False)


def subtitles(folder: Path, kind: str) -> list[Path]:
    """Subtitles of a few cues, plain and with all that the grammar has."""
    plain = "".join(
        f"{k + 1}\n00:00:{k:02d},000 --> 00:00:{k + 1:02d},500\n<i>Said</i> {k}\nand more\n\n"
        for k in range(8)
    )
    (folder / f"good0.{kind}").write_text(
        plain if kind == "srt" else "WEBVTT\n\n" + plain.replace(",", "."), encoding="utf-8"
    )
    (folder / f"good0-rich.{kind}").write_text(RICH, encoding="utf-8")
    return list(folder.glob("good*"))


def read_text(file: Path, _: Path) -> None:
    """As a run's job reads its annotation."""
    from giblet.stimulus.text import extract_text

    unit = UNITS[int(file.name[len("fuzzed")])]
    onset = choice(file, 0, "-2.5", 3)
    extract_text(
        file, file.parent / "out.tsv", tr_s="1.5", n_trs=10, movie_onset_s=onset, unit=unit
    )


def _texts(name: str, read: Any, *tables: Any, weight: int, named: str = "") -> list[Kind]:
    """A kind of table as text, and as a workbook."""
    mutation = mixture((1, TEXT))
    book = once((5, change_parts), (1, BYTES))
    return [
        Kind(f"{name} text", table_files(*tables), mutation, read, 3 * weight, named),
        Kind(f"{name} xlsx", book_files(*tables), book, read, weight, named),
    ]


KINDS = [
    *_texts("runs", read_runs, RUNS, weight=2, named="runs table|movie_onset_s|n_trs"),
    *_texts("scans", read_scans, SCANS, weight=2, named="unseen_subjects"),
    *_texts("confounds", read_confounds, confounds_rows(), weight=2),
    *_texts("atlas labels", read_labels, ATLAS_LABELS, weight=2),
    *_texts("annotation", read_text, *ANNOTATIONS, weight=4),
    Kind("events", table_files(TIMED, name="_events"), mixture((1, TEXT)), read_text, 3),
    Kind(
        "annotation txt",
        lambda folder: [
            (folder / "good0.txt").write_text(delimited(TIMED, "\t")) and folder / "good0.txt"
        ],
        mixture((1, TEXT)),
        read_text,
        2,
    ),
    Kind("srt", lambda folder: subtitles(folder, "srt"), mixture((1, TEXT)), read_text, 8),
    Kind("vtt", lambda folder: subtitles(folder, "vtt"), mixture((1, TEXT)), read_text, 8),
    Kind("parcels text", parcel_tables, mixture((1, TEXT)), read_parcels, 5),
    Kind("parcels hdf5", parcel_hdf5, once((3, change_contents), (2, BYTES)), read_parcels, 6),
    Kind(
        "settings",
        settings_files,
        once((1, change_json)),
        read_settings,
        6,
        named=r"config key|(runs|scans) table|[a-z]+/[a-z_]+|in the configuration",
    ),
]
