"""Linear summaries of the stimulus, one row a TR, and the same through the HRF.

``raw`` is what was shown in the TR, ``hrf[t] = sum_k kernel[k] raw[t - k]`` and ``fir`` the
raw columns once per delay. Nothing here is normalised: that is fitted on train, later.
Nothing here is a reconstruction target either: those are never filtered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet import hrf as responses
from giblet.align.checks import check_causal, check_clock, check_stream
from giblet.errors import AlignError
from giblet.store import dataset, reading, writing
from giblet.timing import Exact, as_fraction

MODALITIES = ("video", "audio", "text")
# The filter is as long as the default gap between train and test, so that no training
# regressor contains a test stimulus.
HRF_S = 30.0
# Natural logarithm of the floor of features/audio.h5:log_mel; silence becomes 0.
LOG_MEL_FLOOR = float(np.log(1e-5))
CHUNK_BYTES = 32 * 2**20
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


def write_regressors(
    out: str | Path,
    *,
    run: str,
    frames: str | Path | None = None,
    audio: str | Path | None = None,
    text: str | Path | None = None,
    video: str | Path | None = None,
    tr_s: Exact,
    hrf: str,
    delays_trs: Sequence[int],
    grid_height: int,
    grid_width: int,
) -> None:
    """Write ``raw``, ``hrf`` and ``fir`` regressors of one run.

    Parameters
    ----------
    frames, audio, text
        Stimulus and feature files; None for a modality that the study lacks, which then has no
        regressors.
    video
        Features of a video backbone, if any; they replace the picture summaries.
    hrf
        Kind of response, see :func:`giblet.hrf.hrf_kernel`.
    delays_trs
        Delays of the finite impulse response, in TRs.
    grid_height, grid_width
        Cells that the picture is averaged over.
    """
    delays = [int(delay) for delay in delays_trs]
    kernel = responses.hrf_kernel(hrf, tr_s, duration_s=HRF_S)
    check_causal(lambda drive: responses.convolve_causal(drive, kernel))
    check_causal(lambda drive: responses.delayed(drive, delays))
    raw = {}
    if video:
        raw["video"] = _backbone(video, tr_s, run)
    elif frames:
        raw["video"] = video_summary(frames, tr_s, grid_height, grid_width, run)
    if audio:
        raw["audio"] = audio_summary(audio, tr_s, run)
    if text:
        raw["text"] = _embedding(text, tr_s, run)
    _same_length(run, raw)
    with writing(out, stage="align", run=run, tr_s=tr_s) as file:
        file.attrs["delays_trs"] = delays
        file.attrs["hrf"] = hrf
        for name, values in raw.items():
            filtered = responses.convolve_causal(values, kernel)
            file[f"raw/{name}"] = values
            file[f"hrf/{name}"] = filtered.astype(np.float32)
            file[f"fir/{name}"] = responses.delayed(values, delays)
            print(f"{name}: {values.shape[1]} columns, {values.shape[1] * len(delays)} delayed")


def _same_length(run: str, raw: dict[str, NDArray[np.float32]]) -> None:
    lengths = {name: len(values) for name, values in raw.items()}
    if len(set(lengths.values())) > 1:
        raise AlignError(
            f"{run}: regressors differ in length: "
            f"{', '.join(f'{n} {k} TRs' for n, k in lengths.items())}; delete the run's "
            "stimulus and features files and run snakemake again"
        )


def audio_summary(path: str | Path, tr_s: Exact, run: str | None = None) -> NDArray[np.float32]:
    """Mean and standard deviation of the log-mel energies over the codec frames of each TR.

    Returns
    -------
    array of shape (n_trs, 2 * n_mels), float32; the mean is above the floor, so silence is 0
    """
    with reading(path, stage="features", tr_s=tr_s, run=run) as file:
        index = dataset(file, "index", dtype=np.int64, shape=(None, 2))[:]
        mel = dataset(file, "log_mel", shape=(None, None))[:].astype(np.float32)
        rate = as_fraction(f"{int(file.attrs['sample_rate_hz'])}/{int(file.attrs['hop_length'])}")
    check_stream(index, len(mel), tr_s, rate, str(path))
    parts = [mel[start:stop] for start, stop in index]
    mean = np.stack([part.mean(0) for part in parts]) - LOG_MEL_FLOOR
    sd = np.stack([part.std(0) for part in parts])
    return np.concatenate([mean, sd], axis=1).astype(np.float32)


def video_summary(
    path: str | Path,
    tr_s: Exact,
    grid_height: int,
    grid_width: int,
    run: str | None = None,
) -> NDArray[np.float32]:
    """Coarse pictures and movement of each TR, streamed.

    Per grid cell, averaged over the frames of the TR: luminance, contrast (standard
    deviation of the luminance inside the cell) and motion energy; and on a grid half as fine
    the opponent colours red-green and blue-yellow. All in units of full scale, except motion
    energy: ``log(1 + 255 |change of luminance|)``, from the frame before, also from the last
    frame of the TR before. The logarithm keeps a cut from drowning all other movement.

    Returns
    -------
    array of shape (n_trs, 3 * cells + 2 * coarse cells), float32
    """
    rows, before = [], np.empty(0, np.float32)
    with reading(path, stage="stimulus", tr_s=tr_s, run=run) as file:
        time_s = dataset(file, "time_s", shape=(None, None))[:]
        valid = dataset(file, "valid", dtype=bool, shape=time_s.shape)[:]
        check_clock(time_s, valid, tr_s, str(path))
        pictures = dataset(file, "frames", dtype=np.uint8, shape=(*time_s.shape, None, None, 3))
        for block in _tr_chunks(pictures):
            rgb = block.astype(np.float32) / np.float32(255)  # [t, F, H, W, 3]
            luminance = (rgb @ LUMINANCE).astype(np.float32, copy=False)  # [t, F, H, W]
            stream = luminance.reshape(-1, *luminance.shape[2:])
            first = before if len(before) else stream[:1]
            motion = np.abs(np.diff(stream, axis=0, prepend=first)).reshape(luminance.shape)
            before = stream[-1:]
            rows.append(_summarise(rgb, luminance, motion, grid_height, grid_width))
    return np.concatenate(rows)


def _summarise(
    rgb: NDArray[np.float32],
    luminance: NDArray[np.float32],
    motion: NDArray[np.float32],
    height: int,
    width: int,
) -> NDArray[np.float32]:
    """Summaries of a chunk: pictures [t, F, H, W, 3] to rows [t, P]."""
    mean = cell_means(luminance, height, width)
    square = cell_means(luminance**2, height, width)
    contrast = np.sqrt(np.clip(square - mean**2, 0, None))
    half = (-(-height // 2), -(-width // 2))
    red, green, blue = (cell_means(rgb[..., channel], *half) for channel in range(3))
    parts = [
        mean,
        contrast,
        np.log1p(255 * cell_means(motion, height, width)),
        red - green,
        blue - (red + green) / 2,
    ]
    n_trs = len(rgb)
    return np.concatenate([part.mean(1).reshape(n_trs, -1) for part in parts], axis=1)


def cell_means(pictures: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Average pictures over the cells of a grid, as equal as whole pixels allow.

    Parameters
    ----------
    pictures : array of shape (..., H, W)

    Returns
    -------
    array of shape (..., height, width)

    Raises
    ------
    AlignError
        If the grid is finer than the picture.
    """
    full_height, full_width = pictures.shape[-2:]
    if height > full_height or width > full_width:
        raise AlignError(
            f"align/grid_height x grid_width is {height} x {width}, finer than the frames of "
            f"{full_height} x {full_width} pixels: lower it"
        )
    tops = np.arange(height) * full_height // height
    lefts = np.arange(width) * full_width // width
    sums = np.add.reduceat(np.add.reduceat(pictures, tops, axis=-2), lefts, axis=-1)
    areas = np.outer(np.diff(tops, append=full_height), np.diff(lefts, append=full_width))
    return (sums / areas).astype(np.float32)


def _tr_chunks(pictures: h5py.Dataset) -> Iterator[NDArray[np.uint8]]:
    """Whole TRs of a video dataset, a bounded number of bytes at a time."""
    step = max(1, CHUNK_BYTES // int(np.prod(pictures.shape[1:])) // 4)
    for start in range(0, len(pictures), step):
        yield pictures[start : start + step]


def _embedding(path: str | Path, tr_s: Exact, run: str) -> NDArray[np.float32]:
    with reading(path, stage="features", tr_s=tr_s, run=run) as file:
        found: NDArray[np.float32] = dataset(file, "embedding", shape=(None, None))[:]
    return found.astype(np.float32)


def _backbone(path: str | Path, tr_s: Exact, run: str) -> NDArray[np.float32]:
    values = _embedding(path, tr_s, run)
    if not np.isfinite(values).all():
        raise AlignError(
            f"{path}: the video embedding holds NaN or infinite values: delete the file and run "
            "snakemake again"
        )
    return values
