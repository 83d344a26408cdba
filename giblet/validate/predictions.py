"""``validate/predictions.h5``: everything the network says about the test TRs.

Layout, for every run with test TRs (n of them)::

    runs/{run}/test_trs                                    int64 [n]
    runs/{run}/bold/model/{subject}                        float32 [n, V]
    runs/{run}/{video|text|latents|codes}/model/shared     what the stimulus comes back as
    runs/{run}/{...}/from_predicted/shared                 from predicted BOLD
    runs/{run}/{...}/from_bold/{subject}                   from measured BOLD
    runs/{run}/latents_index                               int64 [n, 2]

and ``delay_s`` float32 [V], the time to peak of the network's response. video uint8
[n, Fo, H, W, 3]; text float32 [n, E]; latents float32 [N, D] and codes int16 [Q, N] for the N
codec frames of the test TRs, one TR after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.store import image_compression, reading, writing
from giblet.validate.testset import TestSet, load_test_set, require_runs

SHARED = "shared"
DECODED = ("model", "from_predicted", "from_bold")


def write_predictions(
    study_path: str | Path,
    out_path: str | Path,
    predicted: Iterable[tuple[str, NDArray[Any]]],
    *,
    delay_s: NDArray[np.float32],
) -> None:
    """Write predictions as they come, checking each against the study.

    Parameters
    ----------
    predicted
        Pairs of a name below ``runs/`` (``run-1/bold/model/sub-01``) and its array for the
        test TRs of that run.
    delay_s : array of shape (V,)
        Time to peak of the network's response, see :func:`giblet.validate.delays.voxel_delays`.

    Raises
    ------
    ValidationError
        If an array has another number of TRs or codec frames than the run's test TRs, or
        holds values that are not finite.
    """
    with reading(study_path, stage="align") as study:
        tests = load_test_set(study)
        index = {run: codec_index(study, tests, run) for run in tests.runs}
        with writing(out_path, stage="validate", tr_s=tests.tr_s) as file:
            file.attrs["subjects"] = json.dumps(list(tests.subjects))
            file.attrs["runs"] = json.dumps(list(tests.runs))
            file["delay_s"] = delay_s
            for run, trs in zip(tests.runs, tests.trs, strict=True):
                file[f"runs/{run}/test_trs"] = trs
                file[f"runs/{run}/latents_index"] = index[run]
            for name, values in predicted:
                _put(file, name, values, tests, index)


def codec_index(study: h5py.File, tests: TestSet, run: str) -> NDArray[np.int64]:
    """Range of each test TR in its run's test codec frames laid one after the other.

    Empty ranges in a study without sound.
    """
    trs = tests.trs[tests.runs.index(run)]
    if f"runs/{run}/audio_index" not in study:
        return np.zeros((len(trs), 2), np.int64)
    index = study[f"runs/{run}/audio_index"][:][trs]
    edges = np.concatenate([[0], np.cumsum(index[:, 1] - index[:, 0])])
    return np.stack([edges[:-1], edges[1:]], axis=1).astype(np.int64)


def _put(
    file: h5py.File,
    name: str,
    values: NDArray[Any],
    tests: TestSet,
    index: dict[str, NDArray[np.int64]],
) -> None:
    run, what = name.split("/")[:2]
    axis = 1 if what == "codes" else 0
    expected = int(index[run][-1, 1]) if what in ("latents", "codes") else len(index[run])
    if values.shape[axis] != expected:
        unit = "codec frames" if what in ("latents", "codes") else "TRs"
        raise ValidationError(
            f"the prediction {name} has {values.shape[axis]} {unit}, the test part of {run} has "
            f"{expected}: the network was trained on another study; run snakemake again"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise ValidationError(
            f"the prediction {name} holds {bad} values that are not finite: the training went "
            "wrong (see train's history.csv); lower train's learning rate and train again"
        )
    extra = dict(image_compression()) if what == "video" else {}
    chunks = (1, *values.shape[1:]) if what == "video" else None
    file.create_dataset(f"runs/{name}", data=values, chunks=chunks, **extra)


def check_predictions(predictions: h5py.File, tests: TestSet) -> None:
    """Refuse predictions that were made for other test TRs than the study's."""
    for run, trs in zip(tests.runs, tests.trs, strict=True):
        found = predictions.get(f"runs/{run}/test_trs")
        if found is None or not np.array_equal(found[:], trs):
            have = 0 if found is None else len(found)
            raise ValidationError(
                f"{predictions.filename}: made for {have} test TRs of {run}, the study has "
                f"{len(trs)} (or others): delete it and run snakemake again"
            )


@contextmanager
def opened_predictions(
    study: str | Path, predictions: str | Path, runs: Sequence[str] = ()
) -> Iterator[tuple[h5py.File, h5py.File, TestSet]]:
    """Open a study and what was predicted of it, both read-only, and load its test TRs.

    Parameters
    ----------
    runs : runs that results are expected of

    Raises
    ------
    ValidationError
        If one of `runs` has no test TRs, or the predictions are of other test TRs.
    """
    with (
        reading(study, stage="align") as study_file,
        reading(predictions, stage="validate") as predicted,
    ):
        tests = load_test_set(study_file)
        require_runs(study_file, tests, runs)
        check_predictions(predicted, tests)
        yield study_file, predicted, tests


def decoded_sources(predictions: h5py.File, what: str) -> Iterator[tuple[str, str]]:
    """Source and subject of everything decoded, subject "" where it is of no one subject."""
    runs = json.loads(predictions.attrs["runs"])
    found: dict[tuple[str, str], None] = {}
    for source in DECODED:
        for run in runs:
            for who in predictions.get(f"runs/{run}/{what}/{source}", {}):
                found[source, "" if who == SHARED else who] = None
    yield from found


def has(predictions: h5py.File, run: str, what: str, source: str, subject: str) -> bool:
    """Whether a run has predictions of a source and subject."""
    return f"runs/{run}/{what}/{source}/{subject or SHARED}" in predictions


def predicted_rows(
    predictions: h5py.File, tests: TestSet, what: str, source: str, subject: str
) -> NDArray[Any]:
    """Predictions of the test TRs of `tests`' runs, shape (n, ...)."""
    who = subject or SHARED
    return np.concatenate(
        [predictions[f"runs/{run}/{what}/{source}/{who}"][:] for run in tests.runs]
    )
