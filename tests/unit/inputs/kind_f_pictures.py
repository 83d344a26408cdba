"""Pictures that change within a film, or that need interpretation."""

import struct
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import Colorspace

from tests.support.bad_inputs import Kind
from tests.support.pictures import (
    SIDE,
    frames_of,
    sides,
    square,
    turned_mp4,
    write_pictures,
)
from tests.unit.stimulus.made_films import tone

KIND = Kind(
    "Pictures that change or need interpretation",
    "A frame shows what a media player shows: upright, with square squares, the blacks and whites "
    "and the colours that were meant, on black where it is transparent. What no one picture "
    "shows (fields, views of both eyes) comes with a warning.",
)
RED = (200, 40, 60)
# libx265 writes beyond its buffers with pictures of 48 x 48 pixels.
X265_SIDE = 64
QUIET = {"x265-params": "log-level=none:pools=none"}


def flat(colour=RED, size=SIDE):
    return np.full((size, size, 3), colour, np.uint8)


def squares(path, n=1):
    """Whether squares are square in all frames."""
    found = [sides(picture) for picture in frames_of(path, n)]
    assert all(abs(high - wide) <= 2 and high > 8 for high, wide in found), found


def two_parts(folder, suffix, first, second):
    """Two recordings of a second each, one after the other in one file."""
    names = [folder / f"{n}.{suffix}" for n in (1, 2)]
    for number, (name, make) in enumerate(zip(names, (first, second), strict=True)):
        make(name, 4 * number)
    path = folder / f"film.{suffix}"
    path.write_bytes(b"".join(name.read_bytes() for name in names))
    return path


@KIND.read("a telephone's upright film: turned by 90 degrees in the track's header")
def _(folder):
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, :16] = RED
    path = turned_mp4(write_pictures(folder / "a.mp4", [picture] * 4), (0, 1, -1, 0))
    frame = frames_of(path)[0]
    # A quarter turn clockwise: what was left is at the top, in a picture half as wide as high.
    assert not frame[:, :10].any()
    assert not frame[:, -10:].any()
    assert abs(frame[4, 24].astype(int) - RED).max() < 12
    assert not frame[20:, 14:34].max() > 12


@KIND.read("pixels whose shape switches from 4:3 to 16:9 within a transport stream")
def _(folder):
    def part(aspect):
        wide = int(24 / aspect)
        return lambda name, first: write_pictures(
            name, [square(64, 64, wide, 24)] * 4, first=first, sample_aspect_ratio=aspect
        )

    squares(two_parts(folder, "ts", part(Fraction(4, 3)), part(Fraction(16, 9))), 8)


@KIND.read("pictures whose size switches within a transport stream")
def _(folder):
    def part(width, height, side):
        return lambda name, first: write_pictures(
            name, [square(width, height, side, side)] * 4, first=first
        )

    squares(two_parts(folder, "ts", part(64, 64, 32), part(160, 96, 48)), 8)


for name, codec, pix_fmt, suffix, options in (
    ("full range", "libx264", "yuvj420p", "mkv", None),
    ("10 bits", "libx264", "yuv420p10le", "mkv", None),
    ("12 bits", "libx265", "yuv420p12le", "mkv", QUIET),
    ("4:4:4", "libx264", "yuv444p", "mkv", None),
    ("RGB in H.264", "libx264rgb", "rgb24", "mkv", None),
    ("16 bits RGB in png", "png", "rgb48be", "mov", None),
    ("Motion JPEG", "mjpeg", "yuvj420p", "avi", None),
    ("an animated png", "apng", "rgba", "apng", None),
):

    @KIND.read(f"pictures in {name}")
    def _(folder, codec=codec, pix_fmt=pix_fmt, suffix=suffix, options=options):
        path = folder / f"a.{suffix}"
        pictures = [flat(size=X265_SIDE)] * 4
        write_pictures(path, pictures, codec=codec, pix_fmt=pix_fmt, options=options)
        assert np.abs(frames_of(path).reshape(-1, 3).mean(0) - RED).max() < 6


