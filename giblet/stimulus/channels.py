"""Several channels of sound as one, and what is said of channels that do not mix well."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from giblet import notices

Samples: TypeAlias = NDArray[np.float32]

FULL_SCALE_32 = 2**31
# Numbers of channels whose order WAVE fixes, where a file does not say which is which.
USUAL = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
# Every so many blocks are measured.
MEASURED = 16
# A mix that keeps less of the channels' power has lost them to each other.
CANCELLED_SHARE, AUDIBLE = 0.01, 1e-7
# Lossy codecs overshoot full scale here and there.
BEYOND_SHARE = 1e-3
# PyAV reads the planes of fewer channels only.
MOST_PLANES = 8
FORMATS = {"u8": (128, 128), "s16": (0, 2**15), "s32": (0, 2**31), "s64": (0, 2**63)}


def channels_of(frame: Any) -> Samples:
    """Samples [channels, n] of a decoded block, full scale at 1."""
    form = frame.format.name
    if form.endswith("p") and frame.layout.nb_channels >= MOST_PLANES:
        frame = _packed(frame)
        form = frame.format.name
    samples = frame.to_ndarray()
    if not form.endswith("p"):
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    zero, full = FORMATS.get(form.removesuffix("p"), (0, 1))
    return np.asarray((samples.astype(np.float32) - zero) / full, np.float32)


def is_finite(frame: Any) -> bool:
    """Whether a block's samples are all numbers."""
    form, channels = frame.format.name, frame.layout.nb_channels
    kind = {"flt": np.float32, "dbl": np.float64}.get(form.removesuffix("p"))
    if kind is None:
        return True
    if form.endswith("p"):
        if channels >= MOST_PLANES:
            return bool(np.isfinite(channels_of(frame)).all())
        channels = 1
    # Planes are longer than their samples. What is no number makes a sum that is none.
    n = frame.samples * channels
    return all(np.isfinite(np.frombuffer(plane, kind, n).sum()) for plane in frame.planes)


def _packed(frame: Any) -> Any:
    from av.audio.resampler import AudioResampler

    packing = AudioResampler(format=frame.format.name.removesuffix("p"))
    (packed,) = packing.resample(frame)
    return packed


class Mixer:
    """Mixes decoded blocks to one channel at the rate of the first one, and measures them.

    Channels are weighted as broadcast standards do (ITU-R BS.775, by libswresample) and
    scaled so that the mix cannot clip. Channels that a file does not name are taken in WAVE's
    order where it has one for their number, and all alike otherwise.
    """

    def __init__(self, path: Path) -> None:
        self.rate = 0
        self._path = path
        self._form: tuple[str, str, int] | None = None
        self._resampler: Any = None
        self._blocks = 0
        self._power = self._mixed_power = 0.0
        self._n = self._beyond = 0
        self._sounds = self._no_numbers = False

    def mix(self, frame: Any, time_s: Fraction) -> Samples:
        """One channel of a block, full scale at 1."""
        from av.audio.resampler import AudioResampler

        self.rate = self.rate or frame.sample_rate
        measured = self._blocks % MEASURED == 0
        self._blocks += 1
        if not is_finite(frame):
            frame = self._finite(frame, time_s)
        channels = channels_of(frame) if measured else None
        frame = self._named(frame)
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if found != self._form:
            # 32-bit integers: libswresample scales a mix of integers to fit, floats it does not.
            self._resampler = AudioResampler(format="s32", layout="mono", rate=self.rate)
            self._form = found
        parts = [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        if not parts:
            return np.zeros(0, np.float32)
        mixed = np.asarray(np.concatenate(parts) / np.float32(FULL_SCALE_32), np.float32)
        self._sounds = self._sounds or bool(mixed.any())
        if measured and channels is not None:
            self._measure(channels, mixed)
        return mixed

    def _finite(self, frame: Any, time_s: Fraction) -> Any:
        """A block in which what is no number is silent."""
        if not self._no_numbers:
            notices.warn(
                f"{self._path}: its sound holds samples that are no numbers (NaN or infinite), "
                f"the first at {float(time_s):.3f} s; they are taken as silence. Export it again"
            )
        self._no_numbers = True
        channels = np.nan_to_num(channels_of(frame), nan=0, posinf=0, neginf=0)
        return _frame_of(channels, frame, frame.layout.name)

    def _named(self, frame: Any) -> Any:
        """A block whose channels have names, or the mean of its channels."""
        number = frame.layout.nb_channels
        if "channels" not in frame.layout.name:
            return frame
        if number not in USUAL:
            notices.warn(
                f"{self._path}: has {number} channels of sound and does not say which they are; "
                "their mean is used. Export it in mono or stereo if they should not count alike"
            )
            mean = channels_of(frame).mean(axis=0, keepdims=True)
            return _frame_of(mean, frame, "mono")
        if number > 2:
            notices.warn(
                f"{self._path}: has {number} channels of sound and does not say which they are; "
                f"they are taken as {USUAL[number]} in the order of WAVE. Export it in mono or "
                "stereo if they are others"
            )
        return _frame_of(channels_of(frame), frame, USUAL[number]) if number > 2 else frame

    def _measure(self, channels: Samples, mixed: Samples) -> None:
        self._n += channels.size
        self._beyond += int((np.abs(channels) > 1).sum())
        self._power += float(np.square(channels).sum()) / len(channels)
        self._mixed_power += float(np.square(mixed).sum())

    def tell(self) -> None:
        """Say what was found, once all is mixed."""
        if not self._blocks:
            return
        if not self._sounds and self._power < AUDIBLE:
            notices.warn(
                f"{self._path}: its sound is digital silence throughout; it is used as it is. "
                "Export it again if something was heard"
            )
        elif self._mixed_power < CANCELLED_SHARE * self._power:
            notices.warn(
                f"{self._path}: less than a hundredth of its sound's power is left when its "
                "channels are mixed to one: they are in opposite phase, or only effects. Export "
                "it in mono"
            )
        if self._beyond > BEYOND_SHARE * self._n:
            share = 100 * self._beyond / self._n
            notices.warn(
                f"{self._path}: {share:.1f} % of its sound's samples are beyond full scale and "
                "are clipped. Export it at a lower level"
            )


def _frame_of(channels: Samples, like: Any, layout: str) -> Any:
    from av import AudioFrame

    packed = np.ascontiguousarray(channels.T).reshape(1, -1)
    frame = AudioFrame.from_ndarray(packed, "flt", layout)
    frame.sample_rate, frame.pts, frame.time_base = like.sample_rate, like.pts, like.time_base
    return frame
