"""Recordings that a user names, read as mono sound through FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from giblet.paths import for_libav

FULL_SCALE_32 = 2**31


def mono_blocks(path: str | Path) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The first audio stream of a file (also of films), mixed to one channel, block by block.

    Yields
    ------
    (rate in Hz, samples in -1..1); nothing for a file without sound

    Raises
    ------
    av.error.FFmpegError
        If the file cannot be read.
    """
    import av
    from av.audio.resampler import AudioResampler

    with av.open(for_libav(path), metadata_errors="replace") as container:
        if not container.streams.audio:
            return
        rate_hz = int(container.streams.audio[0].rate)
        # 32-bit integers: libswresample scales a mix of integers to fit.
        mixer = AudioResampler(format="s32", layout="mono", rate=rate_hz)
        for frame in container.decode(audio=0):
            for part in mixer.resample(frame):
                samples = part.to_ndarray()[0] / np.float32(FULL_SCALE_32)
                yield rate_hz, samples.astype(np.float32)
