"""What a run shows and sounds like, in numbers that survive re-encoding.

Two runs show the same seconds of film when the same things *move* in them. Pictures are averaged
on a coarse grid and over short boxes of time, and the change from one box to the next is kept,
as a direction of unit length. Brightness, contrast, compression, black bars and the size of the
picture leave it almost as it is; a still picture, a black one and a title card have none. Changes
that are common in the study (fades, the light of the whole picture) are made to count less, by
whitening. For sound the same is done with mel bands in place of cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.store import dataset, reading
from giblet.timing import Exact, as_fraction

GRID = 8
BANDS = 32
# Seconds between the boxes of time that are compared, at least.
STEP_S = 0.35
SOUND_BIN_S = 0.1
# Natural logarithm of the amplitude below which sound is as good as silence.
QUIET = -7.5
# Root mean square change of a cell in grey levels, or of a band in natural logarithms, below
# which nothing moves: noise of compression stays below it.
STILL = {"video": 1.0, "audio": 0.1}
# Share of the mean variance that is added to every direction before whitening.
RIDGE = 0.1
DARK = 32
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Track:
    """Pictures (or bins of sound) of a run on a coarse grid, evenly spaced in scanner time.

    Attributes
    ----------
    cells : array of shape (n, n_cells), float32; means of luminance (0 to 255) or log-mel
    shown : array of shape (n,), bool; False where the film shows nothing
    spacing_s : seconds from one to the next
    kind : ``video`` or ``audio``
    """

    cells: NDArray[np.float32]
    shown: NDArray[np.bool_]
    spacing_s: float
    kind: str

    @property
    def stride(self) -> int:
        """Pictures from one box of time to the next."""
        return max(1, round(STEP_S / self.spacing_s))

    @property
    def span(self) -> int:
        """Pictures that a change is taken over: two boxes, at least two pictures long."""
        return self.stride + max(2, self.stride)

    def changes(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Change from each picture's box of time to the next one.

        Returns
        -------
        boxes : array of shape (n_changes, n_cells); mean of the box that begins at a picture
        change : same shape, without the mean over cells
        whole : array of shape (n_changes,), bool; the film shows something all the while
        """
        box, n = self.span - self.stride, len(self.cells)
        n_changes = max(0, n - self.span + 1)
        sums = np.concatenate([np.zeros((1, self.cells.shape[1])), self.cells.cumsum(0, float)])
        boxes = ((sums[box:] - sums[:-box]) / box).astype(np.float32)
        change = boxes[self.stride :][:n_changes] - boxes[:n_changes]
        change -= change.mean(1, keepdims=True)
        hidden = np.concatenate([[0], np.cumsum(~self.shown)])
        whole = hidden[self.span :] == hidden[:n_changes]
        return boxes[:n_changes], change, whole


@dataclass(frozen=True)
class Movement:
    """Directions in which a run changes, one for each picture; see :class:`Track`.

    Attributes
    ----------
    direction : array of shape (n, n_cells), float32, of length 1, or 0 where nothing moves
    boxes : array of the same shape; what is seen there, without the mean over cells
    moving, whole : arrays of shape (n,), bool; something moves; the film shows something
    """

    track: Track
    direction: NDArray[np.float32]
    boxes: NDArray[np.float32]
    moving: NDArray[np.bool_]
    whole: NDArray[np.bool_]


def movements(tracks: Sequence[Track]) -> list[Movement]:
    """Directions of change of each run, whitened by what is common in all of them."""
    changes = [track.changes() for track in tracks]
    sizes = [np.sqrt((change**2).mean(1)) for _, change, _ in changes]
    moving = [
        whole & (size >= STILL[track.kind])
        for track, size, (_, _, whole) in zip(tracks, sizes, changes, strict=True)
    ]
    whiten = _whitening(
        [
            change[there] / size[there, None]
            for (_, change, _), size, there in zip(changes, sizes, moving, strict=True)
        ],
        tracks[0].cells.shape[1],
    )
    found = []
    for track, (boxes, change, whole), there in zip(tracks, changes, moving, strict=True):
        direction = change @ whiten
        length = np.linalg.norm(direction, axis=1, keepdims=True)
        direction = np.where(there[:, None] & (length > 0), direction / np.maximum(length, 1e-9), 0)
        found.append(Movement(track, direction.astype(np.float32), boxes, there, whole))
    return found


