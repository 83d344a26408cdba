"""Paired intervals of correlations over TRs, from the series that both runs keep."""

from __future__ import annotations

import h5py
import numpy as np

from giblet.errors import GibletError
from giblet.store import reading
from giblet.validate.compare.paired import OTHER_ITEMS, Paired, Values, paired_draws, settings_of
from giblet.validate.compare.run import Run
from giblet.validate.tr_series import ORIGINAL, series_r, stored_series

NAMES = ("log_mel_r", "motion_r")


class Series:
    """What both runs' correlations over TRs are taken of; the same blocks are drawn for both."""

    # Said for a score that nothing else knows either.
    missing = ""

    def __init__(self, one: Run, other: Run, modality: str) -> None:
        self.modality, self.runs = modality, (one, other)
        self.settings = settings_of(one)

    def has(self, name: str) -> bool:
        """Whether a score is such a correlation."""
        return name in NAMES

    def paired(self, name: str, source: str) -> Paired:
        """Interval of the difference of a score, mean over the subjects."""
        paths = [run.folder / "validate" / self.modality / "series.h5" for run in self.runs]
        missing = [str(path) for path in paths if not path.exists()]
        if missing:
            return Paired(reason=f"{missing[0]} is not there")
        try:
            with reading(paths[0], stage="validate") as one, reading(paths[1]) as other:
                first, second = (self._draws(file, name, source) for file in (one, other))
        except GibletError as error:
            return Paired(reason=str(error))
        if first is None or second is None:
            return Paired(reason=OTHER_ITEMS)
        return paired_draws(self.runs, self.modality, name, source, (first, second))

    def _draws(
        self, file: h5py.File, name: str, source: str
    ) -> dict[str, tuple[float, Values]] | None:
        """Subject -> value and draws; None when the series are not those of the test TRs."""
        tests = self.runs[0].test_set()
        true = next((values for *_, values in stored_series(file, name, ORIGINAL, tests)), None)
        out: dict[str, tuple[float, Values]] = {}
        for subject, own, values in stored_series(file, name, source, tests):
            if true is None or len(true) != tests.n or len(values) != own.n:
                return None
            shown = true[np.isin(tests.run_name, own.runs)]
            value, draws, n = series_r(shown, values, own, self.settings)
            if n:
                out[subject] = value, np.asarray(draws, float)
        return out