for name, codec, suffix in (("ffv1", "ffv1", "mkv"), ("hevc", "libx265", "mkv")):

    @KIND.read(f"grey pictures in {name}: black is black and white is white")
    def _(folder, codec=codec, suffix=suffix):
        options = QUIET if codec == "libx265" else None
        picture = square(X265_SIDE, X265_SIDE, 32, 32)
        picture[picture == 40] = 0
        picture[picture == 230] = 255
        path = folder / f"a.{suffix}"
        write_pictures(path, [picture] * 4, codec=codec, pix_fmt="gray", options=options)
        frame = frames_of(path)[0]
        assert frame[4, 4].max() < 4
        assert frame[24, 24].min() > 251


@KIND.read("an animated gif")
def _(folder):
    pictures = [flat((255, 0, 0)), flat((0, 0, 255))] * 2
    write_pictures(folder / "a.gif", pictures, codec="gif", pix_fmt="rgb8")
    frames = frames_of(folder / "a.gif", 4).reshape(4, -1, 3).mean(1)
    assert (frames[:, 0] > 200).tolist() == [True, False, True, False]


for codec, pix_fmt, suffix in (
    ("png", "rgba", "mov"),
    ("prores_ks", "yuva444p10le", "mov"),
    ("apng", "rgba", "apng"),
):

    @KIND.read(f"transparent pictures ({codec}): black where nothing is")
    def _(folder, codec=codec, pix_fmt=pix_fmt, suffix=suffix):
        picture = np.full((SIDE, SIDE, 4), 255, np.uint8)
        picture[:, : SIDE // 2, 3] = 0
        path = folder / f"a.{suffix}"
        write_pictures(path, [picture] * 4, codec=codec, pix_fmt=pix_fmt, form="rgba")
        frame = frames_of(path)[0]
        assert frame[:, :20].max() < 4
        assert frame[:, 28:].min() > 251


for width, height in ((1, 32), (32, 1), (33, 17)):

    @KIND.read(f"pictures of {width} x {height} pixels")
    def _(folder, width=width, height=height):
        pictures = [np.full((height, width, 3), 200, np.uint8)] * 4
        path = write_pictures(folder / "a.mkv", pictures, pix_fmt="yuv444p")
        assert abs(int(frames_of(path)[0, 24, 24].max()) - 200) < 4


@KIND.read("colours of BT.2020 in standard range: a saturated green stays one")
def _(folder):
    params = "log-level=none:pools=none:transfer=14:colorprim=9:colormatrix=9"
    # BT.709 green in BT.2020 coordinates, by the matrix of ITU-R BT.2087 and gamma 2.4.
    green = np.array([0.3293, 0.9195, 0.0880]) ** (1 / 2.4)
    picture = np.broadcast_to(np.rint(green * 65535).astype(np.uint16), (X265_SIDE, X265_SIDE, 3))
    path = write_pictures(
        folder / "a.mp4",
        [picture] * 4,
        codec="libx265",
        pix_fmt="yuv420p10le",
        form="rgb48le",
        matrix=Colorspace.BT2020,
        options={"x265-params": params},
    )
    frame = frames_of(path).reshape(-1, 3).mean(0)
    assert frame[1] > 245
    assert frame[[0, 2]].max() < 60


for transfer, name, white in ((16, "PQ", 0.5807), (18, "HLG", 0.75)):

    @KIND.warned(
        f"pictures of high dynamic range ({name})",
        f"…: its pictures are of high dynamic range ({name}); light above white is rolled off as "
        "docs/stimulus.md says. If the display showed another version, name that one",
    )
    def _(folder, transfer=transfer, white=white):
        grey = np.full((X265_SIDE, X265_SIDE, 3), round(white * 65535), np.uint16)
        path = write_pictures(
            folder / "a.mp4",
            [grey] * 4,
            codec="libx265",
            pix_fmt="yuv420p10le",
            form="rgb48le",
            options={
                "x265-params": f"log-level=none:pools=none:transfer={transfer}:colorprim=9:"
                "colormatrix=9"
            },
        )
        # The reference white of 203 cd/m² comes out near the top, as white paper does.
        assert 235 < frames_of(path).mean() < 248


@KIND.warned(
    "interlaced pictures",
    "…: its pictures are interlaced from 0.000 s on; the two fields of each are used as one "
    "picture, so that what moves has combs. Deinterlace it, for instance with ffmpeg -vf bwdif",
)
def _(folder):
    path = folder / "a.ts"
    write_pictures(path, [flat()] * 4, options={"x264-params": "tff=1", "preset": "ultrafast"})
    assert np.abs(frames_of(path).reshape(-1, 3).mean(0) - RED).max() < 8


@KIND.warned(
    "full range marked as limited range",
    "…: its pictures hold brightnesses below the black of limited range, which they are marked or "
    "taken as; dark and bright parts are cut off. Mark them as full range if they are",
)
def _(folder):
    planes = np.full((SIDE * 3 // 2, SIDE), 128, np.uint8)
    planes[:SIDE] = np.linspace(0, 255, SIDE).astype(np.uint8)
    frames_of(write_pictures(folder / "a.mkv", [planes] * 4, form="yuv420p"))


@KIND.warned(
    "a film for two eyes, side by side",
    "…: its pictures hold two views, one for each eye, and are used as they are; extract one view "
    "if that is what was shown",
)
def _(folder):
    options = {"x264-params": "frame-packing=3", "preset": "ultrafast"}
    frames_of(write_pictures(folder / "a.mkv", [flat()] * 4, options=options))


@KIND.warned(
    "a webm with transparency, whose layer of it is not read",
    "…: its pictures are partly transparent, which is not read; they are shown as if they were "
    "not. Put them on the background that was shown",
)
def _(folder):
    picture = np.full((SIDE, SIDE, 4), 255, np.uint8)
    path = folder / "a.webm"
    write_pictures(path, [picture] * 4, codec="libvpx-vp9", pix_fmt="yuva420p", form="rgba")
    frames_of(path)


@KIND.warned(
    "pictures marked to be turned by 30 degrees",
    "…: its pictures are marked to be turned by … degrees; they are shown unturned. Only quarter "
    "turns are made: turn it before",
)
def _(folder):
    path = write_pictures(folder / "a.mp4", [flat()] * 4)
    data = bytearray(path.read_bytes())
    struct.pack_into(">5i", data, data.find(b"tkhd") + 44, 56756, 32768, 0, -32768, 56756)
    path.write_bytes(data)
    frames_of(path)


@KIND.warned(
    "two streams of pictures, none of them the default",
    "…: has 2 streams of picture (no language h264, no language h264), none of them marked as the "
    "only default; the first default one, or else the first, is used. Remove the others if "
    "another one was shown",
)
def _(folder):
    path = folder / "a.ts"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("libx264", rate=4) for _ in range(2)]
        for stream, shade in zip(streams, (60, 200), strict=True):
            stream.width = stream.height = SIDE
            stream.pix_fmt = "yuv420p"
            for number in range(4):
                frame = av.VideoFrame.from_ndarray(flat(shade), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 4)
                out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    assert abs(frames_of(path).mean() - 60) < 4


@KIND.refused(
    "music with a cover as its only picture",
    "…: has no picture, only sound: name a film with a video stream in the column 'movie' of the "
    "runs table, or set config key 'modalities' to [audio, text] or [audio]",
)
def _(folder):
    path = folder / "a.mp3"
    with av.open(str(path), "w") as out:
        audio = out.add_stream("libmp3lame", rate=44100, layout="mono")
        cover = out.add_stream("mjpeg", rate=1, width=64, height=64, pix_fmt="yuvj420p")
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame(64, 64, "yuvj420p")
        picture.pts = 0
        out.mux([*cover.encode(picture), *cover.encode(None)])
        samples = tone(1)[None].astype(np.float32)
        sound = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
        sound.sample_rate, sound.pts = 44100, 0
        out.mux([*audio.encode(sound), *audio.encode(None)])
    frames_of(path)


@KIND.refused(
    "a header that speaks of 12,000 x 12,000 pixels",
    "…: its pictures are said to have … pixels, more than … in all: the file is damaged, or scale "
    "it down",
)
def _(folder):
    path = write_pictures(folder / "a.avi", [flat()] * 4, codec="rawvideo", pix_fmt="bgr24")
    data = bytearray(path.read_bytes())
    struct.pack_into("<ii", data, data.find(b"strf") + 12, 12000, -12000)
    path.write_bytes(data)
    frames_of(path)