def _whitening(directions: Sequence[NDArray[np.float32]], n_cells: int) -> NDArray[np.float32]:
    """Inverse square root of the covariance, with a ridge; shape (n_cells, n_cells)."""
    n = sum(len(part) for part in directions)
    if not n:
        return np.eye(n_cells, dtype=np.float32)
    covariance = sum(part.T.astype(float) @ part for part in directions) / n
    values, vectors = np.linalg.eigh(covariance)
    scale = 1 / np.sqrt(np.maximum(values, 0) + RIDGE * values.mean())
    whitening: NDArray[np.float32] = ((vectors * scale) @ vectors.T).astype(np.float32)
    return whitening


def picture_track(path: str | Path, tr_s: Exact, n_trs: int) -> Track:
    """Coarse luminance of the first `n_trs` TRs of ``frames.h5``, without black bars."""
    with reading(path, stage="stimulus", tr_s=tr_s) as file:
        pictures = dataset(file, "frames", dtype=np.uint8, shape=(None, None, None, None, 3))
        valid = dataset(file, "valid", dtype=bool, shape=pictures.shape[:2])[:n_trs]
        per_tr = pictures.shape[1]
        coarse = [_coarse(pictures[tr]) for tr in range(min(n_trs, len(pictures)))]
    grey = np.concatenate(coarse) if coarse else np.zeros((0, 1, 1), np.float32)
    inside = _without_bars(grey)
    cells = _cells(_cells(grey[:, inside[0], inside[1]], 1), 2).reshape(len(grey), -1)
    return Track(cells, valid.ravel(), float(as_fraction(tr_s)) / per_tr, "video")


def _coarse(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luminance at no more than about 32 x 32 points: bars are then still found."""
    high, wide = (max(1, size // 32) for size in pictures.shape[1:3])
    n, rows, columns = len(pictures), pictures.shape[1] // high, pictures.shape[2] // wide
    kept = pictures[:, : rows * high, : columns * wide].astype(np.float32) @ LUMINANCE
    return kept.reshape(n, rows, high, columns, wide).mean((2, 4), dtype=np.float32)


def _without_bars(grey: NDArray[np.float32]) -> tuple[slice, slice]:
    """Rows and columns that are ever lit, so that bars of any width are left out."""
    lit = grey.max(0, initial=0) > DARK
    ends = []
    for axis in (1, 0):
        found = np.flatnonzero(lit.mean(axis) > 0.05)
        ends.append(slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(None))
    return ends[0], ends[1]


def _cells(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Means over `GRID` equal parts of an axis, points on a border shared by area."""
    n = values.shape[axis]
    edges = np.linspace(0, n, GRID + 1)
    points = np.arange(n)[:, None]
    share = np.minimum(points + 1, edges[1:]) - np.maximum(points, edges[:-1])
    weights = np.maximum(share, 0) * GRID / n  # [n, GRID]
    return np.moveaxis(np.tensordot(values, weights.astype(np.float32), (axis, 0)), -1, axis)


def sound_track(path: str | Path, tr_s: Exact, n_trs: int) -> Track:
    """Mel bands of the first `n_trs` TRs of ``audio.h5``, in bins of about 0.1 s."""
    with reading(path, stage="features", tr_s=tr_s) as file:
        index: NDArray[Any] = dataset(file, "index", dtype=np.int64, shape=(None, 2))[:n_trs]
        rate = int(file.attrs["sample_rate_hz"]) / int(file.attrs["hop_length"])
        stop = int(index[-1, 1]) if len(index) else 0
        mel = dataset(file, "log_mel", shape=(None, None))[:stop].astype(np.float32)
    mel = np.maximum(mel, QUIET)
    per_bin = max(1, round(SOUND_BIN_S * rate))
    n_bins, bands = len(mel) // per_bin, min(BANDS, mel.shape[1])
    edges = np.linspace(0, mel.shape[1], bands + 1).round().astype(int)[:-1]
    bins = mel[: n_bins * per_bin].reshape(n_bins, per_bin, mel.shape[1]).mean(1)
    cells = np.add.reduceat(bins, edges, axis=1) / np.diff([*edges, mel.shape[1]])
    shown = np.ones(n_bins, bool)
    return Track(cells.astype(np.float32), shown, per_bin / rate, "audio")
