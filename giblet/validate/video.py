"""Video scores: how near the decoded frames of the test TRs are to those shown.

The *ceiling* is what the films written here lose: the shown frames through the MP4 encoder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from giblet.errors import ValidationError
from giblet.store import reading, writing
from giblet.validate.film import read_film, write_film
from giblet.validate.floors import nearest_by_bold
from giblet.validate.items import Scorer
from giblet.validate.motion import motion_series
from giblet.validate.picture_embedding import Embedded, load_clip
from giblet.validate.picture_scores import (
    area_mean,
    edge_r,
    enlarged,
    frames_shown,
    ms_ssim,
    pixel_r,
    psnr,
    ssim,
)
from giblet.validate.predictions import (
    decoded_sources,
    has,
    opened_predictions,
    predicted_rows,
)
from giblet.validate.settings import Settings
from giblet.validate.table import MetricTable
from giblet.validate.testset import TestSet, held_out, runs_of
from giblet.validate.tr_series import SeriesScorer

MEASURES = {
    "psnr": (psnr, "dB"),
    "ssim": (ssim, "1"),
    "ms_ssim": (ms_ssim, "1"),
    "pixel_r": (pixel_r, "r"),
    "edge_r": (edge_r, "r"),
}
# Fine enough to tell scenes apart, coarse enough to forgive a small shift.
GRID = (9, 16)
CEILING_CRF = 18

Frames = NDArray[np.uint8]


def score_video(
    study: str | Path,
    predictions: str | Path,
    baseline: str | Path,
    *,
    metrics: str | Path,
    trs: str | Path,
    series: str | Path,
    seed: int,
    n_permutations: int,
    n_bootstrap: int,
    block_trs: int,
    min_shift_s: float,
    identification_min_distance_s: float,
    clip: str = "none",
    clip_revision: str | None = None,
) -> None:
    """Score every source's frames and write ``metrics.csv``, ``trs.tsv`` and ``series.h5``.

    Parameters
    ----------
    clip, clip_revision : see :func:`giblet.validate.picture_embedding.load_clip`
    """
    embed = load_clip(clip, clip_revision)
    settings = Settings(
        seed, n_permutations, n_bootstrap, block_trs, min_shift_s, identification_min_distance_s
    )
    table = MetricTable("video", n_bootstrap, seed)
    with (
        opened_predictions(study, predictions) as (study_file, predicted, tests),
        reading(baseline, stage="train") as ridge,
        writing(series, stage="validate", tr_s=tests.tr_s) as kept,
    ):
        scorer = Scorer(table, settings)
        shown = shown_frames(study_file, predicted, tests)
        mean = study_file["stats/video/mean"][:].mean(0, keepdims=True)
        around = area_mean(mean, *GRID)
        embedded = None if embed is None else Embedded(embed, study_file, shown)
        moved = motion_series(shown, tests, GRID)
        motion = SeriesScorer(kept, table, settings, "motion_r", moved, tests)
        for source, subject, own, frames in _sources(study_file, predicted, ridge, tests, shown):
            here = np.isin(tests.run_name, own.runs)
            true = shown[here]
            _add_measures(table, source, subject, own, true, frames, settings)
            motion.add(source, subject, motion_series(frames, own, GRID), own)
            found, wanted = _patterns(frames, around), _patterns(true, around)
            if source == "floor_mean":
                # Rounding the mean to grey levels leaves a faint pattern that is no information.
                found = np.zeros_like(found)
            scorer.identify(source, subject, found, wanted, own)
            if embedded is not None:
                found = embedded.of(source, frames)
                scorer.identify(source, subject, found, embedded.true[here], own, kind="clip")
        scorer.add_pooled()
        motion.add_chance()
    table.write_trs(trs)
    table.write(metrics)


def _add_measures(
    table: MetricTable,
    source: str,
    subject: str,
    own: TestSet,
    true: Frames,
    frames: Frames,
    settings: Settings,
) -> None:
    """Add the scores of frames."""
    values = score_frames(true, frames)
    block = own.blocks(settings.block_trs)
    for name, (_, unit) in MEASURES.items():
        table.add_items(name, unit, source, values[name], block, subject=subject, tests=own)


def shown_frames(study: h5py.File, predicted: h5py.File, tests: TestSet) -> Frames:
    """The frames that the network should have made, shape (n, Fo, H, W, 3)."""
    shown = held_out(study, "runs/{run}/video", tests)
    run = tests.runs[0]
    like = next(iter(predicted[f"runs/{run}/video/model"].values())).shape
    if like[2:] != shown.shape[2:] or like[1] > shown.shape[1]:
        raise ValidationError(
            f"{predicted.filename}: frames of {run} have shape {like[1:]}, the study's "
            f"{shown.shape[1:]}: the network was trained on another study; train again"
        )
    return np.asarray(shown[:, frames_shown(shown.shape[1], like[1])])


def score_frames(true: Frames, frames: Frames) -> dict[str, NDArray[np.float64]]:
    """Every measure of `MEASURES` for each TR, the mean over its frames.

    Parameters
    ----------
    true, frames : arrays of shape (n, Fo, H, W, 3)

    Returns
    -------
    dict name -> array of shape (n,)
    """
    out = {}
    for name, (measure, _) in MEASURES.items():
        found = [
            [measure(a, b) for a, b in zip(*tr, strict=True)]
            for tr in zip(true, frames, strict=True)
        ]
        out[name] = np.asarray(found, float).mean(1)
    return out


def _patterns(frames: Frames, around: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coarse mean frame of each TR without the training mean, shape (n, cells)."""
    coarse = np.stack([area_mean(tr, *GRID).mean(0) for tr in frames])
    return np.asarray((coarse - around).reshape(len(frames), -1))


