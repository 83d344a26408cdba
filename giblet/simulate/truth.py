"""The truth of a simulated study: which voxel responds to what, how late, how cleanly.

``bold = baseline * (1 + (response + noise + drift + motion) / 100)``, all in percent of the
baseline, and ``response[t] = responses[delay_index[v], t] @ weights[subject][v]``.

Analyses remove what is slower than 128 s, the drift and with it the slow part of the response
and of the noise. What is stated is true after that: response and noise together then have a
standard deviation of 1 percent, of which the response has `ceiling`, so that this is the
expected correlation of the measured with the noiseless time course, both without slow parts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.errors import ConfigError
from giblet.hrf import convolve_causal, hrf_kernel
from giblet.simulate.anatomy import (
    REGION_NAMES,
    Grid,
    assign_regions,
    mni_grid,
    region_modalities,
    smooth_fields,
)
from giblet.simulate.drives import MODALITIES, Drives, measure_drives
from giblet.simulate.noise import ar1_share_kept, without_drift
from giblet.simulate.seeds import generator
from giblet.store import writing
from giblet.timing import Exact, as_fraction

Values = NDArray[np.float64]
GLOVER_PEAK_S = 5.0
DELAY_STEP_S = 0.1
EARLIEST_S, LATEST_S = 2.0, 9.0
LEAST_SD = 1e-6


@dataclass(frozen=True)
class Voxels:
    """What is planted in each voxel; arrays over voxels.

    Attributes
    ----------
    region : index into `REGION_NAMES`
    responds : bool, (n_voxels, 3), to picture, sound, words
    delay_index : index into the grid of delays
    clean : float, share of the standard deviation that is response at full signal
    """

    region: NDArray[np.int64]
    responds: NDArray[np.bool_]
    delay_index: NDArray[np.int64]
    clean: Values


def write_truth(
    path: str | Path,
    *,
    frames: Sequence[str | Path],
    audio: Sequence[str | Path],
    text: Sequence[str | Path],
    runs: Sequence[str],
    subjects: Sequence[str],
    tr_s: Exact,
    voxel_mm: float,
    responsive_share: float,
    subject_share: float,
    signal: float,
    ceiling_low: float,
    ceiling_high: float,
    delay_s: float,
    delay_jitter_s: float,
    ar1: float,
    seed: int,
) -> None:
    """Decide how every voxel of every subject responds to a film.

    Parameters
    ----------
    frames, audio, text
        What the `stimulus` stage wrote for each of `runs`.
    voxel_mm
        Edge of the voxels in mm.
    responsive_share
        Share of the voxels that respond to anything.
    subject_share
        Share of the variance of the noiseless response that all subjects have in common.
    signal
        Factor on all responses: 1 as stated, 0 for a study in which nothing is to be found.
    ceiling_low, ceiling_high
        Range of the noise ceiling over responsive voxels, at a signal of 1.
    delay_s, delay_jitter_s
        Mean over voxels of the time to peak after a brief event, and standard deviation.

    ar1
        Coefficient of the noise's memory from one TR to the next, 0 for white noise.

    Raises
    ------
    ConfigError
        If the ceilings are in the wrong order.
    """
    if ceiling_low > ceiling_high:
        raise ConfigError(
            f"simulate/bold/ceiling_low is {ceiling_low} and ceiling_high is {ceiling_high}: "
            "the lowest ceiling cannot be above the highest"
        )
    drives = measure_drives(runs, frames, audio, text, tr_s=tr_s)
    grid = mni_grid(voxel_mm)
    delays_s = np.arange(EARLIEST_S, LATEST_S + DELAY_STEP_S / 2, DELAY_STEP_S)
    voxels = plant_voxels(
        grid,
        drives.present,
        delays_s,
        responsive_share=responsive_share,
        ceiling_low=ceiling_low,
        ceiling_high=ceiling_high,
        delay_s=delay_s,
        delay_jitter_s=delay_jitter_s,
        seed=seed,
    )
    responses = {
        run: delayed_responses(values, delays_s, tr_s) for run, values in drives.runs.items()
    }
    seconds = float(as_fraction(tr_s))
    weights = _Weights(grid, drives, voxels, responses, seconds, seed)
    shared = weights.shared()
    strength = signal * voxels.clean
    kept_noise = 1 - voxels.clean**2
    with writing(path, stage="simulate", tr_s=tr_s, units="percent of the baseline") as file:
        _write_geometry(file, grid, voxels)
        file["responds"] = voxels.responds & (signal > 0)
        file["delay_s"] = delays_s[voxels.delay_index].astype(np.float32)
        file["delay_index"] = voxels.delay_index
        file["delays_s"] = delays_s
        file["ceiling"] = (strength / np.sqrt(strength**2 + kept_noise)).astype(np.float32)
        kept = _share_of_noise_kept(ar1, [len(values) for values in drives.runs.values()], seconds)
        file["noise_sd"] = np.sqrt(kept_noise / kept).astype(np.float32)
        file.attrs["ar1"] = ar1
        file["drive_modality"] = drives.modality
        file["weights_shared"] = (strength[:, None] * shared).astype(np.float32)
        for subject in subjects:
            own = weights.of_subject(shared, subject, subject_share)
            file[f"weights/{subject}"] = (strength[:, None] * own).astype(np.float32)
        for run in runs:
            file[f"drives/{run}"] = drives.runs[run].astype(np.float32)
            file[f"responses/{run}"] = responses[run].astype(np.float32)
        file.attrs["modalities"] = json.dumps(MODALITIES)
        file.attrs["film_has"] = json.dumps(
            [name for name, there in zip(MODALITIES, drives.present, strict=True) if there]
        )
        file.attrs["runs"] = json.dumps(list(runs))
        file.attrs["subjects"] = json.dumps(list(subjects))
        file.attrs["signal"] = signal
        file.attrs["subject_share"] = subject_share
    print(_summary(voxels, drives.present, signal))


def _write_geometry(file, grid: Grid, voxels: Voxels) -> None:  # type: ignore[no-untyped-def]
    file["ijk"] = grid.ijk
    file["xyz_mm"] = grid.xyz_mm
    file["affine"] = grid.affine
    file["region"] = voxels.region
    file["region_names"] = list(REGION_NAMES)
    file.attrs["grid_shape"] = grid.shape


def plant_voxels(
    grid: Grid,
    present: NDArray[np.bool_],
    delays_s: Values,
    *,
    responsive_share: float,
    ceiling_low: float,
    ceiling_high: float,
    delay_s: float,
    delay_jitter_s: float,
    seed: int,
) -> Voxels:
    """Region, delay and ceiling of each voxel.

    Delays and ceilings vary smoothly over the brain. A voxel all of whose modalities the film
    lacks responds to nothing: its ceiling is 0.
    """
    region = assign_regions(grid.xyz_mm, responsive_share)
    responds = region_modalities()[region] & present
    fields = smooth_fields(generator(seed, "voxels"), grid, 2)
    delay = np.clip(delay_s + delay_jitter_s * fields[:, 0], delays_s[0], delays_s[-1])
    delay_index = np.abs(delay[:, None] - delays_s[None]).argmin(axis=1)
    # By rank, so that the ceilings fill their range evenly.
    rank = fields[:, 1].argsort().argsort() / max(1, len(fields) - 1)
    clean = ceiling_low + (ceiling_high - ceiling_low) * rank
    return Voxels(region, responds, delay_index, np.where(responds.any(axis=1), clean, 0.0))


def delayed_responses(drives: Values, delays_s: Values, tr_s: Exact) -> Values:
    """Response to each drive at each delay.

    Parameters
    ----------
    drives : array of shape (n_trs, n_drives), constant within a TR
    delays_s : array of shape (n_delays,), time to peak after a brief event

    Returns
    -------
    array of shape (n_delays, n_trs, n_drives): the mean over each TR, less the run's mean
    """
    out = np.empty((len(delays_s), *drives.shape))
    for place, delay in enumerate(delays_s):
        kernel = hrf_kernel("glover", tr_s, shift_s=float(delay) - GLOVER_PEAK_S)
        out[place] = convolve_causal(drives, kernel)
    return out - out.mean(axis=1, keepdims=True)


class _Weights:
    """Weights of the drives in each voxel, scaled so that the response has variance 1."""

    def __init__(
        self,
        grid: Grid,
        drives: Drives,
        voxels: Voxels,
        responses: dict[str, Values],
        tr_s: float,
        seed: int,
    ) -> None:
        self.grid, self.voxels, self.seed = grid, voxels, seed
        self.modality = drives.modality
        n_trs = sum(len(values) for values in drives.runs.values())
        kept = [without_drift(part.swapaxes(0, 1), tr_s) for part in responses.values()]
        # [n_delays, n_drives, n_drives]
        self.covariance = sum(np.einsum("tdi,tdj->dij", part, part) for part in kept) / n_trs

    def shared(self) -> Values:
        """Weights that all subjects have in common, (n_voxels, n_drives)."""
        return self._draw("shared")

    def of_subject(self, shared: Values, subject: str, share: float) -> Values:
        """One subject's weights: the shared response, and one of its own uncorrelated with it.

        Where the film leaves a voxel nothing else to respond to, it responds as shared.
        """
        own = self._draw(subject)
        own = own - shared * self._inner(own, shared)[:, None]
        sd = np.sqrt(self._inner(own, own))
        alone = sd > 0.01
        own = own / np.where(alone, sd, 1)[:, None]
        mixed = np.sqrt(share) * shared + np.sqrt(1 - share) * own
        return np.where(alone[:, None], mixed, shared)

    def _draw(self, name: str) -> Values:
        """Weights that vary smoothly, each modality with an equal part of the response."""
        fields = smooth_fields(generator(self.seed, "weights", name), self.grid, len(self.modality))
        out = np.zeros_like(fields)
        for number in range(len(MODALITIES)):
            columns = self.modality == number
            part = np.where(columns, fields, 0) * self.voxels.responds[:, number, None]
            out += self._unit(part)
        return self._unit(out)

    def _unit(self, weights: Values) -> Values:
        sd = np.sqrt(self._inner(weights, weights))
        return weights / np.where(sd > LEAST_SD, sd, np.inf)[:, None]

    def _inner(self, a: Values, b: Values) -> Values:
        """Covariance of the responses that two sets of weights give, voxel by voxel."""
        out = np.zeros(len(a))
        for place in np.unique(self.voxels.delay_index):
            rows = self.voxels.delay_index == place
            out[rows] = ((a[rows] @ self.covariance[place]) * b[rows]).sum(axis=1)
        return np.maximum(out, 0) if a is b else out


def _share_of_noise_kept(ar1: float, lengths: list[int], tr_s: float) -> float:
    """Share of the noise's variance that is left without drift, over all runs."""
    return sum(n * ar1_share_kept(ar1, n, tr_s) for n in lengths) / sum(lengths)


def _summary(voxels: Voxels, present: NDArray[np.bool_], signal: float) -> str:
    counts = np.bincount(voxels.region, minlength=len(REGION_NAMES))
    parts = [f"{name} {count}" for name, count in zip(REGION_NAMES, counts, strict=True)]
    lacking = [name for name, there in zip(MODALITIES, present, strict=True) if not there]
    silent = f"; the film has no {' and no '.join(lacking)}" if lacking else ""
    return f"{len(voxels.region)} voxels: {', '.join(parts)}; signal {signal}{silent}"
