"""Decoded pictures as a player shows them, scaled into frames of one size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from giblet import notices
from giblet.errors import MediaError
from giblet.stimulus.colour import HDR, as_bt709, needs_mapping
from giblet.stimulus.tracks import MEDIA_FAULTS, fault_text

UNSPECIFIED_COLORSPACE = 2
HD_LINES = 720
LIMITED = 1
# Beyond, a pixel's shape is damage: 1 to 1 is used.
MOST_ASPECT = 32
# Luma of limited range starts at 16; codecs hardly undershoot it by so much, on so many pixels.
BELOW_BLACK, BELOW_SHARE = 3, 0.01
LOOKED_ROWS = 16
# Formats whose samples swscale takes for full range, and codecs in which they are not.
VIDEO_CODECS = ("h264", "hevc", "av1", "vp9", "libdav1d")


@dataclass(frozen=True)
class Turn:
    """How a picture is turned for display: transposed first, then flipped."""

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn a picture (H, W, 3)."""
        if self.transposed:
            picture = picture.transpose(1, 0, 2)
        if self.upside_down:
            picture = picture[::-1]
        if self.mirrored:
            picture = picture[:, ::-1]
        return np.ascontiguousarray(picture)


def turn_of(matrix: bytes) -> Turn | None:
    """The turn that a display matrix (nine int32, by rows) asks for; None if by other angles."""
    a, b, _, c, d = np.frombuffer(matrix, np.int32, 5).tolist()
    if a and d and not b and not c:
        return Turn(False, d < 0, a < 0)
    if b and c and not a and not d:
        return Turn(True, b < 0, c < 0)
    return None


