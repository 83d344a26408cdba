"""What reading good files costs in this checkout, against another one.

    git worktree add /tmp/before 4af2201
    python benchmarks/readers.py /tmp/before --out /tmp/readers.md

Both checkouts read the same files, of the sizes that studies have, in a process each that has
read every file once before. They take turns, pair by pair, the first of a pair changing; CPU
time is compared, so that other work on the machine matters little. Printed are the median of the
pairs' ratios and their quartiles; exits with 1 where a median is above 1.1.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

LIMIT = 1.1
# Each pair reads a file so often that a reading takes about so long.
READING_S = 0.15
FEWEST, MOST = 7, 41


def runs(folder: Path) -> None:
    from giblet.tables import load_runs

    load_runs(folder / "runs.tsv")


def planning(folder: Path) -> None:
    from giblet import tables

    config = {
        "dataset": "x",
        "runs": str(folder / "runs.tsv"),
        "scans": str(folder / "scans.tsv"),
        "simulate": {"film": {"make": False}, "bold": {"make": False}},
    }
    runs_table, scans = tables.load_study(config)
    tables.check_unseen([], scans)
    tables.study_modalities(None, runs_table)
    tables.lookups(runs_table, scans)


def confounds(folder: Path) -> None:
    from giblet.brain.confounds import load_confounds

    span = {"first_volume": 0, "n_volumes": 600, "n_in_file": 600}
    load_confounds(folder / "confounds.tsv", ["trans_?", "rot_?"], **span)


def _text(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        from giblet.stimulus.text import extract_text

        extract_text(folder / name, folder / "out" / "text.tsv", tr_s="1.5", n_trs=2000)

    return read


def film_length(folder: Path) -> None:
    from giblet.stimulus.media import run_length

    run_length(folder / "film.mp4", "1.5")


def film_frames(folder: Path) -> None:
    from giblet.stimulus.video import extract_frames

    extract_frames(folder / "film.mp4", folder / "out/frames.h5", tr_s="1.5")


def film_sound(folder: Path) -> None:
    from giblet.stimulus.audio import extract_audio

    extract_audio(folder / "film.mp4", folder / "out/a.wav", tr_s="1.5", sample_rate_hz=12000)


SPACE = {
    "kind": "voxels",
    "mask": None,
    "mask_method": "auto",
    "mask_fraction": 1.0,
    "space": "auto",
    "resample": False,
    "atlas": None,
    "atlas_labels": None,
    "parcels_dataset": "",
}


def _space(folder: Path, **changes: Any) -> None:
    from giblet.brain.space import make_space

    settings = {**SPACE, "bold": [], "first_volume": [0], "n_volumes": [0], **changes}
    known = inspect.signature(make_space).parameters
    settings = {name: value for name, value in settings.items() if name in known}
    make_space(folder / "out/space.h5", folder / "out/mask.nii.gz", **settings)


def mask(folder: Path) -> None:
    _space(folder, bold=[str(folder / "bold.nii.gz")])


def bold(folder: Path) -> None:
    from giblet.brain.run import make_run

    settings = {
        "kind": "voxels",
        "tr_s": "1.5",
        "first_volume": 0,
        "n_volumes": 0,
        "check_tr": True,
        "resample": False,
        "smoothing_fwhm_mm": 0,
        "confound_columns": [],
        "high_pass_hz": 0.008,
        "detrend": True,
        "parcels_dataset": "",
    }
    files = {"space": folder / "kept/space.h5", "mask": folder / "kept/mask.nii.gz"}
    scan = [str(folder / "bold.nii.gz")]
    make_run(folder / "out/run.h5", bold=scan, confounds=None, run="run-1", **files, **settings)


def _parcels(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        from giblet.brain.parcels import open_parcels

        parcels = open_parcels(folder / name)
        for _ in parcels.blocks(0, parcels.n_volumes):
            pass

    return read


def cache(folder: Path) -> None:
    from giblet.store import dataset, reading

    with reading(folder / "kept/cache.h5", stage="stimulus", tr_s="1.5") as file:
        found = dataset(file, "frames")
        for start in range(0, len(found), 10):
            found[start : start + 10]


def cache_length(folder: Path) -> None:
    from giblet.store import dataset, reading

    known = {"content": False} if "content" in inspect.signature(reading).parameters else {}
    with reading(folder / "kept/cache.h5", stage="stimulus", tr_s="1.5", **known) as file:
        assert len(dataset(file, "frames")) == 200


def small_cache(folder: Path) -> None:
    from giblet.store import dataset, reading

    with reading(folder / "kept/small.h5", stage="features", tr_s="1.5") as file:
        dataset(file, "embedding", shape=(None, None))[:]


READERS: dict[str, Callable[[Path], None]] = {
    "runs table, 12 runs": runs,
    "planning: tables of 12 runs and 480 scans": planning,
    "confounds, 600 volumes x 250 columns": confounds,
    "annotation csv, 1,000 rows x 23 columns": _text("annotation.csv"),
    "annotation xlsx, the same": _text("annotation.xlsx"),
    "srt, 1,500 cues": _text("cues.srt"),
    "film's length, 30 s of 854 x 480": film_length,
    "film to frames": film_frames,
    "film to sound": film_sound,
    "mask of a .nii.gz of 300 x 40 x 48 x 40": mask,
    "run of that .nii.gz": bold,
    "parcels table, 1,000 x 400": _parcels("parcels.tsv"),
    "parcels HDF5, the same": _parcels("parcels.h5"),
    "cache of pictures, 200 TRs": cache,
    "length of that cache": cache_length,
    "cache of text features": small_cache,
}


def prepare(folder: Path) -> None:
    """What a checkout reads of its own making: its caches and its space."""
    import h5py
    import numpy as np

    from giblet.store import image_compression, writing

    (folder / "out").mkdir(parents=True)
    _space(folder, mask=str(folder / "given.nii.gz"), first_volume=[], n_volumes=[])
    (folder / "out").rename(folder / "kept")
    (folder / "out").mkdir()
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (200, 8, 18, 32, 3)).astype(np.uint8).repeat(5, 2).repeat(5, 3)
    with writing(folder / "kept/cache.h5", stage="stimulus", tr_s="1.5") as file:
        shape = (1, *frames.shape[1:])
        file.create_dataset("frames", data=frames, chunks=shape, **image_compression())
    with writing(folder / "kept/small.h5", stage="features", tr_s="1.5") as file:
        file["embedding"] = rng.normal(size=(1000, 384)).astype(np.float32)
    assert h5py.is_hdf5(folder / "kept/cache.h5")


def serve(checkout: Path, folder: Path) -> None:
    """Read what standard input names, so often, and answer with the CPU seconds of one reading."""
    sys.path.insert(0, str(checkout))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    import giblet

    assert Path(giblet.__file__).is_relative_to(checkout), giblet.__file__
    with contextlib.redirect_stdout(io.StringIO()):
        prepare(folder)
        for line in sys.stdin:
            times, name = line.rstrip("\n").split(" ", 1)
            seconds = 0.0
            for _ in range(int(times)):
                forget()
                start = cpu_seconds()
                READERS[name](folder)
                seconds += cpu_seconds() - start
            print(seconds / int(times), file=answers)


def forget() -> None:
    """Forget what was kept of files that were read before: every job is a new process."""
    for name, module in list(sys.modules.items()):
        if name.startswith("giblet"):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
    for name, kept in (("giblet.seals", "_found_whole"), ("giblet.stimulus.timeline", "_LAST")):
        if name in sys.modules:
            getattr(sys.modules[name], kept).clear()


def cpu_seconds() -> float:
    """CPU time of this process and of those that it has started and seen the end of."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