def _sources(
    study: h5py.File, predicted: h5py.File, ridge: h5py.File, tests: TestSet, shown: Frames
) -> Iterator[tuple[str, str, TestSet, Frames]]:
    """Source, subject, its test TRs, and its frames for them."""
    _, per_tr, height, width = shown.shape[:4]
    yield (
        "ceiling",
        "",
        tests,
        through_mp4(shown.reshape(-1, height, width, 3)).reshape(shown.shape),
    )
    mean = study["stats/video/mean"][:][frames_shown(study["stats/video/mean"].shape[0], per_tr)]
    constant = np.clip(np.round(mean), 0, 255).astype(np.uint8)
    yield "floor_mean", "", tests, np.broadcast_to(constant, shown.shape)
    for source, subject in decoded_sources(predicted, "video"):
        runs = [run for run in tests.runs if has(predicted, run, "video", source, subject)]
        own = tests.of_runs(runs)
        frames = predicted_rows(predicted, own, "video", source, subject)
        yield source, subject, own, frames
        if source == "from_bold":
            yield "floor_shifted", subject, own, frames[own.shifted()]
    for subject in tests.subjects:
        own = tests.of_runs(runs_of(study, subject))
        if not own.runs:
            continue
        moments = nearest_by_bold(study, own, subject, runs_of(study, subject))
        nearest = np.asarray(moments.rows(study, "runs/{run}/video"), np.uint8)
        yield "floor_nearest", subject, own, nearest[:, frames_shown(nearest.shape[1], per_tr)]
        if f"decode/video/{subject}" in ridge:
            small = held_out(ridge, f"decode/video/{subject}/{{run}}", own)
            big = enlarged(small, (height, width))
            yield "ridge", subject, own, np.repeat(big[:, None], per_tr, axis=1)


def through_mp4(frames: Frames) -> Frames:
    """Frames (n, H, W, 3) after encoding as MP4 and decoding again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ceiling.mp4"
        write_film(path, frames, Fraction(2), scale=2, crf=CEILING_CRF)
        return read_film(path, *frames.shape[1:3])
