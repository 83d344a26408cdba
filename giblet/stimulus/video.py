"""Frames of a film, sampled in scanner time."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from giblet import notices
from giblet.copies import content_of
from giblet.errors import MediaError
from giblet.stimulus.media import Film, decoded, open_film, run_end, run_length
from giblet.stimulus.picture import Painter
from giblet.stimulus.tracks import usual_length
from giblet.store import image_compression, writing
from giblet.timing import Exact, frame_times


@dataclass(frozen=True)
class Shown:
    """A picture on the screen from `time_s` until the next one, or until `end_s` if last.

    `aspect` is the width of its pixels over their height.
    """

    time_s: Fraction
    end_s: Fraction
    frame: Any
    aspect: Fraction = Fraction(1)


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
        painter = Painter(film.path, film.video, width, height, fit)
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
                    picture[part] = painter.paint(shown.frame, shown.aspect)
                    time_s[tr, part] = float(shown.time_s)
            pictures[tr] = picture
        file["valid"] = np.isfinite(time_s)
        file["time_s"] = time_s
        file.attrs["frames_per_tr"] = frames_per_tr
        file.attrs["fit"] = fit
        file.attrs["movie_onset_s"] = str(movie_onset_s)
        file.attrs["film"] = content_of(movie)
        # [x, y, width, height] of the part that pictures fill, in pixels of the frame.
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
    aspect = PixelAspect(film.path, film.video)
    last: Fraction | None = None
    in_order = progressive = True
    for time, frame in decoded(film, film.video, damaged):
        if last is None:
            warn_of_kind(film.path, film.video, frame)
        if progressive and frame.interlaced_frame:
            progressive = False
            warn_of_fields(film.path, time)
        shape = aspect.of(frame, time)
        if last is not None and time <= last:
            if in_order:
                notices.warn(
                    f"{film.path}: its time stamps stand still or go back at {float(time):.3f} s; "
                    "the pictures concerned are left out. Convert the film to mp4 or mkv again "
                    "from its source to see them"
                )
            in_order = False
            continue
        last = time
        length = frame.duration * Fraction(frame.time_base) if frame.duration else usual
        yield Shown(time, time + length, frame, shape)


class PixelAspect:
    """Shape of the pixels of a stream's frames, which broadcasts switch in between.

    The container's word counts where it differs from the codec's, and the codec's where they
    agree at the start and the codec's changes.
    """

    def __init__(self, path: Path, stream: Any) -> None:
        self._path = path
        self._context = stream.codec_context
        self._coded = self._context.sample_aspect_ratio
        self._shown = Fraction(stream.sample_aspect_ratio or 1)
        self._follows = self._coded is None or self._coded == self._shown

    def of(self, frame: Any, time_s: Fraction) -> Fraction:
        """Width of a pixel over its height, of the frame just decoded."""
        coming = self._context.sample_aspect_ratio
        if coming == self._coded:
            return self._shown
        # The decoder is some frames ahead of those it gives.
        given, old, new = _own_aspect(frame), self._coded or Fraction(1), coming or Fraction(1)
        if abs(given - new) > abs(given - old):
            return self._shown
        self._coded = coming
        if not self._follows:
            notices.warn(
                f"{self._path}: the shape of its pixels changes at {float(time_s):.3f} s to "
                f"{new} in the pictures, its header says {self._shown}; the header's is used "
                "throughout. Convert it again if the picture looks squeezed"
            )
            return self._shown
        self._shown = new
        return self._shown


def _own_aspect(frame: Any) -> float:
    """Shape of a frame's pixels to 1/256, which PyAV does not say: a filter's word for it."""
    from av.filter import Graph

    graph = Graph()
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base="1/1000",
        pixel_aspect="1/1",
    )
    scale = graph.add("scale", w="clip(round(256*sar),1,8192)", h="8", eval="frame")
    graph.link_nodes(source, scale, graph.add("buffersink")).configure()
    graph.push(frame)
    probed: Any = graph.pull()
    return float(probed.width / 256)


def warn_of_fields(path: Path, time_s: Fraction) -> None:
    """Say that pictures are interlaced, from when on."""
    notices.warn(
        f"{path}: its pictures are interlaced from {float(time_s):.3f} s on; the two fields of "
        "each are used as one picture, so that what moves has combs. Deinterlace it, for instance "
        "with ffmpeg -vf bwdif"
    )


def warn_of_kind(path: Path, stream: Any, frame: Any) -> None:
    """Say what a film's pictures are that are not just pictures: views, projections, layers."""
    for data in frame.side_data:
        # The first field of AVStereo3D is its type, 0 for two dimensions.
        if data.type.name == "STEREO3D" and int.from_bytes(bytes(data)[:4], sys.byteorder):
            notices.warn(
                f"{path}: its pictures hold two views, one for each eye, and are used as they "
                "are; extract one view if that is what was shown"
            )
        if data.type.name == "SPHERICAL":
            notices.warn(
                f"{path}: its pictures are a projection of a sphere (360 degrees) and are used as "
                "they are; extract the view that was shown"
            )
    if stream.metadata.get("alpha_mode") == "1":
        notices.warn(
            f"{path}: its pictures are partly transparent, which is not read; they are shown as "
            "if they were not. Put them on the background that was shown"
        )