class Side:
    """A checkout's process."""

    def __init__(self, checkout: Path, folder: Path, files: Path) -> None:
        shutil.copytree(files, folder, copy_function=os.link)
        command = [
            sys.executable,
            str(Path(__file__).resolve()),
            str(checkout),
            "--serve",
            str(folder),
        ]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        # Paths in the tables are relative.
        self.process = subprocess.Popen(command, text=True, bufsize=1, cwd=folder, **pipes)
        self.to: IO[str] = self.process.stdin  # type: ignore[assignment]
        self.back: IO[str] = self.process.stdout  # type: ignore[assignment]

    def seconds(self, name: str, times: int = 1) -> float:
        """CPU seconds of reading something once."""
        self.to.write(f"{times} {name}\n")
        answer = self.back.readline()
        if not answer:
            raise RuntimeError(f"{name}: its process ended")
        return float(answer)


@contextmanager
def sides(before: Path) -> Iterator[tuple[Side, Side]]:
    """Processes of this and of another checkout."""
    from readers_files import make

    here = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory(prefix="readers-") as made:
        files = Path(made) / "files"
        files.mkdir()
        make(files)
        pair = Side(here, Path(made) / "now", files), Side(before, Path(made) / "before", files)
        try:
            yield pair
        finally:
            for side in pair:
                side.to.close()
                side.process.wait()


def compared(now: Side, before: Side, name: str, seconds: float) -> tuple[list[float], float]:
    """Ratios of pairs of readings, and the seconds of one before."""
    for side in (now, before):
        side.seconds(name)
    once = max(now.seconds(name), before.seconds(name))
    times = max(1, round(READING_S / max(once, 1e-6)))
    n_pairs = min(MOST, max(FEWEST, round(seconds / (2 * times * once))))
    ratios, own = [], []
    for number in range(n_pairs):
        order = (now, before) if number % 2 else (before, now)
        took = {side: side.seconds(name, times) for side in order}
        ratios.append(took[now] / took[before])
        own.append(took[before])
    return ratios, statistics.median(own)


def main() -> int:
    """Compare, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path, help="folder of the other checkout")
    parser.add_argument("--only", nargs="+", default=[""], help="readers whose name holds a word")
    parser.add_argument("--seconds", type=float, default=8, help="of each reader, about")
    parser.add_argument("--out", type=Path, help="file for the table")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.before, given.serve)
        return 0
    chosen = [name for name in READERS if any(word in name for word in given.only)]
    lines = ["| reader | ratio | quartiles | pairs |", "|---|---|---|---|"]
    slow = False
    with sides(given.before.resolve()) as (now, before):
        for name in chosen:
            ratios, seconds = compared(now, before, name, given.seconds)
            low, middle, high = statistics.quantiles(ratios, n=4)
            slow |= middle > LIMIT
            lines.append(f"| {name} | {middle:.2f} | {low:.2f} to {high:.2f} | {len(ratios)} |")
            print(f"{lines[-1]} {1000 * seconds:.1f} ms before", flush=True)
    if given.out is not None:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(slow)


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    sys.exit(main())
