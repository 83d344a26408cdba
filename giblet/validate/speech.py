"""Which clips are speech: those that the annotation says so of, or all, or none.

Measures of intelligibility mean nothing for music and noise. The stimulus stage writes for each
TR the share of it during which something is said, from a column of the annotation that says so
or from subtitles and transcripts; of mere descriptions it is not known, and empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.results import read_made_table, require_numbers
from giblet.validate.testset import TestSet

MODES = ("auto", "always", "never")


@dataclass(frozen=True)
class Speech:
    """What is speech.

    Attributes
    ----------
    mode
        ``auto`` goes by the annotation; ``always`` and ``never`` do not look at it.
    min_share
        Smallest share of a clip's time during which something must be said.
    share_of
        Run -> array of shape (T,), share of each TR; NaN where it is not known.
    """

    mode: str
    min_share: float
    share_of: dict[str, NDArray[np.float64]]

    def share(self, run: str, start: int, stop: int) -> float:
        """Share of TRs ``[start, stop)`` during which something is said; NaN if not known."""
        return float(np.mean(self.share_of[run][start:stop]))

    def is_speech(self, run: str, start: int, stop: int) -> bool:
        """Whether TRs ``[start, stop)`` count as speech."""
        if self.mode != "auto":
            return self.mode == "always"
        # Of what is not known, this is False.
        return self.share(run, start, stop) >= self.min_share


def load_speech(
    texts: Sequence[str | Path], tests: TestSet, *, mode: str, min_share: float
) -> Speech:
    """Read the shares of speech of the runs that test.

    Parameters
    ----------
    texts : ``stimulus/{run}/text.tsv`` of the study's runs, each in a folder of its name

    Raises
    ------
    ValidationError
        If the table of a run is missing, of another length, or without shares of speech.
    """
    if mode not in MODES:
        raise ValidationError(f"validate/audio/speech is {mode!r}: use {', '.join(MODES)}")
    paths = {Path(path).parent.name: Path(path) for path in texts}
    share_of = {}
    for run, n_trs in zip(tests.runs, tests.n_trs, strict=True):
        if run not in paths:
            raise ValidationError(
                f"no text table of run {run} was given (have {', '.join(paths)}): run stimulus"
            )
        share_of[run] = _shares(paths[run], run, n_trs)
    return Speech(mode, min_share, share_of)


def _shares(path: Path, run: str, n_trs: int) -> NDArray[np.float64]:
    table = read_made_table(path, plain=True)
    if "speech" not in table:
        raise ValidationError(
            f"{path}: no column 'speech'; found {', '.join(map(str, table.columns))}: run stimulus "
            "again"
        )
    if len(table) < n_trs:
        raise ValidationError(
            f"{path} has {len(table)} TRs, the study {n_trs} for {run}: one of them was made with "
            "other settings; run stimulus and align again"
        )
    require_numbers(path, table[["speech"]])
    return table["speech"].to_numpy(float)[:n_trs]
