"""Films that any browser plays: H.264 in MP4, pictures enlarged without smoothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet.store import replacing

EVEN = 2
# One thread, and no macroblock tree, whose AVX-512 code adds up what lies behind its rows: the same
# pictures would not always give the same film.
X264 = "threads=1:sync-lookahead=0:no-mbtree=1"


@dataclass(frozen=True)
class Sound:
    """What is heard with a film: samples (n,), float32 from -1 to 1, and how many a second."""

    samples: NDArray[np.float32]
    rate_hz: int


def write_film(
    path: str | Path, frames: NDArray[np.uint8], rate: Fraction, *, scale: int, crf: int
) -> None:
    """Write frames as an MP4.

    Parameters
    ----------
    frames : array of shape (n, H, W, 3)
    rate : frames a second
    scale : every pixel becomes `scale` by `scale`; rounded up to even, as H.264 needs
    crf : quality of libx264, 0 lossless to 51
    """
    encode(path, (enlarged(frame, scale) for frame in frames), rate, crf=crf)


def enlarged(picture: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Every pixel `scale` by `scale`, which is rounded up to even."""
    scale += scale % EVEN
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def encode(
    path: str | Path,
    pictures: Iterable[NDArray[np.uint8]],
    rate: Fraction,
    *,
    crf: int,
    sound: Sound | None = None,
) -> None:
    """Write pictures of even sides (H, W, 3), as they come, as an MP4 with or without sound."""
    import av

    pictures = iter(pictures)
    first = next(pictures)
    with (
        replacing(path) as partial,
        av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        stream = container.add_stream(
            "libx264",
            rate=rate,
            options={"crf": str(crf), "preset": "veryfast", "x264-params": X264},
        )
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        heard = (
            None
            if sound is None
            else container.add_stream("aac", rate=sound.rate_hz, layout="mono")
        )
        parts = iter(()) if sound is None else _sound_frames(sound)
        for number, one in enumerate(chain([first], pictures)):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(one), format="rgb24")
            container.mux(stream.encode(picture))
            _encode_until(container, heard, parts, Fraction(number + 1) / rate)
        container.mux(stream.encode())
        if heard is not None:
            _encode_until(container, heard, parts, None)
            container.mux(heard.encode())


def _sound_frames(sound: Sound, size: int = 1024) -> Iterator[tuple[Fraction, Any]]:
    """Pieces of the sound and when each begins, in seconds."""
    import av

    for start in range(0, len(sound.samples), size):
        part = np.ascontiguousarray(sound.samples[None, start : start + size], np.float32)
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = sound.rate_hz, start
        yield Fraction(start, sound.rate_hz), frame


def _encode_until(container: Any, stream: Any, parts: Any, until_s: Fraction | None) -> None:
    """Sound goes into the file beside the pictures it belongs to."""
    for begins, frame in parts:
        container.mux(stream.encode(frame))
        if until_s is not None and begins >= until_s:
            return


def read_film(path: str | Path, height: int, width: int) -> NDArray[np.uint8]:
    """Frames of an MP4 written by :func:`write_film`, brought back to their size."""
    import av

    out = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            big = frame.to_ndarray(format="rgb24").astype(np.float32)
            scale = big.shape[0] // height
            cells = big.reshape(height, scale, width, scale, 3).mean((1, 3))
            out.append(np.round(cells).astype(np.uint8))
    return np.stack(out)
