"""The linear baseline: banded ridge from the stimulus to BOLD, and ridge back.

It reads the same split as the network, so its numbers stand beside the network's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.brain.drift import Drift
from giblet.errors import TrainError
from giblet.store import reading, writing
from giblet.timing import Exact, seconds_to_trs
from giblet.train.baseline_decode import (
    DecodingFit,
    decode,
    decoding_kernel,
    decoding_rows,
    stimulus_targets,
)
from giblet.train.baseline_delay import shifts, standard_peak_s
from giblet.train.baseline_design import Timeline, folds, load_bands, settled, varying
from giblet.train.baseline_encode import Encoding, Search, build_kernels, encode
from giblet.train.baseline_ridge import Array, band_weights


def train_baseline(
    out: str | Path,
    *,
    study: str | Path,
    regressors: Sequence[str | Path],
    tr_s: Exact,
    seed: int,
    gap_s: float,
    n_weightings: int,
    n_alphas: int,
    min_log10_alpha: float,
    max_log10_alpha: float,
    n_folds: int,
    batch_voxels: int,
    min_shift_s: float,
    max_shift_s: float,
    shift_step_s: float,
    decode_delays_trs: Sequence[int],
    decode_height: int,
    decode_width: int,
) -> None:
    """Fit on the training TRs of each subject, predict every TR, write ``baseline.h5``.

    Parameters
    ----------
    regressors
        Regressor files in the order of the study's runs.
    seed
        Of the weightings drawn at random.
    gap_s
        Seconds left out around the held-out piece of each fold.
    n_weightings
        Weightings of the bands (video, audio, text) to try.
    n_alphas, min_log10_alpha, max_log10_alpha
        Ridge penalties to try, evenly spaced in the logarithm.
    n_folds
        Folds of the cross-validation inside train.
    batch_voxels
        Voxels predicted at a time during cross-validation.
    min_shift_s, max_shift_s, shift_step_s
        Shifts of the Glover response to try.
    decode_delays_trs
        The stimulus of TR t is read from BOLD at t plus these.
    decode_height, decode_width
        Size of the mean frame that is decoded.

    Notes
    -----
    One subject is held at a time: about ``16 * n_rows * n_voxels`` bytes (BOLD, prediction, dual
    weights and a copy) and ``150 * n_rows**2`` bytes of kernels.
    """
    delays = [int(delay) for delay in decode_delays_trs]
    _check_delays(delays)
    with reading(study, stage="align", tr_s=tr_s) as source:
        timeline, drift = Timeline.of(source), Drift.of(source)
        shifts_s = shifts(min_shift_s, max_shift_s, shift_step_s)
        train = timeline.train_rows(timeline.runs)
        fir = varying(load_bands(regressors, timeline, "fir", tr_s, drift), train)
        raw = varying(load_bands(regressors, timeline, "raw", tr_s), train)
        kernels = build_kernels(
            {name: (fir[name], raw[name]) for name in fir if name in raw},
            timeline,
            train,
            shifts_s,
            tr_s,
            drift,
        )
        search = Search(
            weightings=band_weights(len(kernels.bands), n_weightings, seed),
            alphas=np.logspace(min_log10_alpha, max_log10_alpha, n_alphas, dtype=np.float32),
            shifts_s=shifts_s,
            n_folds=n_folds,
            gap_trs=seconds_to_trs(gap_s, tr_s),
            batch=batch_voxels,
        )
        fit = DecodingFit(delays, n_folds, search.gap_trs, search.alphas, batch_voxels)
        stimulus = stimulus_targets(source, timeline, decode_height, decode_width)
        with writing(out, stage="train", tr_s=tr_s) as file:
            file.attrs["bands"] = json.dumps(kernels.bands)
            file.attrs["standard_peak_s"] = standard_peak_s()
            file.attrs["decode_delays_trs"] = delays
            for subject in json.loads(source.attrs["subjects"]):
                start = perf_counter()
                runs, bold, valid = load_bold(source, timeline, subject)
                rows = timeline.train_rows(runs)
                cv = folds(timeline, rows, n_folds, search.gap_trs)
                found = encode(kernels, bold[rows], rows, cv, search)
                predicted = settled(found.predicted, timeline, tr_s, drift)
                _write_encoding(file, subject, runs, timeline, predicted, found, valid)
                n_fitted = _decode_all(
                    file,
                    source,
                    subject,
                    runs,
                    timeline,
                    bold,
                    found.cv_r,
                    stimulus,
                    fit,
                )
                print(
                    f"{subject}: {len(rows)} TRs, median cross-validated r "
                    f"{np.median(found.cv_r[valid]):.3f}, design hrf in "
                    f"{found.uses_hrf[valid].mean():.0%} of voxels, decoded from {n_fitted} TRs, "
                    f"{perf_counter() - start:.1f} s"
                )


def load_bold(
    study: h5py.File, timeline: Timeline, subject: str
) -> tuple[list[str], Array, NDArray[np.bool_]]:
    """A subject's runs, BOLD on every row (0 in runs without a scan), and valid voxels."""
    valid: NDArray[np.bool_] = study[f"stats/bold/{subject}/valid"][:]
    bold = np.zeros((len(timeline.tr), len(valid)), np.float32)
    runs = []
    for run in timeline.runs:
        name = f"runs/{run}/bold/{subject}"
        if name in study:
            runs.append(run)
            study[name].read_direct(bold, dest_sel=np.s_[timeline.rows_of(run)])
    return runs, bold, valid


