"""Thousands of damaged and hostile files of every kind, read as the rules read them.

    python benchmarks/fuzz_readers.py --out /tmp/fuzz.md          # 10,000 files
    python benchmarks/fuzz_readers.py --n 2000 --kinds srt vtt
    python benchmarks/fuzz_readers.py --look srt:1234 --folder /tmp/look

Mutation 1234 of kind srt is the same file at any time. Each is read in a process that may use
20 s of CPU and 1 GiB of memory. A file has to be read, or refused in one line that names it; exits
with 1 if one hangs, crashes, raises anything but a GibletError, or is spoken of unclearly.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import sys
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.fuzz import pool, report  # noqa: E402

NEEDED = """
av openpyxl pandas soundfile jsonschema nilearn.masking nilearn.signal safetensors.torch
giblet.align.regressors giblet.align.splits giblet.align.study giblet.brain.ceiling giblet.brain.run
giblet.brain.space giblet.features.audio giblet.features.text giblet.simulate.drives giblet.stamps
giblet.stimulus.audio giblet.stimulus.text giblet.stimulus.video giblet.tables
giblet.train.checkpoint giblet.train.data giblet.train.seeds giblet.validate.report.page
giblet.validate.single giblet.watching.training
"""


def imports() -> None:
    """Import here what the readers need, so that no worker waits for it."""
    for name in NEEDED.split():
        importlib.import_module(name)


def look(case: str, folder: Path) -> int:
    """Read one mutation in this process and say all there is to say."""
    name, _, number = case.rpartition(":")
    kind = next(kind for kind in report.KINDS if kind.name == name)
    file, outcome = pool.alone(kind, int(number), folder)
    print(f"{file}\n{outcome.what} {outcome.where}\n{outcome.message}")
    if outcome.what in pool.BAD:
        kind.read(file, folder / "good" / kind.name)
    return 0


def main() -> int:
    """Run, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--n", type=int, default=10_000, help="number of files")
    parser.add_argument("--kinds", nargs="+", help="only these kinds")
    parser.add_argument("--quick", action="store_true", help="no kinds that load networks")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="file for the table")
    parser.add_argument("--json", type=Path, help="file for every outcome")
    parser.add_argument("--look", metavar="KIND:NUMBER", help="one mutation, with its traceback")
    parser.add_argument("--folder", type=Path, default=Path("fuzz"), help="for --look")
    given = parser.parse_args()
    if given.look:
        return look(given.look, given.folder)
    kinds = [kind for kind in report.KINDS if not given.kinds or kind.name in given.kinds]
    kinds = [kind for kind in kinds if not (given.quick and kind.slow)]
    imports()
    start = time.monotonic()
    found = []
    for one in pool.outcomes(kinds, report.shared_out(given.n, kinds), given.workers):
        found.append(one)
        if len(found) % 500 == 0:
            rate = len(found) / (time.monotonic() - start)
            print(f"{len(found)} files, {rate:.0f}/s", file=sys.stderr, flush=True)
    minutes = (time.monotonic() - start) / 60
    text = "\n\n".join(
        [
            report.table(found),
            f"{len(found)} files in {minutes:.1f} minutes, {given.workers} workers.",
            report.complaints(found),
        ]
    )
    print(text)
    if given.json is not None:
        given.json.write_text(json.dumps([dataclasses.asdict(one) for one in found]))
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")
    return int(any(one.what in pool.BAD for one in found))


if __name__ == "__main__":
    sys.exit(main())
