"""The held-out TRs of a study: where they are, what was shown, what was measured.

Everything scored is laid out alike: the test TRs of all runs one after the other, cut into
segments of consecutive TRs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from zlib import crc32

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.resampling import blocks
from giblet.store import dataset
from giblet.timing import seconds_to_trs

TRAIN, TEST = 0, 2


@dataclass(frozen=True)
class TestSet:
    """Test TRs of all runs.

    Attributes
    ----------
    runs : runs that have test TRs, in the study's order
    n_trs : TRs of each of those runs
    trs : test TRs of each run, increasing
    tr_s : repetition time, exact
    subjects : all subjects of the study
    repeats : runs that show what an earlier one showed, and which
    whole : the test TRs of all runs, when these are of some of them
    """

    # Pytest would collect a class of this name.
    __test__ = False

    runs: tuple[str, ...]
    n_trs: tuple[int, ...]
    trs: tuple[NDArray[np.int64], ...]
    tr_s: Fraction
    subjects: tuple[str, ...]
    repeats: Mapping[str, str] = field(default_factory=dict)
    whole: TestSet | None = field(default=None, repr=False, compare=False)

    @property
    def n(self) -> int:
        """Number of test TRs."""
        return sum(len(trs) for trs in self.trs)

    def of_runs(self, runs: Sequence[str]) -> TestSet:
        """The test TRs of some of the runs."""
        keep = [place for place, run in enumerate(self.runs) if run in runs]
        return TestSet(
            tuple(self.runs[k] for k in keep),
            tuple(self.n_trs[k] for k in keep),
            tuple(self.trs[k] for k in keep),
            self.tr_s,
            self.subjects,
            self.repeats,
            self.whole or self,
        )

    def segments(self) -> Iterator[tuple[str, int, int]]:
        """Run, first TR and TR after the last of every stretch of consecutive test TRs."""
        for run, trs in zip(self.runs, self.trs, strict=True):
            breaks = np.flatnonzero(np.diff(trs) > 1) + 1
            for part in np.split(trs, breaks):
                if len(part):
                    yield run, int(part[0]), int(part[-1]) + 1

    @property
    def lengths(self) -> list[int]:
        """TRs of each segment."""
        return [stop - start for _, start, stop in self.segments()]

    @property
    def run_number(self) -> NDArray[np.int64]:
        """Number of the run of each test TR, shape (n,)."""
        return np.repeat(np.arange(len(self.runs)), [len(trs) for trs in self.trs])

    @property
    def film_number(self) -> NDArray[np.int64]:
        """The same as :attr:`run_number`, but equal for runs that show the same, shape (n,)."""
        shown = [self.repeats.get(run, run) for run in self.runs]
        return np.array([shown.index(film) for film in shown], np.int64)[self.run_number]

    @property
    def run_name(self) -> NDArray[np.str_]:
        """Name of the run of each test TR, shape (n,)."""
        return np.asarray(self.runs)[self.run_number]

    @property
    def tr(self) -> NDArray[np.int64]:
        """TR within its run of each test TR, shape (n,)."""
        return np.concatenate(self.trs) if self.trs else np.zeros(0, np.int64)

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Scanner time at which each test TR starts, shape (n,)."""
        return np.asarray(self.tr * float(self.tr_s), np.float64)

    def blocks(self, block_trs: int) -> NDArray[np.int64]:
        """Bootstrap block of each test TR, shape (n,), numbered as in the test TRs of all runs."""
        whole = self.whole or self
        return blocks(whole.lengths, block_trs)[np.isin(whole.run_name, self.runs)]

    def n_blocks(self, block_trs: int) -> int:
        """Blocks of the test TRs of all runs."""
        return int(blocks((self.whole or self).lengths, block_trs).max(initial=-1)) + 1

    def trs_of(self, seconds: float) -> int:
        """TRs that last at least some seconds."""
        return seconds_to_trs(str(seconds), self.tr_s)

    def segment_rngs(self, seed: int) -> list[np.random.Generator]:
        """A generator for each segment, the same whichever other runs are in the test set."""
        return [
            np.random.default_rng([seed, crc32(run.encode()), start])
            for run, start, _ in self.segments()
        ]

    def shifted(self) -> NDArray[np.int64]:
        """For each test TR the place of the one half a segment away, in a circle."""
        out, first = [], 0
        for length in self.lengths:
            out.append(first + (np.arange(length) + length // 2) % length)
            first += length
        return np.concatenate(out)


def load_test_set(study: h5py.File) -> TestSet:
    """Find the test TRs of a study.

    Raises
    ------
    ValidationError
        If the study has none.
    """
    runs, n_trs, trs = [], [], []
    for run in json.loads(study.attrs["runs"]):
        split = dataset(study, f"runs/{run}/split", shape=(None,))[:]
        found = np.flatnonzero(split == TEST)
        if len(found):
            runs.append(run)
            n_trs.append(len(split))
            trs.append(found.astype(np.int64))
    if not runs:
        raise ValidationError(
            f"{study.filename}: no TR is marked test, nothing can be scored: give a run the "
            "split 'test' in the runs table, or raise the test share of align"
        )
    tr_s = Fraction(*(int(part) for part in study.attrs["tr_s"]))
    subjects = tuple(json.loads(study.attrs["subjects"]))
    repeats = json.loads(study.attrs.get("repeats", "{}"))
    return TestSet(tuple(runs), tuple(n_trs), tuple(trs), tr_s, subjects, repeats)


def runs_of(study: h5py.File, subject: str) -> list[str]:
    """Runs that a subject was scanned in."""
    runs = json.loads(study.attrs["runs"])
    return [run for run in runs if f"runs/{run}/bold/{subject}" in study]


def require_runs(study: h5py.File, tests: TestSet, runs: Sequence[str]) -> None:
    """Refuse a study in which a run that results are expected of has no test TRs."""
    missing = [run for run in runs if run not in tests.runs]
    if missing:
        raise ValidationError(
            f"{study.filename}: run {missing[0]} has no test TRs ({', '.join(tests.runs)} have): "
            "raise align/test_fraction, or name it train in the runs table's split column"
        )


def held_out(file: h5py.File, pattern: str, tests: TestSet) -> NDArray[Any]:
    """Test TRs of a dataset that has one row a TR in each run.

    Parameters
    ----------
    pattern : name of the dataset with ``{run}`` in it

    Returns
    -------
    array of shape (n, ...)
    """
    parts = []
    for run, n_trs, trs in zip(tests.runs, tests.n_trs, tests.trs, strict=True):
        found = dataset(file, pattern.format(run=run))
        if len(found) != n_trs:
            raise ValidationError(
                f"{file.filename}:{found.name} has {len(found)} TRs, the study has {n_trs} for "
                f"run {run}: it was made from another study; delete it and run snakemake again"
            )
        # One read of the stretch is much faster than picking rows in HDF5.
        parts.append(found[int(trs[0]) : int(trs[-1]) + 1][trs - trs[0]])
    return np.concatenate(parts)


def shown_subject(subjects: Sequence[str], seed: int) -> str:
    """The subject whose decodings are shown: drawn by the seed, not picked by its scores."""
    return str(subjects[int(np.random.default_rng(seed).integers(len(subjects)))])
