"""Frames of a film, sampled in scanner time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.copies import content_of
from giblet.errors import MediaError
from giblet.stimulus.media import Film, decoded, open_film, run_end, run_length
from giblet.stimulus.tracks import usual_length
from giblet.store import image_compression, writing
from giblet.timing import Exact, frame_times

UNSPECIFIED_COLORSPACE = 2
HD_LINES = 720


@dataclass(frozen=True)
class Shown:
    """A picture on the screen from `time_s` until the next one, or until `end_s` if last."""

    time_s: Fraction
    end_s: Fraction
    frame: Any


def extract_frames(
    movie: str | Path,
    frames: str | Path,
    *,
    run: str = "",
    tr_s: Exact,
    movie_onset_s: Exact = 0,
    n_trs: int = 0,
    width: int = 160,
    height: int = 90,
    fit: str = "letterbox",
    frames_per_tr: int = 8,
    damaged: str = "error",
) -> None:
    """Write the frames seen during each TR of a run.

    TR k is sampled at the centres of its `frames_per_tr` equal parts. What is taken is the
    picture on the screen then: the last one with a time stamp at or before it. One TR is in
    memory at a time, whatever the film's length.

    Parameters
    ----------
    movie, frames
        Film to read and HDF5 file to write, with datasets ``frames`` uint8
        [n_trs, frames_per_tr, height, width, 3] RGB, ``valid`` bool [n_trs, frames_per_tr]
        (False, and black, where the film shows nothing) and ``time_s`` float64
        [n_trs, frames_per_tr], the film time of the picture shown (NaN where not valid).
    movie_onset_s
        Scanner time at which the film starts.
    n_trs
        Length of the run; 0 for as many whole TRs as the film covers.
    fit
        ``letterbox`` (whole picture, black bars) or ``crop`` (centre of the picture).
    damaged
        ``error`` or ``partial``, see :func:`giblet.stimulus.media.decoded`.

    Raises
    ------
    MediaError
        If the film cannot be read or has no picture.
    """
    n_trs = run_length(movie, tr_s, movie_onset_s, n_trs, damaged)
    with (
        open_film(movie, run_end(n_trs, tr_s, movie_onset_s)) as film,
        writing(frames, stage="stimulus", run=run, tr_s=tr_s, units="RGB 0..255") as file,
    ):
        if film.video is None:
            raise MediaError(
                f"{film.path}: has no picture, only sound: name a film with a video stream in "
                "the column 'movie' of the runs table, or set config key 'modalities' to "
                "[audio, text] or [audio]"
            )
        painter = Painter(film.video, width, height, fit)
        shape = (n_trs, frames_per_tr, height, width, 3)
        pictures = file.create_dataset(
            "frames", shape, np.uint8, chunks=(1, *shape[1:]), **image_compression()
        )
        time_s = np.full(shape[:2], np.nan)
        wanted = frame_times(n_trs, tr_s, frames_per_tr, movie_onset_s)
        seen = shown_at(_pictures(film, damaged), wanted)
        for tr in range(n_trs):
            picture = np.zeros(shape[1:], np.uint8)
            for part in range(frames_per_tr):
                shown = next(seen)
                if shown is not None:
                    picture[part] = painter.paint(shown.frame)
                    time_s[tr, part] = float(shown.time_s)
            pictures[tr] = picture
        file["valid"] = np.isfinite(time_s)
        file["time_s"] = time_s
        file.attrs["frames_per_tr"] = frames_per_tr
        file.attrs["fit"] = fit
        file.attrs["movie_onset_s"] = str(movie_onset_s)
        file.attrs["film"] = content_of(movie)
        # [x, y, width, height] of the part that holds picture, in pixels of the frame.
        file.attrs["content_box"] = painter.box


def shown_at(items: Iterable[Shown], times: Iterable[Fraction]) -> Iterator[Shown | None]:
    """What is on the screen at each of the increasing `times`; None where nothing is."""
    incoming = iter(items)
    current: Shown | None = None
    coming = next(incoming, None)
    for time in times:
        while coming is not None and coming.time_s <= time:
            current, coming = coming, next(incoming, None)
        over = coming is None and current is not None and time >= current.end_s
        yield None if over else current


def _pictures(film: Film, damaged: str) -> Iterator[Shown]:
    usual = usual_length(film.video)
    last: Fraction | None = None
    in_order = True
    for time, frame in decoded(film, film.video, damaged):
        if last is not None and time <= last:
            if in_order:
                notices.warn(
                    f"{film.path}: its time stamps are out of order from {float(time):.3f} s on, "
                    "as in avi files with B-frames; the pictures concerned are left out. Convert "
                    "the film to mp4 or mkv to see them"
                )
            in_order = False
            continue
        last = time
        length = frame.duration * Fraction(frame.time_base) if frame.duration else usual
        yield Shown(time, time + length, frame)


class Painter:
    """Scales pictures into frames of one size, keeping their proportions.

    Parameters
    ----------
    fit
        ``letterbox``: the whole picture, centred, with black bars. ``crop``: the picture
        fills the frame and what stands over is cut away on both sides alike.
    """

    def __init__(self, stream: Any, width: int, height: int, fit: str) -> None:
        from av.video.reformatter import VideoReformatter

        # One for all frames: it keeps its scaling tables, which is several times faster.
        self._reformatter = VideoReformatter()
        self._pixel_aspect = Fraction(stream.sample_aspect_ratio or 1)
        self._size = (width, height)
        self._crop = fit == "crop"
        self._last: tuple[Any, NDArray[np.uint8]] | None = None
        context = stream.codec_context
        self.box = self._content_box(context.width, context.height)

    def _scaled_size(self, width: int, height: int) -> tuple[int, int]:
        """Size in pixels of the whole picture once scaled to the frame."""
        wide, high = self._size
        aspect = width * self._pixel_aspect / height
        wider = aspect > Fraction(wide, high)
        if wider != self._crop:
            return wide, max(1, round(wide / aspect))
        return max(1, round(high * aspect)), high

    def _content_box(self, width: int, height: int) -> tuple[int, int, int, int]:
        if not width or not height or self._crop:
            return (0, 0, *self._size)
        scaled = self._scaled_size(width, height)
        left, top = ((room - used) // 2 for room, used in zip(self._size, scaled, strict=True))
        return (left, top, *scaled)

    def paint(self, frame: Any) -> NDArray[np.uint8]:
        """Picture [height, width, 3] of a decoded frame; the same array if it is the last one."""
        from av.video.reformatter import Colorspace, Interpolation

        if self._last is not None and self._last[0] is frame:
            return self._last[1]
        # Untagged video is BT.709 in high definition and BT.601 below, as players take it.
        untagged_hd = frame.colorspace == UNSPECIFIED_COLORSPACE and frame.height >= HD_LINES
        scaled: Any = self._reformatter.reformat(
            frame,
            *self._scaled_size(frame.width, frame.height),
            format="rgb24",
            src_colorspace=Colorspace.ITU709 if untagged_hd else None,
            interpolation=Interpolation.AREA,
            threads=1,
        ).to_ndarray()
        picture = self._placed(scaled)
        self._last = (frame, picture)
        return picture

    def _placed(self, scaled: NDArray[np.uint8]) -> NDArray[np.uint8]:
        wide, high = self._size
        have_high, have_wide = scaled.shape[:2]
        if self._crop:
            top, left = (have_high - high) // 2, (have_wide - wide) // 2
            return scaled[top : top + high, left : left + wide]
        out = np.zeros((high, wide, 3), np.uint8)
        top, left = (high - have_high) // 2, (wide - have_wide) // 2
        out[top : top + have_high, left : left + have_wide] = scaled
        return out