class Painter:
    """Scales pictures into frames of one size, keeping their proportions.

    Parameters
    ----------
    path
        The film, for messages.
    fit
        ``letterbox``: the whole picture, centred, with black bars. ``crop``: the picture
        fills the frame and what stands over is cut away on both sides alike.
    """

    def __init__(self, path: Path, stream: Any, width: int, height: int, fit: str) -> None:
        from av.video.reformatter import VideoReformatter

        # One for all frames: it keeps its scaling tables, which is several times faster.
        self._reformatter = VideoReformatter()
        self._path = path
        self._codec = stream.codec_context.name
        self._size = (width, height)
        self._crop = fit == "crop"
        self._last: tuple[Any, NDArray[np.uint8]] | None = None
        self._boxes: list[tuple[int, int, int, int]] = []

    @property
    def box(self) -> tuple[int, int, int, int]:
        """[x, y, width, height] of the part of the frame that pictures fill."""
        if not self._boxes:
            return (0, 0, *self._size)
        left, top = (min(box[axis] for box in self._boxes) for axis in (0, 1))
        right, bottom = (max(box[axis] + box[axis + 2] for box in self._boxes) for axis in (0, 1))
        return (left, top, right - left, bottom - top)

    def paint(self, frame: Any, aspect: Fraction) -> NDArray[np.uint8]:
        """Picture [height, width, 3] of a decoded frame; the same array if it is the last one.

        Parameters
        ----------
        aspect
            Width of a pixel over its height.

        Raises
        ------
        MediaError
            If the picture is of a kind that cannot be shown.
        """
        if self._last is not None and self._last[0] is frame:
            return self._last[1]
        try:
            picture = self._painted(frame, aspect)
        except MEDIA_FAULTS as error:
            raise MediaError(
                f"{self._path}: its pictures ({frame.width} x {frame.height} pixels, "
                f"{frame.format.name}) cannot be shown ({fault_text(error)}): convert it to H.264"
            ) from error
        self._last = (frame, picture)
        return picture

    def _painted(self, frame: Any, aspect: Fraction) -> NDArray[np.uint8]:
        turn = self._turn(frame)
        if not 1 <= max(aspect, 1 / aspect if aspect > 0 else 0) <= MOST_ASPECT:
            aspect = Fraction(1)
        shape = frame.width * aspect / frame.height
        size = self._scaled_size(1 / shape if turn.transposed else shape)
        box = self._box_of(size)
        if box not in self._boxes:
            self._boxes.append(box)
        scaled = turn(self._scaled(frame, size[::-1] if turn.transposed else size))
        return self._placed(scaled)

    def _turn(self, frame: Any) -> Turn:
        for data in frame.side_data:
            name = data.type.name
            if name == "DISPLAYMATRIX":
                turn = turn_of(bytes(data))
                if turn is None:
                    notices.warn(
                        f"{self._path}: its pictures are marked to be turned by {frame.rotation} "
                        "degrees; they are shown unturned. Only quarter turns are made: turn it "
                        "before"
                    )
                    return Turn()
                return turn
        return Turn()

    def _scaled_size(self, shape: Fraction) -> tuple[int, int]:
        """Size in pixels of the whole picture, `shape` wide for its height, in the frame."""
        wide, high = self._size
        wider = shape > Fraction(wide, high)
        if wider != self._crop:
            return wide, max(1, round(wide / shape))
        return max(1, round(high * shape)), high

    def _box_of(self, scaled: tuple[int, int]) -> tuple[int, int, int, int]:
        if self._crop:
            return (0, 0, *self._size)
        left, top = ((room - used) // 2 for room, used in zip(self._size, scaled, strict=True))
        return (left, top, *scaled)

    def _scaled(self, frame: Any, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Picture of a size [width, height], in BT.709 colours on black."""
        self._look_at_range(frame)
        transfer, primaries = frame.color_trc, frame.color_primaries
        if any(component.is_alpha for component in frame.format.components):
            frame = self._on_black(frame)
        if not needs_mapping(transfer, primaries):
            return self._reformatted(frame, size, "rgb24")
        if transfer in HDR:
            notices.warn(
                f"{self._path}: its pictures are of high dynamic range ({HDR[transfer]}); light "
                "above white is rolled off as docs/stimulus.md says. If the display showed "
                "another version, name that one"
            )
        deep = self._reformatted(frame, size, "rgb48le")
        return as_bt709(deep.view(np.uint16), transfer, primaries)

    def _reformatted(self, frame: Any, size: tuple[int, int], form: str) -> NDArray[Any]:
        from av.video.reformatter import ColorRange, Colorspace, Interpolation

        # Untagged video is BT.709 in high definition and BT.601 below, as players take it.
        untagged_hd = frame.colorspace == UNSPECIFIED_COLORSPACE and frame.height >= HD_LINES
        grey = frame.format.name.startswith("gray") and self._codec in VIDEO_CODECS
        limited = grey and frame.color_range <= LIMITED
        scaled: NDArray[Any] = self._reformatter.reformat(
            frame,
            *size,
            format=form,
            src_colorspace=Colorspace.ITU709 if untagged_hd else None,
            src_color_range=ColorRange.MPEG if limited else None,
            interpolation=Interpolation.AREA,
            threads=1,
        ).to_ndarray()
        return scaled

    def _look_at_range(self, frame: Any) -> None:
        """Warn where samples of full range are marked, or by default taken, as limited."""
        form = frame.format
        if not form.name.startswith("yuv4") or form.components[0].bits > 8:
            return
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        luma = rows[: frame.height : LOOKED_ROWS, : frame.width]
        below = (luma <= BELOW_BLACK).mean() > BELOW_SHARE
        if below and frame.color_range <= LIMITED:
            notices.warn(
                f"{self._path}: its pictures hold brightnesses below the black of limited range, "
                "which they are marked or taken as; dark and bright parts are cut off. Mark them "
                "as full range if they are"
            )

    def _on_black(self, frame: Any) -> Any:
        """A picture whose transparent parts show black; itself if it has none."""
        from av import VideoFrame

        pixels = self._reformatted(frame, (frame.width, frame.height), "rgba")
        alpha = pixels[..., 3]
        if alpha.min() == 255:
            return frame
        opaque = (pixels[..., :3] * (alpha[..., None] / np.float32(255))).round()
        return VideoFrame.from_ndarray(np.ascontiguousarray(opaque.astype(np.uint8)), "rgb24")

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
