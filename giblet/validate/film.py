"""Films that any browser plays: H.264 in MP4, pictures enlarged without smoothing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.store import replacing

EVEN = 2


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
    import av

    scale += scale % EVEN
    with (
        replacing(path) as partial,
        av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        stream = container.add_stream(
            "libx264", rate=rate, options={"crf": str(crf), "preset": "veryfast"}
        )
        stream.height, stream.width = frames.shape[1] * scale, frames.shape[2] * scale
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for frame in frames:
            big = frame.repeat(scale, axis=0).repeat(scale, axis=1)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(big), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


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