def _check_delays(delays: Sequence[int]) -> None:
    if min(delays) < 0:
        raise TrainError(
            f"train/baseline/decode_delays_trs is {list(delays)}: a negative delay would read "
            "the stimulus from BOLD before it; remove it"
        )


def _write_encoding(
    file: h5py.File,
    subject: str,
    runs: Sequence[str],
    timeline: Timeline,
    predicted: Array,
    found: Encoding,
    valid: NDArray[np.bool_],
) -> None:
    """Predictions and maps of one subject; voxels that cannot be used are 0 or NaN."""
    for run in runs:
        part = predicted[timeline.rows_of(run)]
        file[f"bold/{subject}/{run}"] = np.where(valid, part, 0).astype(np.float32)
    file[f"delay_s/{subject}"] = np.where(valid, found.delay_s, np.nan).astype(np.float32)
    file[f"cv_r/{subject}"] = np.where(valid, found.cv_r, 0).astype(np.float32)
    file[f"alphas/{subject}"] = found.alphas.astype(np.float32)
    file[f"scales/{subject}"] = found.scales.astype(np.float32)
    file[f"uses_hrf/{subject}"] = found.uses_hrf
    file[f"shift_s/{subject}"] = found.shift_s.astype(np.float32)


def _decode_all(
    file: h5py.File,
    study: h5py.File,
    subject: str,
    runs: Sequence[str],
    timeline: Timeline,
    bold: Array,
    cv_r: Array,
    stimulus: dict[str, Array],
    fit: DecodingFit,
) -> int:
    """Decode text, mean frame and log-mel energies; number of TRs fitted on.

    Voxels weigh in by how well they were predicted inside train, so that those without
    signal do not drown the others.
    """
    weight = np.sqrt(np.clip(cv_r, 0, None))
    rows = decoding_rows(timeline, timeline.train_rows(runs), fit.delays)
    kernel = decoding_kernel(bold * (weight if weight.any() else 1), timeline, fit.delays, rows)
    for name, values in stimulus.items():
        fit_rows = rows[_described(study, timeline)[rows]] if name == "text" else rows
        shape = values.shape[1:]
        flat = values.reshape(len(values), -1)
        if len(fit_rows) >= 2 * fit.n_folds and np.ptp(flat[fit_rows], axis=0).any():
            decoded = decode(kernel, flat, timeline, fit_rows, fit)
        else:
            print(
                f"{subject}: {name} does not vary on its {len(fit_rows)} training TRs, decoded "
                "as a constant"
            )
            level = flat[fit_rows].mean(axis=0) if len(fit_rows) else 0
            decoded = np.zeros_like(flat) + level
        decoded = np.clip(decoded, 0, 255) if name == "video" else decoded
        for run in runs:
            part = decoded[timeline.rows_of(run)].reshape(-1, *shape)
            file[f"decode/{name}/{subject}/{run}"] = part.astype(np.float32)
    return len(rows)


def _described(study: h5py.File, timeline: Timeline) -> NDArray[np.bool_]:
    """Rows that have a text."""
    return np.concatenate([study[f"runs/{run}/text_valid"][:] for run in timeline.runs])
