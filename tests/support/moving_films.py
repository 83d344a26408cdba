"""Films that are drawn where they are looked at: any moment, at any size, as a track or a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from giblet.align.signature import GRID, Track
from giblet.store import image_compression, writing

COUNT = count()
# From moments in seconds, shape (n,), to pictures of luminance 0 to 255, (n, height, width).
Film = Callable[[np.ndarray, int, int], np.ndarray]


def scenes(seed: int, shortest_s: float = 2.0, longest_s: float = 6.0) -> Film:
    """Shots of a few seconds, in each of which five things move over a background."""
    rng = np.random.default_rng(seed)
    cuts = np.cumsum(rng.uniform(shortest_s, longest_s, 400))

    def draw(moments: np.ndarray, height: int, width: int) -> np.ndarray:
        y, x = np.meshgrid(
            (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij"
        )
        out = np.zeros((len(moments), height, width), np.float32)
        shots = np.searchsorted(cuts, moments, side="right")
        for shot in np.unique(shots):
            own = np.random.default_rng((seed, int(shot)))
            here = np.flatnonzero(shots == shot)
            since = (moments[here] - (cuts[shot - 1] if shot else 0))[:, None, None]
            slope, level = own.uniform(-60, 60, 2), own.uniform(60, 160)
            out[here] = level + slope[0] * (x - 0.5) + slope[1] * (y - 0.5)
            for _ in range(5):
                at, speed = own.uniform(0, 1, 2), own.uniform(-0.15, 0.15, 2)
                size, light = own.uniform(0.08, 0.25), own.uniform(-110, 110)
                away = (x - at[0] - speed[0] * since) ** 2 + (y - at[1] - speed[1] * since) ** 2
                out[here] += light * np.exp(-away / (2 * size**2))
        return np.clip(out, 0, 255)

    return draw


def slides(order: Sequence[int], each_s: float, blank_s: float = 0.0, seed: int = 0) -> Film:
    """Still pictures one after the other, grey between them."""

    def draw(moments: np.ndarray, height: int, width: int) -> np.ndarray:
        kinds = {}
        for kind in set(order):
            coarse = np.random.default_rng((seed, kind)).uniform(0, 255, (6, 6))
            kinds[kind] = np.kron(coarse, np.ones((-(-height // 6), -(-width // 6))))
        out = np.full((len(moments), height, width), 128, np.float32)
        for n, moment in enumerate(moments):
            place, since = divmod(float(moment), each_s + blank_s)
            if 0 <= place < len(order) and since < each_s:
                out[n] = kinds[order[int(place)]][:height, :width]
        return out

    return draw


def checkerboard(flicker_hz: float = 4.0, on_s: float = 16.0, off_s: float = 16.0) -> Film:
    """A board that reverses its contrast in blocks, grey between them."""

    def draw(moments: np.ndarray, height: int, width: int) -> np.ndarray:
        y, x = np.mgrid[:height, :width]
        board = ((8 * y // height + 8 * x // width) % 2 * 2 - 1) * 100
        sign = np.where(np.floor(moments * flicker_hz) % 2 == 0, 1, -1)
        sign = np.where(moments % (on_s + off_s) < on_s, sign, 0)
        return 128 + sign[:, None, None] * board[None].astype(np.float32)

    return draw


def sampled(n_trs: int, tr_s: float = 1.5, per_tr: int = 4) -> np.ndarray:
    """Scanner times of the pictures of a run."""
    return (np.arange(n_trs * per_tr) + 0.5) * tr_s / per_tr


def track(
    film: Film,
    n_trs: int,
    *,
    film_s: Callable[[np.ndarray], np.ndarray],
    noise: float = 0.3,
    gain: float = 1.0,
    tr_s: float = 1.5,
    per_tr: int = 4,
) -> Track:
    """A run's track, straight from the film.

    Parameters
    ----------
    film_s : from scanner time to film time; the film shows nothing at NaN
    noise, gain : of the means over cells, in grey levels
    """
    moments = film_s(sampled(n_trs, tr_s, per_tr))
    shown = np.isfinite(moments)
    cells = film(np.nan_to_num(moments), 2 * GRID, 2 * GRID)
    cells = cells.reshape(-1, GRID, 2, GRID, 2).mean((2, 4)).reshape(len(moments), -1)
    # Noise of its own for each track, as each encoding has.
    rng = np.random.default_rng((cells.size, next(COUNT)))
    cells = gain * cells + rng.normal(0, noise, cells.shape)
    cells[~shown] = 0
    return Track(cells.astype(np.float32), shown, tr_s / per_tr, "video")


def write_frames(
    path: Path,
    film: Film,
    n_trs: int,
    *,
    onset_s: float = 0.0,
    size: tuple[int, int] = (18, 32),
    bars: int = 0,
    noise: float = 2.0,
    tr_s: float = 1.5,
    per_tr: int = 4,
    name: str | None = None,
) -> Path:
    """``frames.h5`` of a run that shows a film from `onset_s` on.

    Parameters
    ----------
    bars : black rows above and below, within the size
    name : identity of the film's file; None leaves it out
    """
    moments = sampled(n_trs, tr_s, per_tr) - onset_s
    shown = moments >= 0
    height, width = size
    grey = np.zeros((len(moments), height, width), np.float32)
    inner = film(np.maximum(moments, 0), height - 2 * bars, width)
    rng = np.random.default_rng((grey.size, next(COUNT)))
    grey[:, bars : height - bars] = inner + rng.normal(0, noise, inner.shape)
    grey[~shown] = 0
    frames = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    with writing(path, stage="stimulus", tr_s=str(tr_s)) as file:
        shape = (n_trs, per_tr, height, width, 3)
        file.create_dataset(
            "frames", data=frames.reshape(shape), chunks=(1, *shape[1:]), **image_compression()
        )
        file["valid"] = shown.reshape(n_trs, per_tr)
        file["time_s"] = np.where(shown, moments, np.nan).reshape(n_trs, per_tr)
        file.attrs["frames_per_tr"] = per_tr
        file.attrs["movie_onset_s"] = str(onset_s)
        if name is not None:
            file.attrs["film"] = name
    return path
