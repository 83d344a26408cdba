"""Films of a single picture, and the frame that is made of it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import h5py
import hdf5plugin  # noqa: F401
import numpy as np

from giblet.stimulus.video import extract_frames

SIDE = 48


def square(width: int, height: int, side_x: int, side_y: int) -> np.ndarray:
    """A light square in the middle of a dark picture; its sides in pixels of the film."""
    picture = np.full((height, width, 3), 40, np.uint8)
    left, top = (width - side_x) // 2, (height - side_y) // 2
    picture[top : top + side_y, left : left + side_x] = 230
    return picture


def write_pictures(
    path: Path,
    pictures: list[np.ndarray],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    form: str = "rgb24",
    rate: int = 4,
    first: int = 0,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    matrix: int | None = None,
    **context: object,
) -> Path:
    """Write pictures [height, width, ...] of a pixel format as a film.

    `matrix` is that of the colours (PyAV's ``Colorspace``), `context` are settings of the
    encoder: ``sample_aspect_ratio``, ``color_range``, …
    """
    with av.open(str(path), "w", options=container or {}) as out:
        video = out.add_stream(codec, rate=rate)
        video.height, video.width = pictures[0].shape[:2]
        if form.startswith("yuv420"):
            video.height = video.height * 2 // 3
        video.pix_fmt = pix_fmt
        video.codec_context.time_base = Fraction(1, rate)
        video.options = options or ({"preset": "ultrafast"} if codec == "libx264" else {})
        for name, value in context.items():
            setattr(video.codec_context, name, value)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=form)
            frame = frame.reformat(format=pix_fmt, dst_colorspace=matrix)
            if "color_range" in context:
                frame.color_range = context["color_range"]
            frame.pts, frame.time_base = first + number, Fraction(1, rate)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def frames_of(path: Path, n: int = 1, **settings: object) -> np.ndarray:
    """The pictures shown in the middle of the first `n` quarters of a second, as 48 x 48."""
    made = path.parent / "frames.h5"
    extract_frames(
        path,
        made,
        **{"tr_s": "0.25", "n_trs": n, "frames_per_tr": 1, "width": SIDE, "height": SIDE}
        | settings,
    )
    with h5py.File(made) as file:
        assert file["valid"][:].all()
        return file["frames"][:, 0]


def sides(picture: np.ndarray) -> tuple[int, int]:
    """Height and width of the light square in a frame."""
    light = picture.mean(-1) > 130
    return int(light.any(1).sum()), int(light.any(0).sum())


def turned_mp4(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Mark an mp4 to be displayed by the matrix [[a, b], [c, d]]."""
    a, b, c, d = matrix
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 8 + 36
    whole = np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], ">i4")
    data[at : at + 36] = whole.tobytes()
    path.write_bytes(data)
    return path
